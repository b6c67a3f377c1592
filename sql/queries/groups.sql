-- Statements of groups: stages of a run, and the children of a fan-out.

-- name: GroupInsert :one
-- Creates a group; a stage has no owner, a fan-out is owned by the job that made it.
insert into ofa.job_group (run_id, stage, owner_job, deps_left, released_at, rule, quorum, on_bad)
values ($1::bigint, $2::text, $3::bigint, $4::int,
  case when $4::int = 0 then ofa.now() end, $5::text, $6::int, $7::text)
returning id;

-- name: GroupEdgeInsert :exec
-- Lets one stage wait for another.
insert into ofa.group_edge (parent, child, on_bad) values ($1::bigint, $2::bigint, $3::text);

-- name: GroupAddJobs :one
-- Adds jobs to a group, described by a JSON array; released ones become available at once.
select ofa.add_jobs($1::bigint, $2::bigint, $3::json, $4::int[], $5::bigint, $6::boolean, $7::boolean) as jobs;

-- name: GroupFire :one
-- Fires groups whose rule is met, and does what follows; tells how many jobs became available.
select ofa.fire($1::bigint[]) as freed;

-- name: GroupNextOrdinal :one
-- The first ordinal of a group that is not in use.
select coalesce(max(ordinal), -1) + 1 as ordinal from ofa.job where group_id = $1::bigint;

-- name: GroupReopen :many
-- Takes back the bad end of jobs of a group; one that ended badly by its rule is unfinished again: then
-- `is_open` says that those that were cancelled because of it come back too.
with before as materialized (
  select coalesce(not good, false) as was_bad from ofa.job_group where id = $1::bigint
), back as (
  delete from ofa.outcome where group_id = $1::bigint and job_id = any($2::bigint[]) and state <> 'completed'
  returning job_id
), counted as materialized (
  select count(*)::int as jobs from back
)
update ofa.job_group set
  pending = pending + counted.jobs, bad = bad - counted.jobs,
  fired_at = case when good then fired_at end, good = case when good then true end
from counted, before where job_group.id = $1::bigint and counted.jobs > 0
returning job_group.id, before.was_bad as is_open;

-- name: JobTakeKeys :many
-- Takes the unique keys of jobs that are brought back; returns those that another unfinished job holds.
with wanted as materialized (
  select id, unique_key from ofa.job where id = any ($1::bigint[]) and unique_key is not null
), taken as (
  insert into ofa.unique_job (key, job_id) select unique_key, id from wanted order by unique_key, id
  on conflict do nothing
  returning job_id
)
select wanted.id, wanted.unique_key,
  (select unique_job.job_id from ofa.unique_job where unique_job.key = wanted.unique_key) as holder
from wanted where wanted.id not in (select job_id from taken) order by wanted.id;

-- name: GroupCancelledWaiting :many
-- The cancelled jobs that would wait for a group, were it unfinished, and for no other bad one.
select job.id, job.group_id from ofa.job
join ofa.outcome on outcome.job_id = job.id
where outcome.state = 'cancelled'
  and (job.waits_for = (select id from ofa.job_group where id = $1::bigint and on_bad = 'cancel')
    or job.waits_for is null and job.group_id in (
      select child from ofa.group_edge where parent = $1::bigint and on_bad = 'cancel'))
  and not exists (
    select from ofa.group_edge join ofa.job_group as parent on parent.id = group_edge.parent
    where group_edge.child = job.group_id and group_edge.on_bad = 'cancel' and not parent.good)
order by job.group_id, job.id;
