-- Statements about jobs: claim, end, retry, cancel, rescue. The functions that they call are in sql/functions.

-- name: JobPromote :one
-- Makes up to 1000 due jobs (scheduled or retryable) available; returns how many.
select ofa_api_1.promote_jobs(1000) as promoted;

-- name: JobClaim :many
-- Leases up to `limit` available jobs of the kinds `kinds` to a session, most urgent first, each with a new token;
-- returns no row if the session is over.
select * from ofa_api_1.claim(@session::uuid, @kinds::text[], @run::bigint?, @limit::int, @threads::int?,
  @memory_mb::int?, @alone::boolean, @lanes::int[], @floors::bigint[]);

-- name: LaneIsEmptyBelow :one
-- Returns whether a lane has no available job (quarantined jobs aside) with `floor` <= `seq` < `mark`. If it has none,
-- later claims may start at `mark`.
select not exists (
  select from ofa.live where lane_id = @lane::int and state = 'available' and crashes = 0
    and seq >= @floor::bigint and seq < @mark::bigint) as empty;

-- name: LeaseLock :many
-- Locks the row of a leased job if the session that holds the lease has not expired; returns no row if the lease is
-- over. So a worker whose lease is over cannot write for the job.
select * from ofa_api_1.lock_lease(@job::bigint, @token::bigint, @session::uuid);

-- name: AttemptsEnd :one
-- Ends attempts. Returns how many jobs became available or scheduled, which attempts had ended the same way before, and
-- which others were refused (`fenced`): see ofa.end_attempts.
select * from ofa_api_1.end_attempts(@session::uuid?, @jobs::bigint[], @tokens::bigint[], @outcomes::text[],
  @results::text?[], @reasons::text?[], @delays::float8?[], @crashes::int[], @fanned_out::boolean[], @locked::boolean,
  @zone::text?, @methods::text?[], @tiers::text?[], @walls::bigint?[], @cpus::bigint?[], @energies::bigint?[],
  @energies_low::bigint?[], @energies_high::bigint?[]);

-- name: LeaseOutcome :many
-- Returns the outcome of the ended attempt that has this token, for a worker that repeats its request to end the
-- attempt, because it received no response to the first request.
select tried.outcome
from ofa.session, ofa.attempts_of(array[@job::bigint], session.opened_at, ofa.now()) as tried
where tried.token = @token::bigint and tried.session_id = session.id and session.uuid = @session::uuid;

-- name: JobFlagCancel :exec
-- Asks the worker of a running job to stop the job.
select where ofa_api_1.cancel_running(@job::bigint);

-- name: JobEndWaiting :one
-- Cancels a job that is not running, and fires groups that are then decided (see ofa.fire). `ended` is false if the job
-- is running, has ended already, or is locked by another transaction. The job's run must be locked.
select * from ofa_api_1.cancel_job(@job::bigint, @reason::text);

-- name: JobsLost :many
-- Returns up to 200 running jobs of two kinds: jobs whose session is over (`lost` is true), and up to 100 jobs of other
-- sessions whose timeout or stall timeout passed more than the session's term (`ttl`) ago. The first select starts from
-- the sessions: a start from ofa.live would also read the dead rows of past leases, which cannot be vacuumed while an
-- old snapshot exists.
select lost.job_id, true as lost
from (select id from ofa.session where state <> 'alive' and not swept offset 0) as over
cross join lateral (
  select live.job_id from ofa.live where live.session_id = over.id and live.state = 'running' offset 0) as lost
union all
(select late.job_id, false
  from (select job_id, session_id, least(deadline_at, stall_at) as until from ofa.live
    where state = 'running' and least(deadline_at, stall_at) < ofa.now()
    order by least(deadline_at, stall_at) offset 0) as late
  join ofa.session on session.id = late.session_id
  where late.until + session.ttl < ofa.now() and session.state = 'alive'
  limit 100)
order by 1 limit 200;

-- name: JobLockLost :many
-- Locks a running job whose session is over, or whose timeout or stall timeout passed more than the session's term
-- (`ttl`) ago. Returns no row if neither holds, or if another transaction has locked the job.
select * from ofa_api_1.lock_lost_job(@job::bigint);

-- name: SessionSweep :exec
-- Sets `swept` for the sessions that are over and hold no lease, so that searches for lost jobs skip these sessions.
select ofa_api_1.sweep_sessions();

-- name: JobReopen :one
-- Makes the given jobs available again (or scheduled), with their full number of attempts; returns how many. Skips
-- blocked jobs, ended jobs and jobs that are in ofa.live already.
select ofa_api_1.release_jobs(@jobs::bigint[]) as freed;

-- name: JobGet :many
-- Returns one job with its state.
select * from ofa.job_state where id = @job::bigint;

-- name: JobDropped :many
-- For a job id that was not found, returns the newest closed month and whether there are other closed months. Returns
-- no row if the id is greater than the ids of all existing jobs: such a job is assumed never to have existed.
select month, closed_at, (select count(*) > 1 from ofa.closed_month) as others from ofa.closed_month
where @job::bigint < coalesce((select max(id) from ofa.job), 9223372036854775807)
order by month desc limit 1;

-- name: JobArguments :many
-- Returns the arguments of a job, also of a dropped job if it made an artifact.
select args from ofa.job where id = @job::bigint
union all select args from ofa.recipe where job_id = @job::bigint limit 1;

-- name: JobsOf :many
-- Returns the given jobs with their states, newest run first.
select * from ofa.job_state where id = any (@jobs::bigint[]) order by run_id desc, path, id;

-- name: JobNumbers :many
-- Returns the ids of the first `most` jobs, newest run first; NULL for `run` or `kind` means any. The statement reads
-- only ofa.job, so that the index by run gives the order.
select id from ofa.job
where (@run::bigint? is null or run_id = @run::bigint?) and (@kind::text? is null or kind = @kind::text?)
order by run_id desc, path, id limit @most::int;

-- name: JobNumbersCompleted :many
-- Returns the ids as JobNumbers does, but of completed jobs; reads the jobs in order, because most jobs are completed.
select id from ofa.job
where (select outcome.state from ofa.outcome where outcome.job_id = job.id) = 'completed'
  and (@run::bigint? is null or run_id = @run::bigint?) and (@kind::text? is null or kind = @kind::text?)
order by run_id desc, path, id limit @most::int;

-- name: JobNumbersBad :many
-- Returns the ids as JobNumbers does, but of cancelled or of discarded jobs; starts from ofa.outcome, because few
-- outcomes are bad.
select job.id from ofa.outcome join ofa.job on job.id = outcome.job_id
where outcome.state <> 'completed' and outcome.state = @state::text
  and (@run::bigint? is null or job.run_id = @run::bigint?) and (@kind::text? is null or job.kind = @kind::text?)
order by job.run_id desc, job.path, job.id limit @most::int;

-- name: JobNumbersLive :many
-- Returns the ids as JobNumbers does, but of jobs in one live state; starts from ofa.live.
select job.id from ofa.live join ofa.job on job.id = live.job_id
where live.state = @state::text
  and (@run::bigint? is null or job.run_id = @run::bigint?) and (@kind::text? is null or job.kind = @kind::text?)
order by job.run_id desc, job.path, job.id limit @most::int;

-- name: JobNumbersBlocked :many
-- Returns the ids as JobNumbers does, but of blocked jobs; reads unfinished runs, because other runs have no blocked
-- jobs.
select id from ofa.job
where run_id = any (array(select run.id from ofa.run where run.state = 'running'))
  and (@run::bigint? is null or run_id = @run::bigint?) and (@kind::text? is null or kind = @kind::text?)
  and (select true from ofa.outcome where outcome.job_id = job.id) is null
  and (select true from ofa.live where live.job_id = job.id) is null
order by run_id desc, path, id limit @most::int;

-- name: JobsDiscarded :many
-- Returns the dead letters (discarded jobs) of a kind, oldest first.
select job.id from ofa.outcome join ofa.job on job.id = outcome.job_id
where outcome.state = 'discarded' and job.kind = @kind::text order by job.id;

-- name: JobAttempts :many
-- Returns the attempts of a job, oldest first; the last may still run.
select tried.*, session.name as worker, host.name as host from (
  select token, attempt, session_id, started_at, ended_at, outcome, error
  from ofa.attempts_of(array[@job::bigint], (select created_at from ofa.job where id = @job::bigint),
    coalesce((select ended_at from ofa.outcome where job_id = @job::bigint), ofa.now()))
  union all
  select token, attempt, session_id, started_at, null, null, null
  from ofa.live where job_id = @job::bigint and state = 'running'
) as tried join ofa.session on session.id = tried.session_id join ofa.host on host.id = session.host_id
order by tried.token;

-- name: JobsInSight :one
-- Returns whether a worker of the kinds `kinds` may still get a job: whether ofa.live has a job that the worker could
-- claim now or later, or a running job, whose end may release other jobs. A job whose queue is paused, whose run is held or
-- whose concurrency key has a limit of 0 counts only while it runs.
select exists (
  select from ofa.live join ofa.lane on lane.id = live.lane_id
  where (@run::bigint? is null or live.run_id = @run::bigint?)
    and (live.state = 'running' or lane.kind = any (@kinds::text[])
      and not exists (select from ofa.run_hold where run_hold.run_id = live.run_id)
      and (@threads::int? is null or lane.threads <= @threads::int?)
      and (@memory_mb::int? is null or lane.memory_mb <= @memory_mb::int?) and lane.requires <@ @offers::text[]
      and not exists (select from ofa.permit_key where permit_key.id = lane.key_id and permit_key.slots = 0)
      and not exists (select from ofa.paused_queue where paused_queue.name = lane.queue))) as present;

-- name: JobsQuarantined :one
-- Returns whether a quarantined job of the kinds `kinds` is available.
select exists (
  select from ofa.lane join ofa.live on live.lane_id = lane.id
  where lane.kind = any (@kinds::text[]) and lane.requires <@ @offers::text[] and live.state = 'available' and live.crashes > 0
    and (@run::bigint? is null or live.run_id = @run::bigint?)
    and not exists (select from ofa.paused_queue where paused_queue.name = lane.queue)) as present;

-- name: SessionOrphans :many
-- Returns the orphaned leases of a session: their tokens are not in `known`, because the worker never received the
-- response to its claim.
select live.job_id, live.token from ofa.live join ofa.session on session.id = live.session_id
where session.uuid = @session::uuid and live.state = 'running' and live.token <> all (@known::bigint[])
order by live.job_id;

-- name: StageResults :many
-- Returns the results of a stage's completed jobs in order. Omits jobs that fanned out, and jobs whose results are
-- superseded by a continuation (the job that waits for the jobs of a fan-out).
select outcome.result from ofa.job
join ofa.job_group on job_group.id = job.group_id
join ofa.outcome on outcome.job_id = job.id
where job_group.run_id = @run::bigint and job_group.stage = @stage::text and not job.is_inner
  and outcome.state = 'completed' and not outcome.fanned_out
order by job.path;

-- name: StageExists :one
-- Returns whether a run has a stage with this name.
select exists (
  select from ofa.job_group where run_id = @run::bigint and stage = @stage::text and owner_job is null) as present;

-- name: ChildResults :many
-- Returns the results of the completed jobs for which the job `job` (a continuation) waited, in order.
select outcome.result from ofa.job as waiting
join ofa.job on job.group_id = waiting.waits_for
join ofa.outcome on outcome.job_id = job.id
where waiting.id = @job::bigint and outcome.state = 'completed'
order by job.path;

-- name: JobPlace :one
-- Returns the position of a job in its run: its path, whether a continuation supersedes its result (`is_inner`), and
-- its device.
select path, is_inner, account.device from ofa.job join ofa.account on account.id = job.account_id
where job.id = @job::bigint;
