-- Statements about groups of jobs. A group is a stage of a run, or the children of a fan-out.

-- name: GroupInsert :one
-- Creates a group of jobs and returns its id. The group is a stage, or, if `owner_job` is given, the fan-out of that
-- job. `needs` is the number of stages for which the group waits.
select ofa_api_1.add_group(@run::bigint, @stage::text, @owner_job::bigint?, @needs::int, @rule::text, @quorum::int?,
  @on_bad::text) as id;

-- name: GroupEdgeInsert :exec
-- Makes the stage `child` wait for the stage `parent`; `on_bad` says what happens to `child` if `parent` ends badly
-- (its `good` is false).
select ofa_api_1.add_edge(@parent::bigint, @child::bigint, @on_bad::text);

-- name: GroupAddJobs :one
-- Adds the jobs that the JSON array `specs` describes to a group; returns the ids of the added jobs. A job is skipped
-- if another unfinished job holds its unique key. If `released` is true, the jobs become available at once, or
-- scheduled if their start time is in the future.
select ofa_api_1.add_jobs(@run::bigint, @group::bigint, @specs::json, @path::int[], @waits_for::bigint?,
  @is_inner::boolean, @released::boolean) as jobs;

-- name: GroupFire :one
-- Fires those of the groups `groups`, all of one run, that are decided (all jobs have ended, or the quorum has
-- completed) and have not fired yet; returns how many jobs became available or scheduled. The run must be locked.
select ofa_api_1.fire_groups(@groups::bigint[]) as freed;

-- name: GroupNextOrdinal :one
-- Returns the ordinal for the next job of a group: one more than the highest, or 0 for the first job.
select coalesce(max(ordinal), -1) + 1 as ordinal from ofa.job where group_id = @group::bigint;

-- name: GroupReopen :many
-- Reopens those of the given jobs of a group that were discarded or cancelled; returns no row if there are none. If the
-- group had ended badly, it becomes unfinished again and `is_open` is true: then the caller must also reopen the jobs
-- that were cancelled because of the group.
select * from ofa_api_1.reopen_group(@group::bigint, @jobs::bigint[]);

-- name: JobTakeKeys :many
-- Takes the unique keys of reopened jobs. Returns the jobs whose key is held by another unfinished job (`holder`; NULL
-- if that job is one of the reopened jobs too).
select * from ofa_api_1.take_keys(@jobs::bigint[]);

-- name: GroupCancelledWaiting :many
-- Returns the cancelled jobs that depend on the group `group` and on no other group that ended badly.
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
