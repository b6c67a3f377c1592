-- Statements of AttemptMeter, FactorSet and CostLedger.

-- name: MeterInsert :exec
-- Records what an attempt used, once; in the transaction that ends it, before it does.
insert into ofa.meter (token, host, zone, wall_ns, cpu_ns, energy_uj, energy_low_uj, energy_high_uj,
  method, tier, job_id, attempt, started_at, outcome)
select $1::bigint, $2::text, $3::text, $4::bigint, $5::bigint, $6::bigint, $7::bigint, $8::bigint,
  $9::text, $10::text, live.job_id, live.attempt, live.started_at, $12::text
from ofa.live where live.job_id = $11::bigint and live.token = $1::bigint
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
