-- Statements of groups: stages of a run, and the children of a fan-out.

-- name: GroupInsert :one
-- Creates a group; a stage has no owner, a fan-out is owned by the job that made it.
select ofa_api_1.add_group(@run::bigint, @stage::text, @owner_job::bigint?, @needs::int, @rule::text, @quorum::int?,
  @on_bad::text) as id;

-- name: GroupEdgeInsert :exec
-- Makes one stage wait for another.
select ofa_api_1.add_edge(@parent::bigint, @child::bigint, @on_bad::text);

-- name: GroupAddJobs :one
-- Adds jobs to a group, described by a JSON array; released jobs become available at once.
select ofa_api_1.add_jobs(@run::bigint, @group::bigint, @specs::json, @path::int[], @waits_for::bigint?,
  @is_inner::boolean, @released::boolean) as jobs;

-- name: GroupFire :one
-- Fires groups whose rule is met, with all consequences; returns how many jobs became available.
select ofa_api_1.fire_groups(@groups::bigint[]) as freed;

-- name: GroupNextOrdinal :one
-- The first unused ordinal of a group.
select coalesce(max(ordinal), -1) + 1 as ordinal from ofa.job where group_id = @group::bigint;

-- name: GroupReopen :many
-- Reopens failed jobs of a group. A group that had failed by its rule becomes unfinished again: then `is_open` is true,
-- and jobs cancelled because of it must be reopened too.
select * from ofa_api_1.reopen_group(@group::bigint, @jobs::bigint[]);

-- name: JobTakeKeys :many
-- Takes the unique keys of reopened jobs; returns keys that another unfinished job holds.
select * from ofa_api_1.take_keys(@jobs::bigint[]);

-- name: GroupCancelledWaiting :many
-- The cancelled jobs that depend on a group and on no other failed group.
select job.id, job.group_id from ofa.job
join ofa.outcome on outcome.job_id = job.id
where outcome.state = 'cancelled'
  and (job.waits_for = (select id from ofa.job_group where id = @group::bigint and on_bad = 'cancel')
    or job.waits_for is null and job.group_id in (
      select child from ofa.group_edge where parent = @group::bigint and on_bad = 'cancel'))
  and not exists (
    select from ofa.group_edge join ofa.job_group as parent on parent.id = group_edge.parent
    where group_edge.child = job.group_id and group_edge.on_bad = 'cancel' and not parent.good)
order by job.group_id, job.id;
