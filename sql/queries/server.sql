-- Statements about the server itself.

-- name: ServerClock :one
-- The server's version and its clock, which determines leases and due times.
select current_setting('server_version') as version, clock_timestamp() as now;

-- name: ServerGuests :many
-- Other connections to this server, in any database, oldest first.
select pid, application_name as name, datname as database, backend_start as since, state
from pg_stat_activity
where backend_type = 'client backend' and pid <> pg_backend_pid()
order by backend_start, pid;
