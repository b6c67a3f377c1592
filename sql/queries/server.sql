-- Statements about the server itself.

-- name: ServerClock :one
-- The server's version and its clock, which decides leases and times.
select current_setting('server_version') as version, clock_timestamp() as now;
