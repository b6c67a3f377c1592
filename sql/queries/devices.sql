-- name: DeviceSave :exec
-- Adds a device target or replaces its limits; a latency table stays while the batch it was measured at does.
insert into ofa.device (name, target, latency_table)
values ($1, $2, $3)
on conflict (name) do update
set target = excluded.target,
    latency_table = case
      when excluded.latency_table is null and ofa.device.target -> 'batch' = excluded.target -> 'batch'
      then ofa.device.latency_table else excluded.latency_table end,
    updated_at = ofa.now();

-- name: DeviceGet :one
-- One device target.
select name, target, latency_table, created_at from ofa.device where name = $1;

-- name: DeviceList :many
-- Every device target, by name.
select name, target, latency_table, created_at from ofa.device order by name;

-- name: DeviceSetTable :exec
-- Notes the latency table that was measured for a device at a batch.
update ofa.device set latency_table = $2, updated_at = ofa.now()
where name = $1 and target -> 'batch' = to_jsonb($3::int);
