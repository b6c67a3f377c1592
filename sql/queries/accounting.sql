-- Statements of AttemptMeter, FactorSet and CostLedger.

-- name: MeterInsert :exec
-- Records what an attempt used, once; in the transaction that ends it, before it does.
insert into ofa.meter (token, host, zone, wall_ns, cpu_ns, energy_uj, energy_low_uj, energy_high_uj,
  method, tier, job_id, attempt, started_at, outcome)
select $1::bigint, $2::text, $3::text, $4::bigint, $5::bigint, $6::bigint, $7::bigint, $8::bigint,
  $9::text, $10::text, live.job_id, live.attempt, live.started_at, $12::text
from ofa.live where live.job_id = $11::bigint and live.token = $1::bigint
on conflict (token) do nothing;

-- name: MeterInsertEnded :exec
-- Records what an attempt used, once; in the transaction that ended it, after it did: when it was fenced, nothing.
insert into ofa.meter (token, host, zone, wall_ns, cpu_ns, energy_uj, energy_low_uj, energy_high_uj,
  method, tier, job_id, attempt, started_at, outcome)
select $1::bigint, $2::text, $3::text, $4::bigint, $5::bigint, $6::bigint, $7::bigint, $8::bigint,
  $9::text, $10::text, attempt.job_id, attempt.attempt, attempt.started_at, $12::text
from ofa.attempt
where attempt.job_id = $11::bigint and attempt.token = $1::bigint and attempt.outcome = $12::text
  and attempt.ended_at > ofa.now() - interval '1 day'
on conflict (token) do nothing;

-- name: FactorSetNewest :many
-- The newest factor set.
select version, note from ofa.factor_set order by version desc limit 1;

-- name: FactorSetGet :many
-- One factor set.
select version, note from ofa.factor_set where version = $1::int;

-- name: FactorList :many
-- The factors of a set.
select kind, zone, value::double precision as value, low::double precision as low,
  high::double precision as high, unit, type, signal, source, licence, vintage
from ofa.factor where version = $1::int order by kind, zone;

-- name: CostBy :many
-- Sums over attempts by stage, kind, device, host or attempt, and by zone, as they first started.
-- Carbon is rounded to whole micrograms for each attempt: then every grouping has the same total.
-- NULL stands for any run, and for any time of start. Attempts that nobody metered have no zone.
with charged as (
  select spent.*,
    case $2::text
      when 'stage' then spent.stage
      when 'kind' then spent.kind
      when 'device' then coalesce(spent.device, '(shared)')
      when 'host' then spent.host
      when 'attempt' then spent.stage || ' ' || spent.token
    end as label,
    round(spent.energy_uj * pue.value * intensity.value / 3600000)::bigint as emission_ug
  from ofa.charged_attempt spent
  left join ofa.factor pue on pue.version = $3::int and pue.kind = 'pue' and pue.zone = 'default'
  left join ofa.factor intensity on intensity.version = $3::int and intensity.kind = 'intensity'
    and intensity.zone = spent.zone
  where ($1::bigint is null or spent.run_id = $1::bigint)
    and ($4::timestamptz is null or spent.started_at >= $4::timestamptz)
)
select label, zone, count(*) as attempts,
  count(*) filter (where outcome <> 'completed') as not_completed,
  count(*) filter (where energy_uj is null) as gaps,
  sum(wall_ns)::bigint as wall_ns, coalesce(sum(cpu_ns), 0)::bigint as cpu_ns,
  coalesce(sum(energy_uj), 0)::bigint as energy_uj,
  coalesce(sum(energy_low_uj), 0)::bigint as energy_low_uj,
  coalesce(sum(energy_high_uj), 0)::bigint as energy_high_uj,
  coalesce(sum(emission_ug), 0)::bigint as emission_ug,
  array_agg(distinct method order by method) as methods,
  coalesce(array_agg(distinct tier order by tier) filter (where tier is not null), '{}') as tiers
from charged
group by label, zone
order by min(started_at), min(token), label, zone;

-- name: CostBranches :many
-- What every device target of a run cost, and of the runs that cut networks from its supernets later; of all runs
-- where none is named. Each with the run whose supernet it was cut from: its own where it reads no other's and has
-- made one, NULL where it has none.
with origin as (
  select reader.run_id, max(made.run_id) as source
  from ofa.artifact made
  join ofa.artifact_input input on input.artifact_id = made.id
  join ofa.artifact reader on reader.token = input.token
  where made.kind = 'supernet' and made.run_id <> reader.run_id
    and ($1::bigint is null or made.run_id = $1::bigint or reader.run_id = $1::bigint)
  group by reader.run_id
), concerned as (
  select run.id as run_id, coalesce(origin.source, (
      select own.run_id from ofa.artifact own where own.run_id = run.id and own.kind = 'supernet'
      limit 1)) as source
  from ofa.run left join origin on origin.run_id = run.id
  where $1::bigint is null or run.id = $1::bigint or origin.source = $1::bigint
), charged as (
  select concerned.source, spent.*,
    round(spent.energy_uj * pue.value * intensity.value / 3600000)::bigint as emission_ug
  from concerned join ofa.charged_attempt spent on spent.run_id = concerned.run_id
  left join ofa.factor pue on pue.version = $2::int and pue.kind = 'pue' and pue.zone = 'default'
  left join ofa.factor intensity on intensity.version = $2::int and intensity.kind = 'intensity'
    and intensity.zone = spent.zone
  where spent.device is not null
)
select run_id, source, device as label, zone, count(*) as attempts,
  count(*) filter (where outcome <> 'completed') as not_completed,
  count(*) filter (where energy_uj is null) as gaps,
  sum(wall_ns)::bigint as wall_ns, coalesce(sum(cpu_ns), 0)::bigint as cpu_ns,
  coalesce(sum(energy_uj), 0)::bigint as energy_uj,
  coalesce(sum(energy_low_uj), 0)::bigint as energy_low_uj,
  coalesce(sum(energy_high_uj), 0)::bigint as energy_high_uj,
  coalesce(sum(emission_ug), 0)::bigint as emission_ug,
  array_agg(distinct method order by method) as methods,
  coalesce(array_agg(distinct tier order by tier) filter (where tier is not null), '{}') as tiers
from charged
group by run_id, source, label, zone
order by run_id, min(started_at), min(token), label, zone;
