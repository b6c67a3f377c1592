-- Statements about runs and their stages.

-- name: RunInsert :many
-- Creates a run and returns its id. Returns no row if there is an unfinished run with the same name and definition
-- hash, or if the request `request` has created a run already.
select id from ofa_api_1.add_run(@name::text, @definition::text, @definition_hash::text, @request::uuid?) as id;

-- name: RunOfRequest :many
-- Returns the run that a request created.
select id from ofa.run where request = @request::uuid;

-- name: RunUnfinished :many
-- Returns the unfinished run with this name and definition hash, if there is one.
select id from ofa.run where name = @name::text and definition_hash = @definition_hash::text and state = 'running';

-- name: RunLock :many
-- Locks a run, as required for ending jobs; `cancelled` says whether the run is marked for cancellation. Lock order:
-- rows of running jobs before the run, rows of other jobs after the run.
select * from ofa_api_1.lock_run(@run::bigint);

-- name: RunHold :one
-- Keeps the month of a run from being closed until the transaction ends. Returns false if the month is closed already:
-- then the jobs of its runs have been dropped or will be dropped.
select ofa_api_1.hold_month(@run::bigint) as kept;

-- name: RunRequestCancel :exec
-- Marks an unfinished run for cancellation.
select where ofa_api_1.cancel_run(@run::bigint);

-- name: RunHasWaiting :one
-- Returns whether a run has live jobs that are not running, which can be claimed now or later.
select exists (select from ofa.live where run_id = @run::bigint and state <> 'running') as present;

-- name: RunCancelWaiting :exec
-- Cancels those jobs of the run `run` that are not running, and fires the groups that are then decided (see ofa.fire).
-- The run must be locked and marked for cancellation. Jobs that another transaction has locked are skipped.
select ofa_api_1.cancel_waiting(@run::bigint);

-- name: RunSettle :one
-- Ends a run if all of its groups have fired and all of its jobs have ended; returns whether the run was ended by this
-- call. The run must be locked.
select ofa_api_1.settle_run(@run::bigint) as ended;

-- name: RunReopenJobs :many
-- Reopens all discarded and cancelled jobs of a run and, if there are any, the groups that had ended badly. Returns the
-- groups of the reopened jobs.
select id from ofa_api_1.reopen_jobs(@run::bigint) as id;

-- name: RunFireEmpty :one
-- Fires the groups of a run that have no pending jobs and have not fired; returns how many jobs became available or
-- scheduled.
select ofa_api_1.fire_empty_groups(@run::bigint) as freed;

-- name: RunUnkeyedJobs :many
-- Returns the unfinished jobs of a run that do not hold their unique key, because they were just reopened.
select id from ofa.job
where run_id = @run::bigint and unique_key is not null
  and not exists (select from ofa.outcome where outcome.job_id = job.id)
  and not exists (select from ofa.unique_job where unique_job.job_id = job.id)
order by id;

-- name: RunReleaseReady :one
-- Makes the jobs of a run available (or scheduled); returns how many. Skips blocked jobs, ended jobs and jobs that are
-- in ofa.live already.
select ofa_api_1.release_run(@run::bigint) as freed;

-- name: RunReopen :exec
-- Makes an ended run unfinished again and removes its cancel request, so that its jobs can be retried.
select ofa_api_1.reopen_run(@run::bigint);

-- name: RunGet :many
-- Returns one run.
select id, name, definition, definition_hash, state, created_at, ended_at,
  cancel_requested_at is not null as cancel_requested,
  (select closed_at from ofa.closed_month where closed_month.month = run.month) as jobs_dropped_at
from ofa.run where id = @run::bigint;

-- name: RunList :many
-- Returns the newest runs, newest first.
select id, name, definition, definition_hash, state, created_at, ended_at,
  cancel_requested_at is not null as cancel_requested,
  (select closed_at from ofa.closed_month where closed_month.month = run.month) as jobs_dropped_at
from ofa.run order by id desc limit @most::int;

-- name: RunStages :many
-- Returns the stages of a run in the order of the pipeline, with counts, progress, attempts and times. The counts come
-- from the counters of groups, live jobs, bad outcomes and the ledger, so that the cost of the statement does not
-- depend on the number of completed jobs.
with grouped as materialized (
  select id, stage, expected, pending, ok, bad from ofa.job_group where run_id = @run::bigint
), counted as materialized (
  select stage, sum(expected) as jobs, sum(ok) as completed, sum(pending) as pending from grouped group by stage
), ended_badly as materialized (
  select grouped.stage, count(*) filter (where outcome.state = 'cancelled') as cancelled,
    count(*) filter (where outcome.state = 'discarded') as discarded
  from grouped join ofa.outcome on outcome.group_id = grouped.id and outcome.state <> 'completed'
  where grouped.bad > 0 group by grouped.stage
), alive as materialized (
  -- The two selects use different indexes, because the index live_run does not contain running jobs.
  select job_id, group_id, state, token, started_at, attempt, crashes from ofa.live
  where run_id = @run::bigint and state <> 'running'
  union all
  select job_id, group_id, state, token, started_at, attempt, crashes from ofa.live
  where run_id = @run::bigint and state = 'running'
), at_work as materialized (
  select grouped.stage, count(*) as jobs, count(*) filter (where alive.state = 'available') as available,
    count(*) filter (where alive.state = 'retryable') as retryable,
    count(*) filter (where alive.state = 'scheduled') as scheduled,
    count(*) filter (where alive.state = 'running') as running, min(alive.started_at) as started_at,
    sum(extract(epoch from ofa.now() - alive.started_at)) as seconds, sum(progress.fraction) as done,
    (array_agg(progress.message order by progress.updated_at desc)
      filter (where progress.message is not null and progress.token = alive.token))[1] as message
  from alive join grouped on grouped.id = alive.group_id
  -- A job that waits with a checkpoint, such as one of a held run, has what its last attempt had reached.
  left join ofa.progress on progress.job_id = alive.job_id and (progress.token = alive.token
    or alive.state <> 'running' and exists (select from ofa.checkpoint where checkpoint.job_id = alive.job_id))
  group by grouped.stage
), spent as materialized (
  select account.stage, sum(spent.attempts) as attempts, sum(spent.lost) as lost, sum(spent.failed) as failed,
    sum(spent.wall_ns) / 1e9 as seconds, min(spent.first_started_at) as started_at
  from ofa.account join ofa.spent on spent.account_id = account.id
  where account.run_id = @run::bigint group by account.stage
)
select stage.id, stage.stage, stage.fired_at,
  array(
    select parent.stage from ofa.group_edge
    join ofa.job_group as parent on parent.id = group_edge.parent
    where group_edge.child = stage.id order by parent.id) as needs,
  counted.jobs::bigint as jobs, counted.completed::bigint as completed,
  coalesce(ended_badly.cancelled, 0) as cancelled, coalesce(ended_badly.discarded, 0) as discarded,
  coalesce(at_work.available, 0) as available, coalesce(at_work.retryable, 0) as retryable,
  coalesce(at_work.scheduled, 0) as scheduled, coalesce(at_work.running, 0) as running,
  (counted.pending - coalesce(at_work.jobs, 0))::bigint as blocked,
  (counted.completed + coalesce(at_work.done, 0))::float8 as done,
  (coalesce(spent.attempts, 0) + coalesce(at_work.running, 0))::bigint as attempts,
  coalesce(spent.lost, 0)::bigint as lost, coalesce(spent.failed, 0)::bigint as failures,
  (coalesce(spent.seconds, 0) + coalesce(at_work.seconds, 0))::float8 as seconds,
  least(spent.started_at, at_work.started_at) as started_at, at_work.message,
  coalesce(
    (select outcome.reason from grouped join ofa.outcome on outcome.group_id = grouped.id
      where grouped.stage = stage.stage and grouped.bad > 0 and outcome.state <> 'completed'
      order by outcome.state desc, outcome.ended_at limit 1),
    (select tried.error
      from ofa.attempts_of(
        array(select alive.job_id from alive join grouped on grouped.id = alive.group_id
          where grouped.stage = stage.stage
            and alive.attempt + alive.crashes > case alive.state when 'running' then 1 else 0 end),
        (select created_at from ofa.run where id = @run::bigint), ofa.now()) as tried
      where tried.error is not null order by tried.token desc limit 1)) as problem,
  ofa.now() as as_of
from ofa.job_group as stage
join counted on counted.stage = stage.stage
left join ended_badly on ended_badly.stage = stage.stage
left join at_work on at_work.stage = stage.stage
left join spent on spent.stage = stage.stage
where stage.run_id = @run::bigint and stage.owner_job is null
order by stage.id;
