-- Statements of queues, permits, recurring runs and housekeeping.

-- name: QueuePause :exec
-- Stops claims from a queue.
select ofa_api_1.pause_queue(@name::text);

-- name: QueueResume :exec
-- Allows claims from a queue again.
select ofa_api_1.resume_queue(@name::text);

-- name: QueueList :many
-- Every queue with its jobs.
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
-- Notifies waiting workers of available jobs; a separate statement after the commit that made them available. A crash
-- can only lose a hint, so its commit does not wait for the disk.
select set_config('synchronous_commit', 'off', true), pg_notify('ofa_jobs', '');

-- name: PermitSet :exec
-- Sets how many jobs may hold a key at once; permits above a lowered limit are released as their jobs end.
select ofa_api_1.set_permits(@key::text, @slots::int);

-- name: PermitList :many
-- Every key with its holders.
select permit_key.name, permit_key.slots, count(permit.token) as held,
  coalesce(array_agg(permit.job_id order by permit.job_id) filter (where permit.job_id is not null), '{}') as jobs
from ofa.permit_key left join ofa.permit on permit.key_id = permit_key.id
group by permit_key.id order by permit_key.name;

-- name: RecurringSet :exec
-- Adds or replaces a recurring run, first due at a time.
select ofa_api_1.set_recurring(@name::text, @spec::json, @every_seconds::float8, @next_at::timestamptz?);

-- name: RecurringRemove :exec
-- Removes a recurring run; runs already enqueued continue.
select where ofa_api_1.remove_recurring(@name::text);

-- name: RecurringList :many
-- The recurring runs.
select name, extract(epoch from every)::float8 as every_seconds, next_at, last_run
from ofa.recurring order by name;

-- name: RecurringDue :many
-- Locks a due recurring run that no other transaction has locked.
select * from ofa_api_1.lock_recurring();

-- name: RecurringAdvance :exec
-- Records that a recurring run was enqueued, or NULL if skipped because the last is unfinished. Missed occurrences are
-- coalesced into one.
select ofa_api_1.advance_recurring(@name::text, @run::bigint?);

-- name: DutyLook :one
-- Which of the short duties have work: sessions to expire, jobs to rescue or sessions to sweep; due jobs; due recurring
-- runs.
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
-- Whether a duty was last done at least so many seconds ago.
select not exists (
  select from ofa.duty where name = @name::text
    and done_at between ofa.now() - make_interval(secs => @seconds::float8) and ofa.now()) as due;

-- name: DutyDone :exec
-- Records that a duty was done.
select ofa_api_1.finish_duty(@name::text);

-- name: PartitionsAhead :one
-- Creates missing days of history ahead, a limited number per call; returns how many partitions.
select ofa_api_1.open_days(@days::int, @most::int) as made;

-- name: FoldDays :one
-- Folds past days of the ledger into sums; returns how many rows were folded.
select ofa_api_1.fold_days() as rows;

-- name: HistoryList :many
-- The partitions of history, meter rows and runs' jobs, with their sizes.
select relname as name, pg_total_relation_size(pg_class.oid) as bytes, reltuples::bigint as rows
from pg_inherits join pg_class on pg_class.oid = inhrelid
where inhparent = any (array['ofa.attempt', 'ofa.job_log', 'ofa.meter', 'ofa.job_group', 'ofa.group_edge', 'ofa.job',
  'ofa.outcome', 'ofa.progress']::regclass[])
order by relname;

-- name: MonthClose :many
-- Closes the oldest month that ended at least so many days ago and whose runs have all ended as long ago, if any.
select month from ofa_api_1.close_month(@days::int) as month;

-- name: HistoryOld :many
-- The partitions of a kind (history, meter, jobs) that ended at least so many days ago, oldest first: attached, with a
-- pending detach, or detached and not yet dropped. Partitions of jobs only if their month is closed, groups first, so
-- that no counter refers to dropped jobs.
select old.name, old.parent, old.ends::text as ends,
  case when pg_inherits.inhrelid is null then 'detached' when pg_inherits.inhdetachpending then 'pending'
    else 'attached' end as state
from (
  select pg_class.oid, relname as name, parts[1] as parent,
    case length(parts[2]) when 8 then to_date(parts[2], 'YYYYMMDD') + 1
      else (to_date(parts[2], 'YYYYMM') + interval '1 month')::date end as ends
  from pg_class cross join lateral regexp_match(relname,
    '^(attempt|job_log|meter|job_group|group_edge|job|outcome|progress)_([0-9]{6}|[0-9]{8})$') as parts
  where relnamespace = 'ofa'::regnamespace and relkind = 'r' and parts is not null
    and parts[1] = any (case @kind::text when 'history' then array['attempt', 'job_log'] when 'meter' then array['meter']
      else array['job_group', 'group_edge', 'job', 'outcome', 'progress'] end)
    and (@kind::text <> 'jobs' or exists (select from ofa.closed_month where month = parts[2]::int)
      and not exists (select from ofa.run where month = parts[2]::int and state = 'running'))
) as old
left join pg_inherits on pg_inherits.inhrelid = old.oid
where old.ends <= (ofa.now() at time zone 'UTC')::date - @days::int
order by old.ends, array_position(array['job_group', 'group_edge', 'job'], old.parent), old.name;

-- name: RetentionList :many
-- The retention periods.
select what, (extract(epoch from keep) / 86400)::int as days from ofa.retention order by what;

-- name: SchemaIsOwned :one
-- Whether this role has the privileges of the schema's owner.
select pg_has_role(nspowner, 'usage') as owned from pg_namespace where nspname = 'ofa';

-- name: RetentionSet :exec
-- Sets a retention period in days.
select ofa_api_1.set_retention(@what::text, @days::int);

-- name: RetentionRemove :exec
-- Removes a retention period: the data is kept forever.
select ofa_api_1.remove_retention(@what::text);
