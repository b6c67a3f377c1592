-- Statements about the server itself.

-- name: ServerClock :one
-- Returns the server's version and its clock, which determines when leases expire and jobs are due.
select current_setting('server_version') as version, clock_timestamp() as now;

-- name: ServerGuests :many
-- Returns the other connections to this server, to any database, oldest first.
select pid, application_name as name, datname as database, backend_start as since, state
from pg_stat_activity
where backend_type = 'client backend' and pid <> pg_backend_pid()
order by backend_start, pid;
