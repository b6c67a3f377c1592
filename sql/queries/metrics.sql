-- Statements of the metrics page: what the fleet does now, and what it has used so far. Each row is a sample: the metric (a key
-- of FleetMetrics.families), the values of its labels, and its value in base units.

-- name: MetricsPlan :exec
-- Sets for the rest of the transaction that rows of an index are read in its order: a training has thousands of records, and of
-- each running one the last is read.
select set_config('enable_sort', 'off', true), set_config('enable_mergejoin', 'off', true);

-- name: MetricsQueue :many
-- Returns samples of jobs, workers, running stages, budgets and duties, after MetricsPlan. Reads ofa.live twice, and otherwise
-- a few rows for each lane, worker, running job and budget.
with counted as materialized (
  select lane_id, state, count(*) as jobs, min(due_at) as due_at, min(started_at) as started_at,
    min(seq) filter (where state = 'available') as seq
  from ofa.live group by lane_id, state
), first as materialized (
  -- The available job of each lane that is first in line.
  select live.lane_id, live.job_id, live.month from ofa.live
  where state = 'available' and seq = any (array(select seq from counted where seq is not null))
), listed as materialized (
  select first.lane_id, job.id, job.created_at, greatest(job.created_at, job.not_before, job_group.released_at,
    awaited.fired_at, deferral.starts_at) as since
  from first
  join ofa.job on job.id = first.job_id and job.month = first.month
  join ofa.job_group on job_group.id = job.group_id and job_group.month = job.month
  left join ofa.job_group as awaited on awaited.id = job.waits_for and awaited.month = job.month
  left join ofa.deferral on deferral.run_id = job.run_id
), ended as materialized (
  select tried.job_id, max(tried.ended_at) as ended_at
  from ofa.attempts_of(array(select id from listed), (select min(created_at) from listed), ofa.now()) as tried
  group by tried.job_id
), waiting as materialized (
  select listed.lane_id, greatest(listed.since, ended.ended_at) as since
  from listed left join ended on ended.job_id = listed.id
), running as materialized (
  select job_id, month, run_id, group_id, token from ofa.live where state = 'running'
), working as materialized (
  select running.run_id, job_group.stage, sum(progress.fraction) as done,
    sum(case when trained.recorded_at > ofa.now() - interval '1 minute' then trained.rate
      when trained.rate is not null then 0 end) as rate
  from running
  join ofa.job_group on job_group.id = running.group_id and job_group.month = running.month
  left join ofa.progress on progress.job_id = running.job_id and progress.month = running.month
    and progress.token = running.token
  left join lateral (
    select images / nullif(seconds, 0) as rate, recorded_at from ofa.training_metrics as trained
    where trained.job_id = running.job_id and trained.month = running.month and trained.token = running.token
    order by first_step desc limit 1) as trained on true
  group by running.run_id, job_group.stage
), unfinished as materialized (
  select id, month, name from ofa.run where state = 'running'
), grouped as materialized (
  select job_group.run_id, job_group.stage, sum(expected) as expected, sum(ok + bad) as ended, sum(pending) as pending
  from unfinished join ofa.job_group on job_group.run_id = unfinished.id and job_group.month = unfinished.month
  group by job_group.run_id, job_group.stage
), alive as materialized (
  select host.name, session.slots, session.beat_at + session.ttl > ofa.now() as beats, session.beat_at
  from ofa.session join ofa.host on host.id = session.host_id where session.state = 'alive'
)
select 'jobs' as metric, array[lane.kind, lane.queue, counted.state] as labels, sum(counted.jobs)::float8 as value
from counted join ofa.lane on lane.id = counted.lane_id group by lane.kind, lane.queue, counted.state
union all
select 'job_age', array[lane.kind, lane.queue, counted.state], greatest(0, max(extract(epoch from ofa.now() - case
  counted.state when 'available' then waiting.since when 'running' then counted.started_at
  else least(counted.due_at, ofa.now()) end)))::float8
from counted join ofa.lane on lane.id = counted.lane_id
left join waiting on waiting.lane_id = counted.lane_id and counted.state = 'available'
group by lane.kind, lane.queue, counted.state
union all
select 'blocked', '{}', greatest(0, coalesce((select sum(pending) from grouped), 0) - coalesce(sum(jobs), 0))::float8
from counted
union all
select 'queue_paused', array[name], 1 from ofa.paused_queue
union all
select 'claims', '{}', value::float8 from (select case when has_sequence_privilege('ofa.lease_token', 'select')
  then pg_sequence_last_value('ofa.lease_token'::regclass) end as value) as token where value is not null
union all
select 'runs', array['running'], count(*)::float8 from unfinished
union all
select 'runs', array['held'], count(distinct run_hold.run_id)::float8
from ofa.run_hold join unfinished on unfinished.id = run_hold.run_id
union all
select 'workers', array[name, case when beats then 'alive' else 'silent' end], count(*)::float8 from alive group by name, beats
union all
select 'worker_slots', array[name], sum(slots)::float8 from alive where beats group by name
union all
select 'heartbeat_age', array[name], greatest(0, max(extract(epoch from ofa.now() - beat_at)))::float8 from alive group by name
union all
select 'stage_progress', array[unfinished.id::text, unfinished.name, working.stage],
  least(1, (grouped.ended + coalesce(working.done, 0)) / nullif(grouped.expected, 0))::float8
from working join grouped using (run_id, stage) join unfinished on unfinished.id = working.run_id
union all
select 'stage_images', array[unfinished.id::text, unfinished.name, working.stage], working.rate
from working join unfinished on unfinished.id = working.run_id where working.rate is not null
union all
select 'budget_used', array[budget.id::text, coalesce(budget.pipeline, 'run ' || budget.run_id), used.name], used.fraction
from ofa.budget
cross join lateral (values ('energy', used_uj::float8 / nullif(max_uj, 0)), ('carbon', used_ug::float8 / nullif(max_ug, 0)),
  ('money', coalesce(used_money_u, 0)::float8 / nullif(max_money_u, 0))) as used (name, fraction)
where budget.lifted_at is null and used.fraction is not null
  and (budget.run_id is null or budget.run_id in (select id from unfinished))
union all
select case name when 'backup' then 'backup_age' when 'audit' then 'audit_age' else 'duty_age' end,
  case when name in ('backup', 'audit') then '{}' else array[name] end,
  greatest(0, extract(epoch from ofa.now() - done_at))::float8
from ofa.duty where isfinite(done_at) and name not like 'openlineage%';

-- name: MetricsLedger :many
-- Returns samples of the ledgers, the stored bytes and the tables. Reads all rows of the ledger of attempts, of costs what
-- ofa.cost_totals reads, and all blobs.
with factors as materialized (
  select usual.version, usual.type, usual.signal from ofa.factor as usual
  where usual.version = (select max(version) from ofa.factor_set) and usual.kind = 'intensity' and not usual.hourly
  order by (usual.type, usual.signal) = ('lifecycle', 'average') desc, usual.type, usual.signal limit 1
), used as materialized (
  select totals.key as kind, sum(totals.energy_uj) as energy_uj, sum(totals.emission_ug) as emission_ug,
    sum(totals.carbon_missing_uj) as missing_uj
  from factors cross join lateral ofa.cost_totals('kind', null, null, null, factors.version, factors.type, factors.signal)
    as totals group by totals.key
), tried as materialized (
  -- Sums of float8 are exact up to 2^53, and faster than those of bigint.
  select account.kind, sum(attempts::float8) as attempts, sum(not_completed::float8) as not_completed,
    sum(failed::float8) as failed, sum(lost::float8) as lost
  from ofa.spent join ofa.account on account.id = spent.account_id group by account.kind
), stored as materialized (
  select store, class, count(*) as blobs, sum(stored_bytes) as stored_bytes, sum(raw_bytes) as raw_bytes
  from ofa.blob where collected_at is null group by store, class
), sized as materialized (
  -- A partition counts as its table.
  select coalesce(parent.relname, pg_class.relname)::text as name, sum(pg_stat_get_live_tuples(pg_class.oid)) as live,
    sum(pg_stat_get_dead_tuples(pg_class.oid)) as dead
  from pg_class left join pg_inherits on pg_inherits.inhrelid = pg_class.oid
  left join pg_class as parent on parent.oid = pg_inherits.inhparent
  where pg_class.relnamespace = 'ofa'::regnamespace and pg_class.relkind = 'r'
  group by 1
)
select 'attempts' as metric, array[tried.kind, ended.outcome] as labels, ended.attempts as value
from tried cross join lateral (values ('completed', attempts - not_completed), ('failed', failed), ('lost', lost),
  ('stopped', not_completed - failed - lost)) as ended (outcome, attempts)
union all
select 'energy', array[kind], (energy_uj / 1e6)::float8 from used
union all
select 'emissions', array[kind], coalesce(emission_ug / 1e6, 0)::float8 from used
union all
select 'emissions_missing', array[kind], (missing_uj / 1e6)::float8 from used
union all
select 'blobs', array[store, class], blobs::float8 from stored
union all
select 'blob_bytes', array[store, class], stored_bytes::float8 from stored
union all
select 'blob_raw_bytes', array[store, class], raw_bytes::float8 from stored
union all
select 'table_rows', array[name], live::float8 from sized where live + dead > 0
union all
select 'table_dead_rows', array[name], dead::float8 from sized where live + dead > 0
union all
select 'database_bytes', '{}', pg_database_size(current_database())::float8;
