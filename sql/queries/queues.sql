-- Statements about queues, permits, recurring runs and housekeeping.

-- name: QueuePause :exec
-- Pauses a queue: claims take no more jobs from it.
select ofa_api_1.pause_queue(@name::text);

-- name: QueueResume :exec
-- Lets claims take jobs from a paused queue again.
select ofa_api_1.resume_queue(@name::text);

-- name: QueueList :many
-- Returns the queues that have jobs in ofa.live or are paused, each with the numbers of these jobs by state.
with counted as materialized (
  select lane.queue as name, live.state, live.crashes > 0 as suspect, count(*) as jobs
  from ofa.live join ofa.lane on lane.id = live.lane_id group by 1, 2, 3
)
select coalesce(counted.name, paused_queue.name) as name,
  coalesce(sum(jobs) filter (where state = 'available'), 0)::bigint as available,
  coalesce(sum(jobs) filter (where state = 'available' and suspect), 0)::bigint as quarantined,
  coalesce(sum(jobs) filter (where state = 'scheduled'), 0)::bigint as scheduled,
  coalesce(sum(jobs) filter (where state = 'retryable'), 0)::bigint as retryable,
  coalesce(sum(jobs) filter (where state = 'running'), 0)::bigint as running,
  bool_or(paused_queue.name is not null) as paused
from counted full join ofa.paused_queue on paused_queue.name = counted.name
group by 1 order by 1;

-- name: NotifyJobs :exec
-- Sends workers the hint that jobs are available. This is a statement of its own, after the commit that made the jobs
-- available. Its commit does not wait for the disk, because a crash would lose only the hint.
select set_config('synchronous_commit', 'off', true), pg_notify('ofa_jobs', '');

-- name: PermitSet :exec
-- Sets how many jobs with a concurrency key may run at once. Running jobs keep permits above a lowered limit until
-- their attempts end.
select ofa_api_1.set_permits(@key::text, @slots::int);

-- name: PermitList :many
-- Returns all concurrency keys, each with the jobs that hold its permits.
select permit_key.name, permit_key.slots, count(permit.token) as held,
  coalesce(array_agg(permit.job_id order by permit.job_id) filter (where permit.job_id is not null), '{}') as jobs
from ofa.permit_key left join ofa.permit on permit.key_id = permit_key.id
group by permit_key.id order by permit_key.name;

-- name: RecurringSet :exec
-- Adds or replaces a recurring run, which is first due at `next_at` (NULL: now).
select ofa_api_1.set_recurring(@name::text, @spec::json, @every_seconds::float8, @next_at::timestamptz?);

-- name: RecurringRemove :exec
-- Removes a recurring run. Runs that were already enqueued for it continue.
select where ofa_api_1.remove_recurring(@name::text);

-- name: RecurringList :many
-- Returns the recurring runs.
select name, extract(epoch from every)::float8 as every_seconds, next_at, last_run
from ofa.recurring order by name;

-- name: RecurringDue :many
-- Locks and returns the recurring run that has been due longest. Skips runs that other transactions have locked;
-- returns no row if no other run is due.
select * from ofa_api_1.lock_recurring();

-- name: RecurringAdvance :exec
-- Moves the next due time of a recurring run into the future, by whole periods. Records `run` as the last run that was
-- enqueued for the recurring run (NULL: none was enqueued this time).
select ofa_api_1.advance_recurring(@name::text, @run::bigint?);

-- name: DutyLook :one
-- Returns which of three duties have work: `rescue` has sessions to expire, jobs to rescue or sessions to sweep;
-- `promote` has due jobs; `recurring` has due recurring runs.
select
  exists (
    select from ofa.session where state = 'alive' and (beat_at > ofa.now() + interval '1 second'
      or greatest(beat_at, case when pg_postmaster_start_time() <= ofa.now() then pg_postmaster_start_time() end)
        + ttl < ofa.now()))
  or exists (select from ofa.session where state <> 'alive' and not swept)
  or exists (
    select from (select session_id, least(deadline_at, stall_at) as until from ofa.live
      where state = 'running' and least(deadline_at, stall_at) < ofa.now()
      order by least(deadline_at, stall_at) offset 0) as late
    join ofa.session on session.id = late.session_id
    where late.until + session.ttl < ofa.now() and session.state = 'alive') as rescue,
  exists (select from ofa.live where state in ('scheduled', 'retryable') and due_at <= ofa.now()) as promote,
  exists (select from ofa.recurring where next_at <= ofa.now()) as recurring;

-- name: DutyIsDue :one
-- Returns whether a duty was not done within the last `seconds` seconds.
select not exists (
  select from ofa.duty where name = @name::text
    and done_at between ofa.now() - make_interval(secs => @seconds::float8) and ofa.now()) as due;

-- name: DutyDone :exec
-- Records that a duty (a maintenance task, done by one worker at a time) was done now.
select ofa_api_1.finish_duty(@name::text);

-- name: PartitionsAhead :one
-- Creates the missing partitions of today, of the next `days` days and of their months. Stops after `most` days for
-- which partitions were missing; returns how many partitions it created.
select ofa_api_1.open_days(@days::int, @most::int) as made;

-- name: FoldDays :one
-- Sums past days of the ledgers into ofa.cost_day; returns how many rows it inserted.
select ofa_api_1.fold_days() as rows;

-- name: HistoryList :many
-- Returns all partitions (of history, of what was metered, of the jobs of runs), each with its size.
select relname as name, pg_total_relation_size(pg_class.oid) as bytes, reltuples::bigint as rows
from pg_inherits join pg_class on pg_class.oid = inhrelid
where inhparent = any (array['ofa.attempt', 'ofa.job_log', 'ofa.meter', 'ofa.energy_interval', 'ofa.energy_use',
  'ofa.energy_piece', 'ofa.job_group', 'ofa.group_edge', 'ofa.job', 'ofa.outcome', 'ofa.progress',
  'ofa.training_metrics', 'ofa.training_validation']::regclass[])
order by relname;

-- name: MonthClose :many
-- Closes the oldest month that ended at least `days` days ago and whose runs have all ended at least `days` days ago;
-- returns no row if there is none.
select month from ofa_api_1.close_month(@days::int) as month;

-- name: HistoryOld :many
-- Returns the partitions of a kind (history, meter, jobs) that ended at least `days` days ago, oldest first. Each has a
-- state: attached, pending (a detach has begun), or detached and not yet dropped. Partitions of jobs are returned only
-- if their month is closed. In each month, the partition of groups comes first: it must be dropped before the partition
-- of jobs, because the counters of the groups include these jobs.
select old.name, old.parent, old.ends::text as ends,
  case when pg_inherits.inhrelid is null then 'detached' when pg_inherits.inhdetachpending then 'pending'
    else 'attached' end as state
from (
  select pg_class.oid, relname as name, parts[1] as parent,
    case length(parts[2]) when 8 then to_date(parts[2], 'YYYYMMDD') + 1
      else (to_date(parts[2], 'YYYYMM') + interval '1 month')::date end as ends
  from pg_class cross join lateral regexp_match(relname,
    '^(attempt|job_log|meter|energy_interval|energy_use|energy_piece|job_group|group_edge|job|outcome|progress|training_metrics|training_validation)_([0-9]{6}|[0-9]{8})$'
  ) as parts
  where relnamespace = 'ofa'::regnamespace and relkind = 'r' and parts is not null
    and parts[1] = any (case @kind::text when 'history' then array['attempt', 'job_log'] when 'meter'
        then array['meter', 'energy_interval', 'energy_use', 'energy_piece']
      else array['job_group', 'group_edge', 'job', 'outcome', 'progress', 'training_metrics', 'training_validation'] end)
    and (@kind::text <> 'jobs' or exists (select from ofa.closed_month where month = parts[2]::int)
      and not exists (select from ofa.run where month = parts[2]::int and state = 'running'))
) as old
left join pg_inherits on pg_inherits.inhrelid = old.oid
where old.ends <= (ofa.now() at time zone 'UTC')::date - @days::int
order by old.ends, array_position(array['job_group', 'group_edge', 'job'], old.parent), old.name;

-- name: RetentionList :many
-- Returns the retention periods.
select what, (extract(epoch from keep) / 86400)::int as days from ofa.retention order by what;

-- name: SchemaIsOwned :one
-- Returns whether this role has the privileges of the schema's owner.
select pg_has_role(nspowner, 'usage') as owned from pg_namespace where nspname = 'ofa';

-- name: RetentionSet :exec
-- Sets how many days data of the kind `what` is kept.
select ofa_api_1.set_retention(@what::text, @days::int);

-- name: RetentionRemove :exec
-- Removes a retention period: the data `what` is then kept forever.
select ofa_api_1.remove_retention(@what::text);
