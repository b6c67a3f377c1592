-- Statements of benchmarks and soak tests: activity of the server and counts of jobs.

-- name: WalPosition :one
-- Returns how many bytes of write-ahead log were written since the server was created.
select pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint as bytes;

-- name: DatabaseActivity :one
-- Returns the number of commits in this database and of dead rows in ofa.live (both from the server's statistics), and
-- the size of ofa.live in bytes.
select (select xact_commit from pg_stat_database where datname = current_database()) as commits,
  (select n_dead_tup from pg_stat_user_tables where relid = 'ofa.live'::regclass) as dead,
  pg_total_relation_size('ofa.live'::regclass) as live_bytes;

-- name: OutcomeCount :one
-- Returns how many jobs have ended.
select count(*) as jobs from ofa.outcome;

-- name: FanInDelay :one
-- Returns the seconds from the end of the last child of a run's fan-out to the start of the job that waits for the
-- fan-out, by the server's clock.
select extract(epoch from
  (select max(started_at) from ofa.attempt join ofa.job on job.id = attempt.job_id
    where job.run_id = @run::bigint and job.waits_for is not null)
  - (select max(ended_at) from ofa.attempt join ofa.job on job.id = attempt.job_id
    where job.run_id = @run::bigint and job.is_inner))::float8 as seconds;

-- name: SnapshotHold :one
-- Takes a snapshot in an open transaction, so that rows that become dead later cannot be vacuumed.
select count(*) as jobs from ofa.live where job_id < 0;

-- name: RunsUnfinished :one
-- Returns how many runs are unfinished.
select count(*) as runs from ofa.run where state = 'running';

-- name: SoakCounts :one
-- Returns how many jobs were enqueued, have ended, have completed, and are in ofa.live (`waiting`), and how many
-- attempts were lost.
select (select sum(expected) from ofa.job_group)::bigint as enqueued,
  (select sum(ok + bad) from ofa.job_group)::bigint as ended,
  (select sum(ok) from ofa.job_group)::bigint as completed,
  (select count(*) from ofa.live) as waiting,
  (select count(*) from ofa.attempt where outcome = 'lost') as lost;

-- name: SessionsAlive :one
-- Returns the number of sessions that are neither closed nor marked as dead.
select count(*) as sessions from ofa.session where state = 'alive';

-- name: FleetActivity :one
-- Returns the number of transactions in this database so far, the next transaction id, and the number of connections of
-- workers.
select xact_commit + xact_rollback as transactions, pg_snapshot_xmax(pg_current_snapshot())::text::bigint as next_id,
  (select count(*) from pg_stat_activity
    where datname = current_database() and application_name like 'ofa %' and application_name <> 'ofa-bench') as connections
from pg_stat_database where datname = current_database();
