-- name: DeviceSave :exec
-- Adds a device target or replaces its limits; its tables stay while the batch they were measured at does.
select ofa_api_1.save_device(@name::text, @target::jsonb, @latency_table::bigint?, @energy_table::bigint?);

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
select ofa_api_1.set_device_table(@name::text, @kind::text, @batch::int, @latency_table::bigint);

-- name: DeviceRemove :exec
-- Forgets a device target. Runs keep what they were given of it, and its tables stay artifacts.
select where ofa_api_1.remove_device(@name::text);
