-- name: DeviceSave :exec
-- Adds a device target or replaces its limits; its tables are kept unless the batch size changes.
select ofa_api_1.save_device(@name::text, @target::jsonb, @latency_table::bigint?, @energy_table::bigint?);

-- name: DeviceGet :one
-- One device target, with the metadata of its latency table.
select device.name, device.target, device.latency_table, device.energy_table, artifact.metadata as table_metadata
from ofa.device left join ofa.artifact on artifact.id = device.latency_table
where device.name = @name::text;

-- name: DeviceList :many
-- Every device target, by name.
select device.name, device.target, device.latency_table, device.energy_table, artifact.metadata as table_metadata
from ofa.device left join ofa.artifact on artifact.id = device.latency_table
order by device.name;

-- name: DeviceSetTable :exec
-- Sets the latency table measured for a device, if its kind and batch size are unchanged: another device may have its
-- name by now.
select ofa_api_1.set_device_table(@name::text, @kind::text, @batch::int, @latency_table::bigint);

-- name: DeviceRemove :exec
-- Deletes a device target. Runs keep their copy of it, and its tables remain artifacts.
select where ofa_api_1.remove_device(@name::text);
