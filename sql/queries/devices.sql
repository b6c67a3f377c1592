-- name: DeviceSave :exec
-- Adds a device target or replaces it. A NULL for the latency or energy table keeps the stored table or, if the batch
-- size or the number of threads changes, removes the table from the device.
select ofa_api_1.save_device(@name::text, @target::jsonb, @latency_table::bigint?, @energy_table::bigint?);

-- name: DeviceGet :one
-- Returns one device target, with the metadata of its latency table and when that was recorded.
select device.name, device.target, device.latency_table, device.energy_table, artifact.metadata as table_metadata,
  artifact.created_at as table_recorded_at
from ofa.device left join ofa.artifact on artifact.id = device.latency_table
where device.name = @name::text;

-- name: DeviceList :many
-- Returns all device targets as DeviceGet does, ordered by name.
select device.name, device.target, device.latency_table, device.energy_table, artifact.metadata as table_metadata,
  artifact.created_at as table_recorded_at
from ofa.device left join ofa.artifact on artifact.id = device.latency_table
order by device.name;

-- name: RunsOfDevice :many
-- Returns the newest runs with jobs for a device, newest first, at most `most`; looks at the newest `among` rows of
-- ofa.account with a device only.
select id, name, state, created_at, ended_at from ofa.run
where id in (select run_id from (select run_id, device from ofa.account where device is not null
  order by run_id desc limit @among::int) as booked where device = @device::text)
order by id desc limit @most::int;

-- name: DeviceSetTable :exec
-- Sets the latency table measured for a device, if the device still has this kind, batch size and number of threads: the
-- name may have been given to another device since the measurement began.
select ofa_api_1.set_device_table(@name::text, @kind::text, @batch::int, @latency_table::bigint);

-- name: DeviceRemove :exec
-- Deletes a device target. Runs keep their copies of the target, and its latency and energy tables remain as artifacts.
select where ofa_api_1.remove_device(@name::text);
