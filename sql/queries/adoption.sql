-- Statements of Adoption, which migrates a database from before the schema was final. The old schema is renamed to
-- ofa_before, its data is copied to the new schema, and ofa_before is dropped, all in one transaction. Such databases
-- are of two kinds. In the older kind the ledger is computed from attempts; its figures are first copied to
-- ofa_adopted. In the other kind the ledger "stands alone": it is stored, as in the new schema. Tables that both
-- schemas have are copied with the columns of the old table, because these columns differ between databases.

-- name: AdoptionWorkers :one
-- Returns how many workers sent a heartbeat in the last minute.
select count(*) as workers from ofa.session where state = 'alive' and beat_at > ofa.now() - interval '1 minute';

-- name: AdoptionSetAside :exec
-- Renames the old schema to ofa_before.
alter schema ofa rename to ofa_before;

-- name: AdoptionDropAPI :exec
-- Drops the API functions. Later steps create them and grant their use again.
drop schema if exists ofa_api_1 cascade;

-- name: AdoptionUnfinished :many
-- Returns the unfinished runs of the old schema.
select id from ofa_before.run where state = 'running' order by id;

-- name: AdoptionRuns :exec
-- Copies the runs. Unfinished runs become cancelled, because their jobs are not copied.
insert into ofa.run (id, name, definition, definition_hash, request, state, created_at, cancel_requested_at, ended_at)
overriding system value
select id, name, definition, definition_hash, request, case state when 'running' then 'cancelled' else state end, created_at,
  case state when 'running' then coalesce(cancel_requested_at, ofa.now()) else cancel_requested_at end,
  coalesce(ended_at, ofa.now())
from ofa_before.run order by id;

-- name: AdoptionRunMonths :many
-- Creates the partitions for the months of the runs.
select ofa.open_month(month) as made from (select distinct month from ofa.run) as runs order by month;

-- name: AdoptionLedgerStandsAlone :one
-- Returns whether the old ledger is stored, and not computed from attempts.
select to_regclass('ofa_before.account') is not null as alone;

-- name: AdoptionMeterMonths :many
-- Creates the partitions for the months of the meter rows, if the old ledger is stored.
select ofa.open_partition('meter', to_char(month, 'YYYYMM'), month::date || ' 00:00+00',
  (month + interval '1 month')::date || ' 00:00+00') as made
from (select distinct date_trunc('month', ended_at at time zone 'UTC') as month from ofa_before.meter) as metered
order by month;

-- name: AdoptionJobsAlone :exec
-- Copies the jobs of ended runs, if the old ledger is stored.
insert into ofa.job (id, month, run_id, group_id, lane_id, account_id, stage, ordinal, path, is_inner, kind, args,
  max_attempts, max_crashes, timeout, stall, not_before, unique_key, backoff, created_at)
select job.id, run.month, job.run_id, job.group_id, job.lane_id, job.account_id, job.stage, job.ordinal, job.path,
  job.is_inner, job.kind, job.args, job.max_attempts, job.max_crashes, job.timeout, job.stall, job.not_before,
  job.unique_key, job.backoff, job.created_at
from ofa_before.job join ofa.run on run.id = job.run_id
where job.run_id not in (select id from ofa_before.run where state = 'running') order by job.id;

-- name: AdoptionCharged :exec
-- Creates ofa_adopted: what the old ledger charged for each attempt, with the time at which the attempt ended.
create temporary table ofa_adopted on commit drop as
select charged.token, charged.attempt, charged.outcome, charged.started_at, charged.job_id, charged.kind, charged.run_id,
  charged.stage, nullif(charged.device, '') as device, coalesce(nullif(charged.host, ''), 'unknown') as host, charged.zone,
  charged.wall_ns, charged.cpu_ns, charged.energy_uj, charged.energy_low_uj, charged.energy_high_uj, charged.method,
  charged.tier, meter.tier as metered_tier, charged.started_at + make_interval(secs => charged.wall_ns / 1e9) as ended_at
from ofa_before.charged_attempt as charged left join ofa_before.meter on meter.token = charged.token;

-- name: AdoptionHosts :exec
-- Inserts the machines by name, because the old ledger has no other facts about them.
insert into ofa.host (identity, name)
select 'before ' || host, host from (select distinct host from ofa_adopted) as known order by host;

-- name: AdoptionAccounts :exec
-- Inserts the accounts of the attempts in ofa_adopted.
insert into ofa.account (run_id, pipeline, stage, kind, device)
select distinct adopted.run_id, run.name, adopted.stage, adopted.kind, adopted.device
from ofa_adopted as adopted join ofa.run on run.id = adopted.run_id
order by 1, 3, 4, 5;

-- name: AdoptionMonths :many
-- Creates the partitions for the months of the meter rows, if the old ledger is computed from attempts.
select ofa.open_partition('meter', to_char(month, 'YYYYMM'), month::date || ' 00:00+00',
  (month + interval '1 month')::date || ' 00:00+00') as made
from (
  select distinct date_trunc('month', ended_at at time zone 'UTC') as month from ofa_adopted
  where metered_tier is not null) as metered
order by month;

-- name: AdoptionMeter :exec
-- Inserts the meter rows of the attempts in ofa_adopted that were metered.
insert into ofa.meter (token, account_id, host_id, job_id, attempt, outcome, started_at, ended_at, zone, wall_ns, cpu_ns,
  energy_uj, energy_low_uj, energy_high_uj, method, tier)
select adopted.token, account.id, host.id, adopted.job_id, adopted.attempt, adopted.outcome, adopted.started_at,
  adopted.ended_at, adopted.zone, adopted.wall_ns, adopted.cpu_ns, adopted.energy_uj, adopted.energy_low_uj,
  adopted.energy_high_uj, adopted.method, adopted.metered_tier
from ofa_adopted as adopted
join ofa.account on (account.run_id, account.stage, account.kind) = (adopted.run_id, adopted.stage, adopted.kind)
  and account.device is not distinct from adopted.device
join ofa.host on host.identity = 'before ' || adopted.host
where adopted.metered_tier is not null
order by adopted.token;

-- name: AdoptionSpent :exec
-- Inserts the rows of the ledger: sums over the attempts in ofa_adopted.
insert into ofa.spent (account_id, host_id, day, zone, method, tier, attempts, not_completed, failed, lost, gaps, wall_ns,
  cpu_ns, energy_uj, energy_low_uj, energy_high_uj, first_started_at, first_token)
select account.id, host.id, (adopted.ended_at at time zone 'UTC')::date, coalesce(adopted.zone, ''), adopted.method,
  coalesce(adopted.tier, ''), count(*), count(*) filter (where adopted.outcome <> 'completed'),
  count(*) filter (where adopted.outcome = 'failed'), count(*) filter (where adopted.outcome = 'lost'),
  count(*) filter (where adopted.energy_uj is null), sum(adopted.wall_ns), coalesce(sum(adopted.cpu_ns), 0),
  coalesce(sum(adopted.energy_uj), 0), coalesce(sum(adopted.energy_low_uj), 0),
  coalesce(sum(adopted.energy_high_uj), 0), min(adopted.started_at), min(adopted.token)
from ofa_adopted as adopted
join ofa.account on (account.run_id, account.stage, account.kind) = (adopted.run_id, adopted.stage, adopted.kind)
  and account.device is not distinct from adopted.device
join ofa.host on host.identity = 'before ' || adopted.host
group by 1, 2, 3, 4, 5, 6;

-- name: AdoptionLimits :exec
-- Copies the concurrency keys with their limits. All permits are free.
with key as (
  insert into ofa.permit_key (id, name, slots) overriding system value
  select id, name, slots from ofa_before.permit_key returning id, slots
)
insert into ofa.permit (key_id, slot) select key.id, slot from key cross join generate_series(1, key.slots) as slot;

-- name: AdoptionLanes :exec
-- Copies the lanes with their ids.
insert into ofa.lane (id, kind, queue, priority, key_id, threads, memory_mb, requires) overriding system value
select id, kind, queue, priority, key_id, threads, memory_mb,
  array(select jsonb_array_elements_text(coalesce(to_jsonb(lane) -> 'requires', '[]'))) from ofa_before.lane order by id;

-- name: AdoptionJobAccounts :exec
-- Inserts accounts for the jobs of ended runs that have no attempt in ofa_adopted.
insert into ofa.account (run_id, pipeline, stage, kind, device)
select distinct job.run_id, run.name, job.stage, job.kind, null::text
from ofa_before.job join ofa_before.run on run.id = job.run_id
where run.state <> 'running' and not exists (select from ofa_adopted where ofa_adopted.job_id = job.id)
on conflict do nothing;

-- name: AdoptionJobs :exec
-- Copies the jobs of ended runs. Their arguments say how artifacts were made.
insert into ofa.job (id, month, run_id, group_id, lane_id, account_id, stage, ordinal, path, is_inner, kind, args,
  max_attempts, max_crashes, timeout, stall, not_before, unique_key, backoff, created_at)
select job.id, kept.month, job.run_id, job.group_id, job.lane_id, account.id, job.stage, job.ordinal, job.path, job.is_inner, job.kind,
  job.args, job.max_attempts, job.max_crashes, job.timeout, job.stall, job.not_before, job.unique_key, job.backoff,
  job.created_at
from ofa_before.job join ofa_before.run on run.id = job.run_id join ofa.run as kept on kept.id = run.id
left join (select distinct on (job_id) job_id, device from ofa_adopted order by job_id, token) as charged
  on charged.job_id = job.id
join ofa.account on (account.run_id, account.stage, account.kind) = (job.run_id, job.stage, job.kind)
  and account.device is not distinct from charged.device
where run.state <> 'running' order by job.id;

-- name: AdoptionGroups :exec
-- Copies the groups of ended runs.
insert into ofa.job_group (id, month, run_id, stage, owner_job, deps_left, expected, pending, ok, bad, rule, quorum, on_bad,
  good, released_at, fired_at)
select before.id, kept.month, run_id, stage, owner_job, deps_left, expected, pending, ok, bad, rule, quorum, on_bad, good, released_at,
  fired_at
from ofa_before.job_group as before join ofa_before.run on run.id = before.run_id join ofa.run as kept on kept.id = run.id
where run.state <> 'running' order by before.id;

-- name: AdoptionWaits :exec
-- Copies, for each copied job, the group that it waits for.
update ofa.job set waits_for = before.waits_for
from ofa_before.job as before where before.id = job.id and before.waits_for is not null;

-- name: AdoptionEdges :exec
-- Copies the dependencies between stages.
insert into ofa.group_edge (month, parent, child, on_bad, told)
select job_group.month, parent, child, edge.on_bad, told
from ofa_before.group_edge as edge join ofa.job_group on job_group.id = edge.child;

-- name: AdoptionOutcomes :exec
-- Copies the outcomes of the copied jobs.
insert into ofa.outcome (job_id, month, group_id, state, result, fanned_out, reason, ended_at)
select job_id, job.month, before.group_id, state, result, fanned_out, reason, ended_at
from ofa_before.outcome as before join ofa.job on job.id = before.job_id;

-- name: AdoptionTables :many
-- Returns the statements that copy the other tables, in the order of their foreign keys. Each statement copies the
-- columns that the old table has; columns that the old table lacks and that need a value are computed (stand_in).
-- Checkpoints are copied for jobs that ended without completing, so that a retry resumes from them. Factors that users
-- added are copied. In a database whose blobs have no column class, garbage collection never ran; from such a database
-- only the blobs of artifacts and of copied checkpoints are copied. Sums of days are folded anew.
with kept (name, place, rest) as (
  select name, place, case
    when name = 'checkpoint'
      then 'where exists (select from ofa.outcome where outcome.job_id = before.job_id and state <> ''completed'')'
    when name in ('factor_set', 'factor') then 'on conflict do nothing'
    when name = 'blob' and not exists (select from pg_attribute
        where attrelid = 'ofa_before.blob'::regclass and attname = 'class')
      then 'where digest in (select digest from ofa_before.artifact union all select digest from ofa.checkpoint)'
    when name = 'blob_chunk' then 'where digest in (select digest from ofa.blob)' else '' end
  from unnest(array['host', 'action', 'account', 'meter', 'spent', 'retention', 'closed_month', 'recipe',
    'store', 'checkpoint', 'blob', 'blob_chunk', 'pin', 'artifact', 'artifact_input', 'device', 'paused_queue', 'recurring',
    'factor_set', 'factor']) with ordinality as listed (name, place)
  where to_regclass('ofa_before.' || name) is not null
    and (name <> 'meter' or to_regclass('ofa_before.account') is not null)
),
stand_in (name, attname, value) as (values
  -- An old checkpoint refers to its blob only in the payload.
  ('checkpoint', 'digest', 'decode(substring(payload ->> ''blob'' from ''^[0-9a-f]{64}$''), ''hex'')'),
  ('blob', 'class', 'case when exists (select from ofa_before.artifact where artifact.digest = before.digest) '
    || 'then ''lasting'' else ''checkpoint'' end'),
  ('blob', 'stored_bytes', '(select coalesce(sum(octet_length(data)), 0) from ofa_before.blob_chunk '
    || 'where blob_chunk.digest = before.digest)'),
  ('blob_chunk', 'class', '(select class from ofa.blob where blob.digest = before.digest)'),
  ('blob_chunk', 'stored_bytes', 'octet_length(data)')
)
select format('insert into ofa.%1$I (%2$s) overriding system value select %3$s from ofa_before.%1$I as before %4$s',
  kept.name, string_agg(quote_ident(settled.attname), ', ' order by settled.attnum),
  string_agg(coalesce(quote_ident(old.attname), stand_in.value), ', ' order by settled.attnum), kept.rest) as copy
from kept
join pg_attribute as settled on settled.attrelid = ('ofa.' || kept.name)::regclass and settled.attnum > 0
  and not settled.attisdropped and settled.attgenerated = ''
left join pg_attribute as old on old.attrelid = ('ofa_before.' || kept.name)::regclass
  and old.attname = settled.attname and old.attnum > 0 and not old.attisdropped
left join stand_in on (stand_in.name, stand_in.attname) = (kept.name, settled.attname)
where coalesce(old.attname, stand_in.value) is not null
group by kept.name, kept.place, kept.rest order by kept.place;

-- name: AdoptionRecipes :exec
-- Copies the arguments of jobs that made artifacts but are not copied themselves. Healing and specialisation need these
-- arguments.
insert into ofa.recipe (job_id, kind, args)
select id, kind, args from ofa_before.job as before
where exists (select from ofa_before.artifact where artifact.job_id = before.id)
  and not exists (select from ofa.job where job.id = before.id)
order by id on conflict do nothing;

-- name: AdoptionSequences :many
-- Sets the sequences to the values that they had in the old schema.
select setval(format('ofa.%I', settled.sequencename)::regclass, before.last_value) as value
from pg_sequences as settled
join pg_sequences as before on settled.sequencename in (
  before.sequencename, case before.sequencename when 'job_id_seq' then 'job_id' when 'job_group_id_seq' then 'job_group_id' end)
where settled.schemaname = 'ofa' and before.schemaname = 'ofa_before' and before.last_value is not null;

-- name: AdoptionDrop :exec
-- Drops ofa_before.
drop schema ofa_before cascade;
