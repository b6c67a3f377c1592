-- Statements of FactorSet and CostLedger.

-- name: FactorSetNewest :many
-- Returns the newest factor set.
select version, note from ofa.factor_set order by version desc limit 1;

-- name: FactorSetGet :many
-- Returns one factor set.
select version, note from ofa.factor_set where version = @version::int;

-- name: FactorList :many
-- Returns the factors of a set that are valid now.
select kind, zone, value::double precision as value, low::double precision as low,
  high::double precision as high, unit, type, signal, source, licence, vintage
from ofa.factor where version = @version::int and ofa.now() >= valid_from and ofa.now() < valid_until
order by kind, zone;

-- name: CostBy :many
-- Sums the ledger for each stage, kind, device, host or day (`by` says which) in each zone, ordered by first start. If
-- `run` is NULL, sums over all runs, from ofa.spent_day and ofa.spent_since. If `since` is NULL, sums over all days.
-- Carbon is rounded to whole micrograms in each row that is read, so that all groupings have the same total.
with booked as (
  select case @by::text
      when 'stage' then spent.stage
      when 'kind' then spent.kind
      when 'device' then coalesce(nullif(spent.device, ''), '(shared)')
      when 'host' then host.name || case
        when (select count(*) from ofa.host as other where other.name = host.name) > 1 then ' #' || host.id else '' end
      when 'day' then spent.day::text
    end as label, spent.*, round(spent.energy_uj * rate.ug_per_uj)::bigint as emission_ug
  from (
    select spent.day, account.stage, account.kind, coalesce(account.device, '') as device, spent.host_id, spent.zone,
      spent.method, spent.tier, spent.attempts, spent.not_completed, spent.gaps, spent.wall_ns, spent.cpu_ns,
      spent.energy_uj, spent.energy_low_uj, spent.energy_high_uj, spent.first_started_at, spent.first_token
    from ofa.account join ofa.spent on spent.account_id = account.id
    where account.run_id = @run::bigint?
    union all
    select * from ofa.spent_day where @run::bigint? is null
    union all
    select * from ofa.spent_since where @run::bigint? is null
  ) as spent
  join ofa.host on host.id = spent.host_id left join ofa.rate on rate.version = @version::int and rate.zone = spent.zone
    and spent.day::timestamp at time zone 'UTC' >= rate.valid_from
    and spent.day::timestamp at time zone 'UTC' < rate.valid_until
  where @since::timestamptz? is null or spent.day >= (@since::timestamptz? at time zone 'UTC')::date
)
select label, nullif(zone, '') as zone, sum(attempts)::bigint as attempts,
  sum(not_completed)::bigint as not_completed, sum(gaps)::bigint as gaps,
  sum(wall_ns)::bigint as wall_ns, sum(cpu_ns)::bigint as cpu_ns, sum(energy_uj)::bigint as energy_uj,
  sum(energy_low_uj)::bigint as energy_low_uj, sum(energy_high_uj)::bigint as energy_high_uj,
  coalesce(sum(emission_ug), 0)::bigint as emission_ug,
  array_agg(distinct method order by method) as methods,
  coalesce(array_agg(distinct tier order by tier) filter (where tier <> ''), '{}') as tiers
from booked
group by label, zone
order by min(first_started_at), min(first_token), label, zone;

-- name: CostByAttempt :many
-- Lists costs per attempt: each row of the ledger is divided among its meter rows. A ledger row is not divided if its
-- attempts were not metered or their meter rows were dropped. The carbon of the parts adds up to that of the row.
with booked as materialized (
  select spent.*, account.stage, rate.ug_per_uj
  from ofa.spent join ofa.account on account.id = spent.account_id
  left join ofa.rate on rate.version = @version::int and rate.zone = spent.zone
    and spent.day::timestamp at time zone 'UTC' >= rate.valid_from
    and spent.day::timestamp at time zone 'UTC' < rate.valid_until
  where (@run::bigint? is null or account.run_id = @run::bigint?)
    and (@since::timestamptz? is null or spent.day >= (@since::timestamptz? at time zone 'UTC')::date)
), metered as materialized (
  select meter.*, coalesce(meter.zone, '') as known_zone,
    case when meter.energy_uj is null then '' else meter.tier end as known_tier,
    (meter.ended_at at time zone 'UTC')::date as day
  from ofa.meter where meter.account_id in (select account_id from booked)
), split as (
  select booked.stage || ' ' || metered.token as label, nullif(booked.zone, '') as zone, 1::bigint as attempts,
    case metered.outcome when 'completed' then 0 else 1 end::bigint as not_completed,
    case when metered.energy_uj is null then 1 else 0 end::bigint as gaps,
    metered.wall_ns, coalesce(metered.cpu_ns, 0) as cpu_ns, coalesce(metered.energy_uj, 0) as energy_uj,
    coalesce(metered.energy_low_uj, 0) as energy_low_uj, coalesce(metered.energy_high_uj, 0) as energy_high_uj,
    coalesce(round(sum(metered.energy_uj) over upto * booked.ug_per_uj)
      - round((sum(metered.energy_uj) over upto - metered.energy_uj) * booked.ug_per_uj), 0)::bigint as emission_ug,
    booked.method, booked.tier, metered.started_at, metered.token
  from booked join metered on (metered.account_id, metered.host_id, metered.day, metered.known_zone, metered.method,
      metered.known_tier)
    = (booked.account_id, booked.host_id, booked.day, booked.zone, booked.method, booked.tier)
  window upto as (partition by booked.account_id, booked.host_id, booked.day, booked.zone, booked.method, booked.tier
    order by metered.token)
), whole as (
  select booked.stage || ' ' || booked.first_token || case when booked.attempts > 1 then '…' else '' end,
    nullif(booked.zone, ''), booked.attempts, booked.not_completed, booked.gaps, booked.wall_ns, booked.cpu_ns,
    booked.energy_uj, booked.energy_low_uj, booked.energy_high_uj,
    coalesce(round(booked.energy_uj * booked.ug_per_uj), 0)::bigint, booked.method, booked.tier,
    booked.first_started_at, booked.first_token
  from booked
  where not exists (
    select from metered where (metered.account_id, metered.host_id, metered.day, metered.known_zone, metered.method,
        metered.known_tier)
      = (booked.account_id, booked.host_id, booked.day, booked.zone, booked.method, booked.tier))
)
select label, zone, attempts, not_completed, gaps, wall_ns, cpu_ns, energy_uj, energy_low_uj, energy_high_uj,
  emission_ug, array[method] as methods, case tier when '' then '{}'::text[] else array[tier] end as tiers
from (select * from split union all select * from whole) as listed
order by started_at, token, label;

-- name: CostBranches :many
-- Sums costs by run, device target and zone. Each run has a `source`, the run whose supernet it uses: the newest other
-- run from which it reads a supernet, else the run itself if it made a supernet, else NULL. If `run` is not NULL,
-- returns the rows of `run` and of the runs whose source is `run`. If `run` is NULL, returns the rows of the newest
-- runs with device targets, at most `newest` runs.
with concerned as materialized (
  select run_id from ofa.account where @run::bigint? is not null and run_id = @run::bigint? and device is not null
  union
  select reader.run_id
  from ofa.artifact made
  join ofa.artifact_input input on input.artifact_id = made.id
  join ofa.artifact reader on reader.token = input.token
  where made.run_id = @run::bigint? and made.kind = 'supernet' and made.run_id <> reader.run_id
  union
  (select distinct run_id from ofa.account where @run::bigint? is null and device is not null
    order by run_id desc limit @newest::int)
), traced as materialized (
  select run_id, coalesce((
      select max(made.run_id)
      from ofa.artifact reader
      join ofa.artifact_input input on input.token = reader.token
      join ofa.artifact made on made.id = input.artifact_id
      where reader.run_id = concerned.run_id and made.kind = 'supernet' and made.run_id <> reader.run_id),
    (select own.run_id from ofa.artifact own where own.run_id = concerned.run_id and own.kind = 'supernet'
      limit 1)) as source
  from concerned
), booked as (
  select traced.run_id, traced.source, account.device, spent.*,
    round(spent.energy_uj * rate.ug_per_uj)::bigint as emission_ug
  from traced join ofa.account on account.run_id = traced.run_id and account.device is not null
  join ofa.spent on spent.account_id = account.id
  left join ofa.rate on rate.version = @version::int and rate.zone = spent.zone
    and spent.day::timestamp at time zone 'UTC' >= rate.valid_from
    and spent.day::timestamp at time zone 'UTC' < rate.valid_until
  where @run::bigint? is null or traced.run_id = @run::bigint? or traced.source = @run::bigint?
)
select run_id, source, device as label, nullif(zone, '') as zone, sum(attempts)::bigint as attempts,
  sum(not_completed)::bigint as not_completed, sum(gaps)::bigint as gaps,
  sum(wall_ns)::bigint as wall_ns, sum(cpu_ns)::bigint as cpu_ns, sum(energy_uj)::bigint as energy_uj,
  sum(energy_low_uj)::bigint as energy_low_uj, sum(energy_high_uj)::bigint as energy_high_uj,
  coalesce(sum(emission_ug), 0)::bigint as emission_ug,
  array_agg(distinct method order by method) as methods,
  coalesce(array_agg(distinct tier order by tier) filter (where tier <> ''), '{}') as tiers
from booked
group by run_id, source, label, zone
order by run_id, min(first_started_at), min(first_token), label, zone;

-- name: CostEnergyOfRuns :many
-- Returns the total energy of each of the runs `runs`.
select account.run_id, sum(spent.energy_uj)::bigint as energy_uj
from ofa.account join ofa.spent on spent.account_id = account.id
where account.run_id = any (@runs::bigint[]) group by account.run_id;

-- name: KindDurations :many
-- Returns the mean duration of an attempt, in seconds, by kind of job, over the newest 2,000 rows of ofa.account.
select recent.kind, sum(spent.wall_ns)::float8 / sum(spent.attempts) / 1e9 as seconds
from (select id, kind from ofa.account order by id desc limit 2000) as recent
join ofa.spent on spent.account_id = recent.id
group by recent.kind;
