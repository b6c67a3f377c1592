-- Statements of jobs: claim, end, retry, cancel, rescue. Called functions are in sql/functions.

-- name: JobPromote :one
-- Makes due jobs available, at most a thousand; returns how many.
select ofa_api_1.promote_jobs(1000) as promoted;

-- name: JobClaim :many
-- Leases available jobs of some kinds to a living session, most urgent first, each with a new token.
select * from ofa_api_1.claim(@session::uuid, @kinds::text[], @run::bigint?, @limit::int, @threads::int?,
  @memory_mb::int?, @alone::boolean, @lanes::int[], @floors::bigint[]);

-- name: LaneIsEmptyBelow :one
-- Whether a lane has no available job between two positions, so that reading may start at the second.
select not exists (
  select from ofa.live where lane_id = @lane::int and state = 'available' and crashes = 0
    and seq >= @floor::bigint and seq < @mark::bigint) as empty;

-- name: LeaseLock :many
-- Locks a leased job if its session has not expired: the fence of every fact a worker writes.
select * from ofa_api_1.lock_lease(@job::bigint, @token::bigint, @session::uuid);

-- name: AttemptsEnd :one
-- Ends attempts behind the fence; returns which had ended before, which are fenced, and how many jobs became available.
select * from ofa_api_1.end_attempts(@session::uuid?, @jobs::bigint[], @tokens::bigint[], @outcomes::text[],
  @results::text?[], @reasons::text?[], @delays::float8?[], @crashes::int[], @fanned_out::boolean[], @locked::boolean,
  @zone::text?, @methods::text?[], @tiers::text?[], @walls::bigint?[], @cpus::bigint?[], @energies::bigint?[],
  @energies_low::bigint?[], @energies_high::bigint?[]);

-- name: LeaseOutcome :many
-- The outcome of an attempt by token, for a worker that lost the first response.
select tried.outcome
from ofa.session, ofa.attempts_of(array[@job::bigint], session.opened_at, ofa.now()) as tried
where tried.token = @token::bigint and tried.session_id = session.id and session.uuid = @session::uuid;

-- name: JobFlagCancel :exec
-- Asks the worker of a running job to stop.
select where ofa_api_1.cancel_running(@job::bigint);

-- name: JobEndWaiting :one
-- Cancels a job that is not running, with all consequences; false if it is running or has ended. Its run must be
-- locked.
select * from ofa_api_1.cancel_job(@job::bigint, @reason::text);

-- name: JobsLost :many
-- Running jobs of ended sessions, and jobs past their timeout whose living worker does not stop them. Driven by
-- sessions: starting from leases would read every past lease while old row versions are retained.
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
-- Locks one job to be rescued, unless another transaction has locked it.
select * from ofa_api_1.lock_lost_job(@job::bigint);

-- name: SessionSweep :exec
-- Deletes ended sessions without leases.
select ofa_api_1.sweep_sessions();

-- name: JobReopen :one
-- Makes a job available again with a full number of attempts, unless it is blocked; returns how many.
select ofa_api_1.release_jobs(@jobs::bigint[]) as freed;

-- name: JobGet :many
-- One job with its state.
select * from ofa.job_state where id = @job::bigint;

-- name: JobDropped :many
-- The last month whose jobs were dropped, and whether there are others, if a job with this number may have belonged to
-- it: it does not exist, and either newer jobs do, or no jobs at all.
select month, closed_at, (select count(*) > 1 from ofa.closed_month) as others from ofa.closed_month
where @job::bigint < coalesce((select max(id) from ofa.job), 9223372036854775807)
order by month desc limit 1;

-- name: JobArguments :many
-- The arguments of a job; also of dropped jobs that made an artifact.
select args from ofa.job where id = @job::bigint
union all select args from ofa.recipe where job_id = @job::bigint limit 1;

-- name: JobsOf :many
-- Some jobs with their states, newest run first.
select * from ofa.job_state where id = any (@jobs::bigint[]) order by run_id desc, path, id;

-- name: JobNumbers :many
-- The numbers of the first jobs by run and kind, newest run first; NULL means any. Separate from their details, so that
-- the index on runs gives the order.
select id from ofa.job
where (@run::bigint? is null or run_id = @run::bigint?) and (@kind::text? is null or kind = @kind::text?)
order by run_id desc, path, id limit @most::int;

-- name: JobNumbersCompleted :many
-- Like JobNumbers, of completed jobs, which most are.
select id from ofa.job
where (select outcome.state from ofa.outcome where outcome.job_id = job.id) = 'completed'
  and (@run::bigint? is null or run_id = @run::bigint?) and (@kind::text? is null or kind = @kind::text?)
order by run_id desc, path, id limit @most::int;

-- name: JobNumbersBad :many
-- Like JobNumbers, of cancelled or discarded jobs: found through their outcomes, which are few.
select job.id from ofa.outcome join ofa.job on job.id = outcome.job_id
where outcome.state <> 'completed' and outcome.state = @state::text
  and (@run::bigint? is null or job.run_id = @run::bigint?) and (@kind::text? is null or job.kind = @kind::text?)
order by job.run_id desc, job.path, job.id limit @most::int;

-- name: JobNumbersLive :many
-- Like JobNumbers, of live jobs: found in the table of live jobs.
select job.id from ofa.live join ofa.job on job.id = live.job_id
where live.state = @state::text
  and (@run::bigint? is null or job.run_id = @run::bigint?) and (@kind::text? is null or job.kind = @kind::text?)
order by job.run_id desc, job.path, job.id limit @most::int;

-- name: JobNumbersBlocked :many
-- Like JobNumbers, of blocked jobs: only unfinished runs have any.
select id from ofa.job
where run_id = any (array(select run.id from ofa.run where run.state = 'running'))
  and (@run::bigint? is null or run_id = @run::bigint?) and (@kind::text? is null or kind = @kind::text?)
  and (select true from ofa.outcome where outcome.job_id = job.id) is null
  and (select true from ofa.live where live.job_id = job.id) is null
order by run_id desc, path, id limit @most::int;

-- name: JobsDiscarded :many
-- The dead letters of a kind, oldest first.
select job.id from ofa.outcome join ofa.job on job.id = outcome.job_id
where outcome.state = 'discarded' and job.kind = @kind::text order by job.id;

-- name: JobAttempts :many
-- The attempts of a job, oldest first; the last may still run.
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
-- Whether a worker of some kinds may still get a job: an available one within its resources, or one that a running job
-- may release. Paused queues and keys with a limit of 0 do not count.
select exists (
  select from ofa.live join ofa.lane on lane.id = live.lane_id
  where (@run::bigint? is null or live.run_id = @run::bigint?)
    and (live.state = 'running' or lane.kind = any (@kinds::text[])
      and (@threads::int? is null or lane.threads <= @threads::int?)
      and (@memory_mb::int? is null or lane.memory_mb <= @memory_mb::int?) and lane.requires <@ @offers::text[]
      and not exists (select from ofa.permit_key where permit_key.id = lane.key_id and permit_key.slots = 0)
      and not exists (select from ofa.paused_queue where paused_queue.name = lane.queue))) as present;

-- name: JobsQuarantined :one
-- Whether a quarantined job of some kinds is waiting.
select exists (
  select from ofa.lane join ofa.live on live.lane_id = lane.id
  where lane.kind = any (@kinds::text[]) and lane.requires <@ @offers::text[] and live.state = 'available' and live.crashes > 0
    and (@run::bigint? is null or live.run_id = @run::bigint?)
    and not exists (select from ofa.paused_queue where paused_queue.name = lane.queue)) as present;

-- name: SessionOrphans :many
-- Orphans: leases of a session that its worker does not know, from a claim whose response was lost.
select live.job_id, live.token from ofa.live join ofa.session on session.id = live.session_id
where session.uuid = @session::uuid and live.state = 'running' and live.token <> all (@known::bigint[])
order by live.job_id;

-- name: StageResults :many
-- The results of a stage in order; after a fan-out those of its last layer.
select outcome.result from ofa.job
join ofa.job_group on job_group.id = job.group_id
join ofa.outcome on outcome.job_id = job.id
where job_group.run_id = @run::bigint and job_group.stage = @stage::text and not job.is_inner
  and outcome.state = 'completed' and not outcome.fanned_out
order by job.path;

-- name: StageExists :one
-- Whether a run has a stage of this name.
select exists (
  select from ofa.job_group where run_id = @run::bigint and stage = @stage::text and owner_job is null) as present;

-- name: ChildResults :many
-- The results that a job waited for, in order.
select outcome.result from ofa.job as waiting
join ofa.job on job.group_id = waiting.waits_for
join ofa.outcome on outcome.job_id = job.id
where waiting.id = @job::bigint and outcome.state = 'completed'
order by job.path;

-- name: JobPlace :one
-- The position of a job in its run: its path, whether a continuation supersedes its result, and its device.
select path, is_inner, account.device from ofa.job join ofa.account on account.id = job.account_id
where job.id = @job::bigint;
