-- name: DeviceSave :exec
-- Adds a device target or replaces its limits; its tables stay while the batch they were measured at does.
insert into ofa.device (name, target, latency_table, energy_table)
values (@name::text, @target::jsonb, @latency_table::bigint?, @energy_table::bigint?)
on conflict (name) do update
set target = excluded.target,
    latency_table = case
      when excluded.latency_table is null and ofa.device.target -> 'batch' = excluded.target -> 'batch'
      then ofa.device.latency_table else excluded.latency_table end,
    energy_table = case
      when excluded.energy_table is null and ofa.device.target -> 'batch' = excluded.target -> 'batch'
      then ofa.device.energy_table else excluded.energy_table end,
    updated_at = ofa.now();

-- name: DeviceGet :one
-- One device target, with what is known of its latency table.
select device.name, device.target, device.latency_table, device.energy_table, artifact.metadata as table_metadata
from ofa.device left join ofa.artifact on artifact.id = device.latency_table
where device.name = @name::text;

-- name: DeviceList :many
-- Every device target, by name.
select device.name, device.target, device.latency_table, device.energy_table, artifact.metadata as table_metadata
from ofa.device left join ofa.artifact on artifact.id = device.latency_table
order by device.name;

-- name: DeviceSetTable :exec
-- Notes the latency table that was measured for a device of a kind at a batch; another may have its name by now.
update ofa.device set latency_table = @latency_table::bigint, updated_at = ofa.now()
where name = @name::text and target -> 'batch' = to_jsonb(@batch::int) and target ->> 'kind' = @kind::text;

-- name: DeviceRemove :exec
-- Forgets a device target. Runs keep what they were given of it, and its tables stay artifacts.
delete from ofa.device where name = @name::text;
