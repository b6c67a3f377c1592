-- Statements of OpenLineage, which tells other systems about ended attempts.

-- name: OpenLineageHorizon :one
-- Returns a horizon: attempts that ended before this time are already committed, unless a transaction has been open for
-- over an hour. The horizon is the start of the oldest open transaction of another client, but at most an hour ago. A
-- client whose transactions this role may not see counts as one that began a minute ago. OpenLineageEnded must be a
-- later statement than this one, so that it sees every attempt that ended before the horizon.
select greatest(ofa.now() - interval '1 hour', ofa.now() - statement_timestamp() + coalesce((
    select min(case when query = '<insufficient privilege>' then statement_timestamp() - interval '1 minute'
      else xact_start end)
    from pg_stat_activity
    where datname = current_database() and backend_type = 'client backend' and pid <> pg_backend_pid()
  ), statement_timestamp()))::text as horizon;

-- name: OpenLineageLock :one
-- Takes, until the transaction ends, the lock of the sender to a target, if no other transaction has it; returns whether
-- this transaction has it.
select pg_try_advisory_xact_lock(hashtextextended(@name::text, 0)) as held;

-- name: OpenLineageCursor :one
-- Returns the time at which the last attempt that was sent had ended; -infinity if none was sent.
select coalesce((select done_at from ofa.duty where name = @name::text), '-infinity')::text as cursor;

-- name: OpenLineageEnded :many
-- Returns about `most` attempts that ended after `after` and before `horizon`, earliest first; attempts that ended at
-- the same time are returned together.
select token, attempt.job_id, run_id, stage, attempt.ended_at, attempt.ended_at::text as ended
from ofa.attempt join ofa.job on job.id = attempt.job_id
where attempt.ended_at > @after::text::timestamptz and attempt.ended_at < @horizon::text::timestamptz
  and outcome <> 'unbegun'
order by attempt.ended_at fetch first (@most::int) rows with ties;

-- name: OpenLineageAdvance :one
-- Records that the attempts that ended up to `until` were sent, if the recorded time is `after`. Returns false and
-- changes nothing if another worker has recorded another time.
select ofa_api_1.advance_duty(@name::text, @after::text, @until::text) as advanced;

-- name: OpenLineageAttempts :many
-- Returns the given attempts with their runs, machines and use of energy. An attempt that is no longer recorded counts
-- as completed at the time `made`, when its artifacts were recorded. `first` and `last` bound the times of their ends.
select given.token, given.job as job_id, given.run as run_id, given.stage, coalesce(job.kind, recipe.kind) as kind,
  run.name as run_name, run.definition_hash, extract(epoch from run.created_at)::text as run_epoch,
  tried.attempt, coalesce(tried.started_at, made::timestamptz) as started_at,
  coalesce(tried.ended_at, made::timestamptz) as ended_at, coalesce(tried.outcome, 'completed') as outcome, tried.error,
  host.name as host, coalesce(meter.wall_ns, case when pieces.method is not null
    then 1000 * (1000000 * extract(epoch from tried.ended_at - tried.started_at))::bigint end) as wall_ns,
  coalesce(meter.cpu_ns, pieces.cpu_ns) as cpu_ns, coalesce(meter.energy_uj, pieces.energy_uj) as energy_uj,
  coalesce(meter.energy_low_uj, pieces.energy_low_uj) as energy_low_uj,
  coalesce(meter.energy_high_uj, pieces.energy_high_uj) as energy_high_uj,
  coalesce(meter.energy_uj * rate.ug_per_uj, pieces.emission_ug) as emission_ug,
  coalesce(rate.version, pieces.version) as factor_set, coalesce(meter.method, pieces.method) as method,
  coalesce(meter.tier, pieces.tier) as tier
from unnest(@tokens::bigint[], @jobs::bigint[], @runs::bigint[], @stages::text[], @made::text[])
  as given (token, job, run, stage, made)
join ofa.run on run.id = given.run
left join ofa.attempts_of(@jobs::bigint[], @first::timestamptz, @last::timestamptz) as tried
  on tried.job_id = given.job and tried.token = given.token
left join ofa.job on job.id = given.job
left join ofa.recipe on recipe.job_id = given.job
left join ofa.session on session.id = tried.session_id
left join ofa.host on host.id = session.host_id
left join ofa.meter on meter.account_id = job.account_id and meter.token = given.token
left join ofa.rate on rate.version = (select max(version) from ofa.factor_set) and rate.zone = meter.zone
  and tried.ended_at >= rate.valid_from and tried.ended_at < rate.valid_until
left join lateral (
  -- An attempt with a gap has no energy: a part of it would look like all of it.
  select max(method) as method, max(tier) as tier, sum(cpu_ns)::bigint as cpu_ns,
    case when bool_and(energy_uj is not null) then sum(energy_uj)::bigint end as energy_uj,
    case when bool_and(energy_uj is not null) then sum(energy_low_uj)::bigint end as energy_low_uj,
    case when bool_and(energy_uj is not null) then sum(energy_high_uj)::bigint end as energy_high_uj,
    case when bool_and(energy_uj is not null) then sum(energy_uj
      * (coalesce(span.pue, hourly.pue) * coalesce(series.value, hourly.intensity) / 3600000)::float8) end as emission_ug,
    max(hourly.version) as version
  from ofa.energy_piece as piece
  left join ofa.rate as hourly on hourly.version = (select max(version) from ofa.factor_set)
    and hourly.zone = piece.zone and piece.started_at >= hourly.valid_from and piece.started_at < hourly.valid_until
  left join ofa.factor as series on series.version = hourly.version and series.hourly and series.kind = 'intensity'
    and series.zone = piece.zone and series.type = hourly.type and series.signal = hourly.signal
    and series.valid_from = date_trunc('hour', piece.started_at at time zone 'UTC') at time zone 'UTC'
  left join ofa.host_spans() as span on span.host_id = piece.host_id
    and date_trunc('hour', piece.started_at at time zone 'UTC') at time zone 'UTC' >= span.holds_from
    and date_trunc('hour', piece.started_at at time zone 'UTC') at time zone 'UTC' < span.holds_until
  where piece.token = given.token and piece.started_at >= tried.started_at - interval '1 hour'
    and piece.started_at < tried.ended_at + interval '1 minute') as pieces on meter.token is null
order by ended_at, given.token;

-- name: OpenLineageData :many
-- Returns the artifacts that the given attempts read and made, each with the size of its bytes; `hidden` is a role of
-- inputs to leave out.
select input.token, true as is_input, input.role, artifact.id, kind, name, artifact.digest,
  metadata -> 'madeBy' as made_by, raw_bytes
from ofa.artifact_input input
join ofa.artifact on artifact.id = input.artifact_id
left join ofa.blob on blob.digest = artifact.digest
where input.token = any (@tokens::bigint[]) and input.role <> @hidden::text
union all
select token, false, role, artifact.id, kind, name, artifact.digest, metadata -> 'madeBy', raw_bytes
from ofa.artifact
left join ofa.blob on blob.digest = artifact.digest
where token = any (@tokens::bigint[]) and kind <> @hidden::text
order by 1, 2, 3, 4;
