-- Statements of groups: stages of a run, and the children of a fan-out.

-- name: GroupInsert :one
-- Creates a group; a stage has no owner, a fan-out is owned by the job that made it.
insert into ofa.job_group (run_id, stage, owner_job, deps_left, released_at)
values ($1::bigint, $2::text, $3::bigint, $4::int,
  case when $4::int = 0 then ofa.now() end)
returning id;

-- name: GroupEdgeInsert :exec
-- Lets one stage wait for another.
insert into ofa.group_edge (parent, child) values ($1::bigint, $2::bigint);

-- name: GroupAddJobs :many
-- Adds jobs to a group, described by a JSON array; released ones become available at once.
with spec as materialized (
  select * from json_to_recordset($3::json) as spec (
    ordinal int, kind text, args text, queue text, priority int, "maxAttempts" int, "maxCrashes" int,
    "timeoutSeconds" float8, backoff json)
), added as (
  insert into ofa.job (
    run_id, group_id, ordinal, path, waits_for, is_inner, kind, args, queue, priority, max_attempts,
    max_crashes, timeout, backoff, created_at)
  select $1::bigint, $2::bigint, ordinal, $4::int[] || ordinal, $5::bigint, $6::boolean, kind, args::json,
    queue, priority, "maxAttempts", "maxCrashes", make_interval(secs => "timeoutSeconds"), backoff, ofa.now()
  from spec order by ordinal
  returning id, run_id, kind, queue, priority, max_attempts, max_crashes
), freed as (
  insert into ofa.live (job_id, run_id, kind, queue, priority, state, max_attempts, max_crashes)
  select id, run_id, kind, queue, priority, 'available', max_attempts, max_crashes
  from added where $7::boolean
  returning job_id
), grown as (
  update ofa.job_group set expected = expected + counted.jobs, pending = pending + counted.jobs
  from (select count(*)::int as jobs from added) as counted
  where job_group.id = $2::bigint
  returning job_group.id
)
select added.id from added, grown order by added.id;

-- name: GroupNextOrdinal :one
-- The first ordinal of a group that is not in use.
select coalesce(max(ordinal), -1) + 1 as ordinal from ofa.job where group_id = $1::bigint;

-- name: GroupFire :many
-- Marks a group as ended when its last job has ended; a row comes back exactly once.
update ofa.job_group set fired_at = ofa.now()
where id = $1::bigint and pending = 0 and fired_at is null
returning stage, bad, owner_job;

-- name: GroupReleaseDependents :many
-- Tells the stages after one that ended well; returns those that now wait for nothing more.
with told as (
  update ofa.job_group set
    deps_left = deps_left - 1,
    released_at = case when deps_left = 1 then ofa.now() end
  from ofa.group_edge
  where group_edge.parent = $1::bigint and job_group.id = group_edge.child
  returning job_group.id, job_group.deps_left
), ready as materialized (
  select id from told where deps_left = 0
)
insert into ofa.live (job_id, run_id, kind, queue, priority, state, max_attempts, max_crashes)
select job.id, job.run_id, job.kind, job.queue, job.priority, 'available', job.max_attempts, job.max_crashes
from ready join ofa.job on job.group_id = ready.id
where job.waits_for is null
  and not exists (select from ofa.outcome where outcome.job_id = job.id)
returning job_id;

-- name: GroupReleaseWaiting :many
-- Makes the job available that waited for a fan-out which ended well.
insert into ofa.live (job_id, run_id, kind, queue, priority, state, max_attempts, max_crashes)
select id, run_id, kind, queue, priority, 'available', max_attempts, max_crashes
from ofa.job where waits_for = $1::bigint
  and not exists (select from ofa.outcome where outcome.job_id = job.id)
returning job_id;

-- name: GroupCancelDependents :many
-- Cancels what waits for a group that ended badly; returns the groups it changed.
with blocked as materialized (
  select job.id, job.group_id from ofa.job
  where (job.waits_for = $1::bigint
      or job.waits_for is null and job.group_id in (
        select child from ofa.group_edge where parent = $1::bigint))
    and not exists (select from ofa.live where live.job_id = job.id)
    and not exists (select from ofa.outcome where outcome.job_id = job.id)
), ended as (
  insert into ofa.outcome (job_id, group_id, state, reason, ended_at)
  select id, group_id, 'cancelled', $2::text, ofa.now() from blocked
  returning group_id
), counted as materialized (
  select group_id, count(*)::int as jobs from ended group by group_id
)
update ofa.job_group set pending = pending - counted.jobs, bad = bad + counted.jobs
from counted where job_group.id = counted.group_id
returning job_group.id;

-- name: GroupReopen :many
-- Takes back the bad end of jobs of a group; the group is unfinished again.
with back as (
  delete from ofa.outcome where group_id = $1::bigint and job_id = any($2::bigint[]) and state <> 'completed'
  returning job_id
), counted as materialized (
  select count(*)::int as jobs from back
)
update ofa.job_group set
  pending = pending + counted.jobs, bad = bad - counted.jobs, fired_at = null
from counted where job_group.id = $1::bigint and counted.jobs > 0
returning job_group.id, owner_job;

-- name: GroupCancelledWaiting :many
-- The cancelled jobs that would wait for a group, were it unfinished, and for no other bad one.
select job.id, job.group_id from ofa.job
join ofa.outcome on outcome.job_id = job.id
where outcome.state = 'cancelled'
  and (job.waits_for = $1::bigint
    or job.waits_for is null and job.group_id in (
      select child from ofa.group_edge where parent = $1::bigint))
  and not exists (
    select from ofa.group_edge join ofa.job_group as parent on parent.id = group_edge.parent
    where group_edge.child = job.group_id and parent.fired_at is not null and parent.bad > 0)
order by job.group_id, job.id;
