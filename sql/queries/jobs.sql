-- Statements of jobs: claim, end, retry, cancel, rescue. What they call is in sql/functions.

-- name: JobPromote :one
-- Makes jobs available whose time has come, a thousand at most; tells how many.
select ofa.promote(1000) as promoted;

-- name: JobClaim :many
-- Leases available jobs of some kinds to a living session, most urgent first, each with a new token.
select * from ofa.claim(@session::uuid, @kinds::text[], @run::bigint?, @limit::int, @threads::int?, @memory_mb::int?,
  @alone::boolean, @lanes::int[], @floors::bigint[]);

-- name: LaneIsEmptyBelow :one
-- Tells whether a lane has nothing available between two places; then reading may begin at the second.
select not exists (
  select from ofa.live where lane_id = $1::int and state = 'available' and crashes = 0
    and seq >= $2::bigint and seq < $3::bigint) as empty;

-- name: LeaseLock :many
-- Locks a leased job while its session's term lasts: the fence of every fact a worker writes.
select live.job_id, live.run_id from ofa.live
join ofa.session on session.id = live.session_id
where live.job_id = $1::bigint and live.token = $2::bigint
  and session.uuid = $3::uuid and session.state = 'alive' and session.beat_at + session.ttl > ofa.now()
for update of live;

-- name: AttemptsEnd :one
-- Ends attempts behind the fence; tells which had ended before, which are fenced, and how many jobs became available.
select * from ofa.end_attempts($1::uuid, $2::bigint[], $3::bigint[], $4::text[], $5::text[], $6::text[],
  $7::float8[], $8::int[], $9::boolean[], $10::boolean, $11::text, $12::text[], $13::text[], $14::bigint[],
  $15::bigint[], $16::bigint[], $17::bigint[], $18::bigint[]);

-- name: LeaseOutcome :many
-- How the attempt of a token ended; for a worker that did not hear the first answer.
select attempt.outcome from ofa.attempt join ofa.session on session.id = attempt.session_id
where attempt.job_id = $1::bigint and attempt.token = $2::bigint and session.uuid = $3::uuid;

-- name: JobFlagCancel :exec
-- Asks the worker of a running job to stop.
update ofa.live set cancel = true where job_id = $1::bigint and state = 'running';

-- name: JobEndWaiting :one
-- Cancels a job that does not run, and what follows; false when it runs or has ended. Its run is locked.
select coalesce(cardinality(changed.groups), 0) > 0 as ended, ofa.fire(changed.groups) as freed
from (select ofa.end_waiting(array[$1::bigint], 'cancelled', $2::text) as groups offset 0) as changed;

-- name: JobsLost :many
-- The running jobs whose session is over, and those whose worker beats and does not stop after their time.
-- The sessions come first: from the other side it would be every lease there was while old versions are kept.
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
-- Locks one job that is to be rescued, unless somebody else is at it.
select live.job_id, live.run_id, live.token, live.attempt, live.max_attempts, live.crashes,
  live.group_id, live.lane_id, live.seq, job.ordinal, job.kind, job.args, job.backoff,
  job.stage, session.uuid, session.name as session_name, session.state <> 'alive' as lost,
  extract(epoch from job.timeout)::float8 as timeout_seconds, extract(epoch from job.stall)::float8 as stall_seconds,
  lane.threads, lane.memory_mb, coalesce(live.stall_at < ofa.now(), false) as stalled
from ofa.live
join ofa.session on session.id = live.session_id
join ofa.job on job.id = live.job_id
join ofa.lane on lane.id = live.lane_id
where live.job_id = $1::bigint and live.state = 'running' and (session.state <> 'alive'
  or least(live.deadline_at, live.stall_at) + session.ttl < ofa.now())
for update of live skip locked;

-- name: SessionSweep :exec
-- Forgets the sessions that are over and hold nothing any more.
update ofa.session set swept = true
where state <> 'alive' and not swept
  and not exists (select from ofa.live where live.session_id = session.id and live.state = 'running');

-- name: JobReopen :one
-- Makes a job available again with all its attempts, when nothing keeps it waiting; tells how many that were.
select ofa.make_live(array(
  select job.id from ofa.job join ofa.job_group on job_group.id = job.group_id
  left join ofa.job_group as awaited on awaited.id = job.waits_for
  where job.id = any ($1::bigint[]) and job_group.released_at is not null
    and (job.waits_for is null or awaited.good or not awaited.good and awaited.on_bad = 'run'))) as freed;

-- name: JobGet :many
-- One job with its state.
select * from ofa.job_state where id = $1::bigint;

-- name: JobsOf :many
-- Some jobs with their states, those of the newest run first.
select * from ofa.job_state where id = any (@jobs::bigint[]) order by run_id desc, path, id;

-- name: JobNumbers :many
-- The first jobs by run and kind, those of the newest run first; NULL stands for any. Apart from what is known of them, so
-- that the index of runs decides the order.
select id from ofa.job
where (@run::bigint? is null or run_id = @run::bigint?) and (@kind::text? is null or kind = @kind::text?)
order by run_id desc, path, id limit @most::int;

-- name: JobNumbersCompleted :many
-- The same of completed jobs, which most are.
select id from ofa.job
where (select outcome.state from ofa.outcome where outcome.job_id = job.id) = 'completed'
  and (@run::bigint? is null or run_id = @run::bigint?) and (@kind::text? is null or kind = @kind::text?)
order by run_id desc, path, id limit @most::int;

-- name: JobNumbersBad :many
-- The same of jobs that ended as cancelled or discarded: found by their ends, which are few.
select job.id from ofa.outcome join ofa.job on job.id = outcome.job_id
where outcome.state <> 'completed' and outcome.state = @state::text
  and (@run::bigint? is null or job.run_id = @run::bigint?) and (@kind::text? is null or job.kind = @kind::text?)
order by job.run_id desc, job.path, job.id limit @most::int;

-- name: JobNumbersLive :many
-- The same of jobs that can run, will run, or run now: found among those.
select job.id from ofa.live join ofa.job on job.id = live.job_id
where live.state = @state::text
  and (@run::bigint? is null or job.run_id = @run::bigint?) and (@kind::text? is null or job.kind = @kind::text?)
order by job.run_id desc, job.path, job.id limit @most::int;

-- name: JobNumbersBlocked :many
-- The same of blocked jobs: only an unfinished run has any.
select id from ofa.job
where run_id = any (array(select run.id from ofa.run where run.state = 'running'))
  and (@run::bigint? is null or run_id = @run::bigint?) and (@kind::text? is null or kind = @kind::text?)
  and (select true from ofa.outcome where outcome.job_id = job.id) is null
  and (select true from ofa.live where live.job_id = job.id) is null
order by run_id desc, path, id limit @most::int;

-- name: JobsDiscarded :many
-- The dead letters of a kind, oldest first.
select job.id from ofa.outcome join ofa.job on job.id = outcome.job_id
where outcome.state = 'discarded' and job.kind = $1::text order by job.id;

-- name: JobAttempts :many
-- The attempts of a job, oldest first; the last may still run.
select tried.*, session.name as worker, host.name as host from (
  select token, attempt, session_id, started_at, ended_at, outcome, error
  from ofa.attempt where job_id = $1::bigint
  union all
  select token, attempt, session_id, started_at, null, null, null
  from ofa.live where job_id = $1::bigint and state = 'running'
) as tried join ofa.session on session.id = tried.session_id join ofa.host on host.id = session.host_id
order by tried.token;

-- name: JobsInSight :one
-- Tells whether a worker of some kinds may still get a job: of its own kinds and size, or from what others run.
-- A paused queue and a key without permits give nothing before a person says so.
select exists (
  select from ofa.live join ofa.lane on lane.id = live.lane_id
  where ($1::bigint is null or live.run_id = $1::bigint)
    and (live.state = 'running' or lane.kind = any ($2::text[])
      and ($3::int is null or lane.threads <= $3::int)
      and ($4::int is null or lane.memory_mb <= $4::int) and lane.requires <@ $5::text[]
      and not exists (select from ofa.permit_key where permit_key.id = lane.key_id and permit_key.slots = 0)
      and not exists (select from ofa.paused_queue where paused_queue.name = lane.queue))) as present;

-- name: JobsQuarantined :one
-- Tells whether a job of some kinds waits that workers died on.
select exists (
  select from ofa.lane join ofa.live on live.lane_id = lane.id
  where lane.kind = any ($2::text[]) and lane.requires <@ $3::text[] and live.state = 'available' and live.crashes > 0
    and ($1::bigint is null or live.run_id = $1::bigint)
    and not exists (select from ofa.paused_queue where paused_queue.name = lane.queue)) as present;

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
-- Where a job stands in its run: its path, whether a later job speaks for it, and the device it is for.
select path, is_inner, account.device from ofa.job join ofa.account on account.id = job.account_id
where job.id = $1::bigint;
