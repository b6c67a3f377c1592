-- Statements of jobs: claim, finish, retry, cancel, rescue.

-- name: JobPromote :exec
-- Makes jobs available whose pause after a failure is over.
with due as materialized (
  select job_id from ofa.live where state = 'retryable' and due_at <= ofa.now()
  order by due_at limit 100 for update skip locked
)
update ofa.live set state = 'available', due_at = null from due
where live.job_id = due.job_id and live.state = 'retryable';

-- name: JobClaim :many
-- Leases available jobs of some kinds to a living session, most urgent first, each with a new token.
with owner as materialized (
  select id from ofa.session
  where uuid = $1::uuid and state = 'alive' and beat_at + ttl > ofa.now()
  for key share
), ready as materialized (
  select live.job_id from ofa.live
  where live.state = 'available' and live.kind = any ($2::text[])
    and ($3::bigint is null or live.run_id = $3::bigint)
    and not exists (select from ofa.paused_queue where paused_queue.name = live.queue)
    and exists (select from owner)
  order by live.priority, live.job_id
  limit $4::int
  for update of live skip locked
), claimed as (
  update ofa.live set
    state = 'running', token = nextval('ofa.lease_token'), session_id = owner.id,
    attempt = live.attempt + 1, started_at = ofa.now(), deadline_at = ofa.now() + job.timeout
  from ready, owner, ofa.job
  where live.job_id = ready.job_id and job.id = ready.job_id and live.state = 'available'
  returning live.job_id, live.run_id, live.token, live.attempt, live.max_attempts, live.crashes,
    live.session_id, live.started_at, live.priority
), recorded as (
  insert into ofa.attempt (token, job_id, attempt, session_id, started_at)
  select token, job_id, attempt, session_id, started_at from claimed
)
select claimed.job_id, claimed.run_id, claimed.token, claimed.attempt, claimed.max_attempts,
  claimed.crashes, job.group_id, job.ordinal, job.kind, job.args, job.backoff, job_group.stage,
  extract(epoch from job.timeout)::float8 as timeout_seconds
from claimed
join ofa.job on job.id = claimed.job_id
join ofa.job_group on job_group.id = job.group_id
order by claimed.priority, claimed.job_id;

-- name: LeaseLock :many
-- Locks a leased job while its session's term lasts: the fence of every fact a worker writes.
select live.job_id, live.run_id from ofa.live
join ofa.session on session.id = live.session_id
where live.job_id = $1::bigint and live.token = $2::bigint and live.state = 'running'
  and session.uuid = $3::uuid and session.state = 'alive' and session.beat_at + session.ttl > ofa.now()
for update of live;

-- name: LeaseLockForRelease :many
-- Locks a leased job even after the session's term: giving a job back does no harm, however late.
select live.job_id, live.run_id, live.crashes, live.max_crashes from ofa.live
join ofa.session on session.id = live.session_id
where live.job_id = $1::bigint and live.token = $2::bigint and live.state = 'running'
  and session.uuid = $3::uuid
for update of live;

-- name: LeaseOutcome :many
-- How the attempt of a token ended; for answering a worker that did not hear its first answer.
select attempt.outcome from ofa.attempt
join ofa.session on session.id = attempt.session_id
where attempt.token = $1::bigint and session.uuid = $2::uuid and attempt.outcome is not null;

-- name: AttemptEnd :exec
-- Writes how an attempt ended.
update ofa.attempt set ended_at = ofa.now(), outcome = $2::text, error = $3::text
where token = $1::bigint and outcome is null;

-- name: JobFinish :one
-- Ends a job for good and counts it in its group.
with gone as (
  delete from ofa.live where job_id = $1::bigint
), ended as (
  insert into ofa.outcome (job_id, group_id, state, result, reason, fanned_out, ended_at)
  select id, group_id, $2::text, $3::json, $4::text, $5::boolean, ofa.now()
  from ofa.job where id = $1::bigint
  returning group_id, state
)
update ofa.job_group set
  pending = pending - 1,
  ok = ok + case when ended.state = 'completed' then 1 else 0 end,
  bad = bad + case when ended.state = 'completed' then 0 else 1 end
from ended where job_group.id = ended.group_id
returning job_group.id;

-- name: JobRetryLater :exec
-- Lets a job that failed wait for its next attempt.
update ofa.live set
  state = 'retryable', due_at = ofa.now() + make_interval(secs => $2::float8),
  token = null, session_id = null, started_at = null, deadline_at = null, cancel = false
where job_id = $1::bigint and state = 'running';

-- name: JobGiveBack :exec
-- Makes a leased job available again as if it had not been claimed; a crash of its worker is counted.
update ofa.live set
  state = 'available', attempt = attempt - 1, crashes = crashes + $2::int,
  token = null, session_id = null, started_at = null, deadline_at = null, cancel = false
where job_id = $1::bigint and state = 'running';

-- name: JobFlagCancel :exec
-- Asks the worker of a running job to stop.
update ofa.live set cancel = true where job_id = $1::bigint and state = 'running';

-- name: JobLockWaiting :many
-- Locks a job that is neither running nor ended; blocked jobs have no row to lock, the run guards them.
with waiting as materialized (
  select job_id from ofa.live where job_id = $1::bigint and state <> 'running' for update
)
select job.id from ofa.job where id = $1::bigint
  and (exists (select from waiting)
    or not exists (select from ofa.live where live.job_id = job.id)
      and not exists (select from ofa.outcome where outcome.job_id = job.id));

-- name: JobLost :many
-- The running jobs whose session is over.
select live.job_id from ofa.live join ofa.session on session.id = live.session_id
where live.state = 'running' and session.state <> 'alive'
order by live.job_id limit 100;

-- name: JobLockLost :many
-- Locks one job whose session is over, unless somebody else is at it.
select live.job_id, live.run_id, live.token, live.attempt, live.max_attempts, live.crashes,
  live.max_crashes, live.cancel, job.group_id, job.ordinal, job.kind, job.args, job.backoff,
  job_group.stage, session.uuid, session.name as session_name,
  extract(epoch from job.timeout)::float8 as timeout_seconds
from ofa.live
join ofa.session on session.id = live.session_id
join ofa.job on job.id = live.job_id
join ofa.job_group on job_group.id = job.group_id
where live.job_id = $1::bigint and live.state = 'running' and session.state <> 'alive'
for update of live skip locked;

-- name: JobReopen :many
-- Makes a job available again with all its attempts, when nothing keeps it waiting.
insert into ofa.live (job_id, run_id, kind, queue, priority, state, max_attempts, max_crashes)
select job.id, job.run_id, job.kind, job.queue, job.priority, 'available', job.max_attempts,
  job.max_crashes
from ofa.job join ofa.job_group on job_group.id = job.group_id
left join ofa.job_group as awaited on awaited.id = job.waits_for
where job.id = $1::bigint and job_group.released_at is not null
  and (job.waits_for is null or awaited.fired_at is not null and awaited.bad = 0)
returning job_id;

-- name: JobGet :many
-- One job with its state.
select job.id, job.run_id, job.group_id, job_group.stage, job.ordinal, job.kind, job.args, job.queue,
  coalesce(outcome.state, live.state, 'blocked') as state, coalesce(live.attempt, 0) as attempt,
  (select count(*) from ofa.attempt where attempt.job_id = job.id) as attempts,
  (select count(*) from ofa.attempt where attempt.job_id = job.id and attempt.outcome = 'lost') as crashes,
  job.max_attempts, live.due_at, live.started_at, live.cancel, outcome.result, outcome.reason,
  outcome.ended_at, progress.fraction, progress.message, job.created_at
from ofa.job
join ofa.job_group on job_group.id = job.group_id
left join ofa.live on live.job_id = job.id
left join ofa.outcome on outcome.job_id = job.id
left join ofa.progress on progress.job_id = job.id
where job.id = $1::bigint;

-- name: JobList :many
-- Jobs by run and state, in the order of the pipeline; NULL stands for any.
select job.id, job.run_id, job.group_id, job_group.stage, job.ordinal, job.kind, job.args, job.queue,
  coalesce(outcome.state, live.state, 'blocked') as state, coalesce(live.attempt, 0) as attempt,
  (select count(*) from ofa.attempt where attempt.job_id = job.id) as attempts,
  (select count(*) from ofa.attempt where attempt.job_id = job.id and attempt.outcome = 'lost') as crashes,
  job.max_attempts, live.due_at, live.started_at, live.cancel, outcome.result, outcome.reason,
  outcome.ended_at, progress.fraction, progress.message, job.created_at
from ofa.job
join ofa.job_group on job_group.id = job.group_id
left join ofa.live on live.job_id = job.id
left join ofa.outcome on outcome.job_id = job.id
left join ofa.progress on progress.job_id = job.id
where ($1::bigint is null or job.run_id = $1::bigint)
  and ($2::text is null or coalesce(outcome.state, live.state, 'blocked') = $2::text)
order by job.run_id desc, job.path, job.id limit $3::int;

-- name: JobAttempts :many
-- The attempts of a job, oldest first.
select attempt.token, attempt.attempt, attempt.started_at, attempt.ended_at, attempt.outcome, attempt.error,
  session.name as worker, session.host
from ofa.attempt join ofa.session on session.id = attempt.session_id
where attempt.job_id = $1::bigint order by attempt.token;

-- name: JobsInSight :one
-- How many jobs a worker of some kinds may still get: its own kinds, and what others run.
select count(*) as jobs from ofa.live
where ($1::bigint is null or live.run_id = $1::bigint)
  and (live.state = 'running' or live.kind = any ($2::text[])
    and not exists (select from ofa.paused_queue where paused_queue.name = live.queue));

-- name: SessionOrphans :many
-- The leases of a session that its worker does not know of: a claim whose answer was lost.
select live.job_id, live.token from ofa.live join ofa.session on session.id = live.session_id
where session.uuid = $1::uuid and live.state = 'running' and live.token <> all ($2::bigint[])
order by live.job_id;

-- name: StageResults :many
-- The results of a stage in order: those of its last layer, where jobs fanned out.
select outcome.result from ofa.job
join ofa.job_group on job_group.id = job.group_id
join ofa.outcome on outcome.job_id = job.id
where job_group.run_id = $1::bigint and job_group.stage = $2::text and not job.is_inner
  and outcome.state = 'completed' and not outcome.fanned_out
order by job.path;

-- name: StageExists :one
-- Tells whether a run has a stage of that name.
select exists (
  select from ofa.job_group where run_id = $1::bigint and stage = $2::text and owner_job is null) as present;

-- name: ChildResults :many
-- The results that a job waited for, in order.
select outcome.result from ofa.job as waiting
join ofa.job on job.group_id = waiting.waits_for
join ofa.outcome on outcome.job_id = job.id
where waiting.id = $1::bigint and outcome.state = 'completed'
order by job.path;

-- name: JobPlace :one
-- Where a job stands in its run: its path, and whether a later job speaks for it.
select path, is_inner from ofa.job where id = $1::bigint;

-- name: QueuePause :exec
-- Stops claims from a queue.
insert into ofa.paused_queue (name, paused_at) values ($1::text, ofa.now()) on conflict (name) do nothing;

-- name: QueueResume :exec
-- Allows claims from a queue again.
delete from ofa.paused_queue where name = $1::text;

-- name: QueueList :many
-- Every queue with its jobs.
select coalesce(live.queue, paused_queue.name) as name,
  count(*) filter (where live.state = 'available') as available,
  count(*) filter (where live.state = 'retryable') as retryable,
  count(*) filter (where live.state = 'running') as running,
  bool_or(paused_queue.name is not null) as paused
from ofa.live full join ofa.paused_queue on paused_queue.name = live.queue
group by 1 order by 1;
