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
-- Sums the ledgers for each stage, kind, device, host or day (`by` says which) in each zone, ordered by first start. If
-- `run` is NULL, sums over all runs, from ofa.spent_day, ofa.spent_since and ofa.energy_hour. If `since` is NULL, sums over
-- all days. Carbon is rounded to whole micrograms in each row that is read, so that all groupings have the same total.
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
    select cost.day, cost.hour, account.stage, account.kind, coalesce(account.device, '') as device, cost.host_id,
      cost.zone, cost.method, cost.tier, cost.attempts, cost.not_completed, cost.gaps, cost.wall_ns, cost.cpu_ns,
      cost.energy_uj, cost.energy_low_uj, cost.energy_high_uj, cost.first_started_at, cost.first_token, cost.gap_ns
    from ofa.account join ofa.cost_row as cost on cost.account_id = account.id
    where account.run_id = @run::bigint?
    union all
    select day, day::timestamp at time zone 'UTC', stage, kind, device, host_id, zone, method, tier, attempts,
      not_completed, gaps, wall_ns, cpu_ns, energy_uj, energy_low_uj, energy_high_uj, first_started_at, first_token, 0
    from (select * from ofa.spent_day union all select * from ofa.spent_since) as folded where @run::bigint? is null
    union all
    select (hour at time zone 'UTC')::date, hour, account.stage, account.kind, coalesce(account.device, ''), host_id, zone,
      method, tier, 0, 0, 0, used_ns, cpu_ns, energy_uj, energy_low_uj, energy_high_uj, null, null, gap_ns
    from ofa.energy_hour join ofa.account on account.id = energy_hour.account_id where @run::bigint? is null
  ) as spent
  join ofa.host on host.id = spent.host_id left join ofa.rate on rate.version = @version::int and rate.zone = spent.zone
    and spent.hour >= rate.valid_from and spent.hour < rate.valid_until
  where @since::timestamptz? is null or spent.day >= (@since::timestamptz? at time zone 'UTC')::date
)
select label, nullif(zone, '') as zone, sum(attempts)::bigint as attempts,
  sum(not_completed)::bigint as not_completed, sum(gaps)::bigint as gaps,
  sum(wall_ns)::bigint as wall_ns, sum(cpu_ns)::bigint as cpu_ns, sum(energy_uj)::bigint as energy_uj,
  sum(energy_low_uj)::bigint as energy_low_uj, sum(energy_high_uj)::bigint as energy_high_uj,
  coalesce(sum(emission_ug), 0)::bigint as emission_ug, sum(gap_ns)::bigint as gap_ns,
  coalesce(array_agg(distinct method order by method) filter (where method <> ''), '{}') as methods,
  coalesce(array_agg(distinct tier order by tier) filter (where tier <> '' and method not like 'gap: %'), '{}') as tiers
from booked
group by label, zone
order by min(first_started_at), min(first_token), label, zone;

-- name: CostByAttempt :many
-- Lists costs per attempt: each row of the ledger of attempts is divided among its meter rows, each row of the ledger of
-- energy among its pieces. A row is not divided if its attempts were not metered, or their meter rows or pieces were
-- dropped. The carbon of the parts adds up to that of the row. The time of an attempt whose energy is in pieces is that of
-- its pieces.
with booked as materialized (
  select cost.*, account.stage, rate.ug_per_uj
  from ofa.cost_row as cost join ofa.account on account.id = cost.account_id
  left join ofa.rate on rate.version = @version::int and rate.zone = cost.zone
    and cost.hour >= rate.valid_from and cost.hour < rate.valid_until
  where (@run::bigint? is null or account.run_id = @run::bigint?)
    and (@since::timestamptz? is null or cost.day >= (@since::timestamptz? at time zone 'UTC')::date)
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
    0::bigint as gap_ns, booked.method, booked.tier, metered.started_at, metered.token
  from booked join metered on (metered.account_id, metered.host_id, metered.day, metered.known_zone, metered.method,
      metered.known_tier)
    = (booked.account_id, booked.host_id, booked.day, booked.zone, booked.method, booked.tier)
  where not booked.is_energy
  window upto as (partition by booked.account_id, booked.host_id, booked.day, booked.zone, booked.method, booked.tier
    order by metered.token)
), pieced as materialized (
  select account_id, host_id, date_trunc('hour', started_at at time zone 'UTC') at time zone 'UTC' as hour, zone, method,
    tier, job_id, token, min(started_at) as started_at, max(started_at) as last_at,
    sum(used_ns)::bigint as used_ns, sum(cpu_ns)::bigint as cpu_ns,
    coalesce(sum(energy_uj), 0)::bigint as energy_uj, coalesce(sum(energy_low_uj), 0)::bigint as energy_low_uj,
    coalesce(sum(energy_high_uj), 0)::bigint as energy_high_uj,
    coalesce(sum(used_ns) filter (where energy_uj is null), 0)::bigint as gap_ns
  from ofa.energy_piece where account_id in (select account_id from booked) group by 1, 2, 3, 4, 5, 6, 7, 8
), cut as (
  select booked.stage || ' ' || pieced.token, nullif(booked.zone, ''), 0::bigint, 0::bigint, 0::bigint, pieced.used_ns,
    pieced.cpu_ns, pieced.energy_uj, pieced.energy_low_uj, pieced.energy_high_uj,
    coalesce(round(sum(pieced.energy_uj) over upto * booked.ug_per_uj)
      - round((sum(pieced.energy_uj) over upto - pieced.energy_uj) * booked.ug_per_uj), 0)::bigint, pieced.gap_ns,
    booked.method, booked.tier, pieced.started_at, pieced.token
  from booked join pieced using (account_id, host_id, hour, zone, method, tier)
  where booked.is_energy
  window upto as (partition by account_id, host_id, hour, zone, method, tier order by pieced.token)
), ended as materialized (
  select one.account_id, attempt.token, attempt.started_at, (attempt.ended_at at time zone 'UTC')::date as day,
    case attempt.outcome when 'completed' then 0 else 1 end::bigint as not_completed
  from (select distinct account_id, job_id, token from pieced) as one
  join ofa.attempt on attempt.job_id = one.job_id and attempt.token = one.token
    and attempt.ended_at >= (select min(started_at) from pieced)
    and attempt.ended_at < (select max(last_at) + interval '1 day' from pieced)
), counted as (
  select distinct on (ended.token) booked.stage || ' ' || ended.token, null::text, 1::bigint, ended.not_completed,
    0::bigint, 0::bigint, 0::bigint, 0::bigint, 0::bigint, 0::bigint, 0::bigint, 0::bigint, ''::text, ''::text,
    ended.started_at, ended.token
  from booked join ended using (account_id, day) where booked.method = ''
), whole as (
  select booked.stage || coalesce(' ' || booked.first_token || case when booked.attempts > 1 then '…' else '' end, ''),
    nullif(booked.zone, ''), booked.attempts, booked.not_completed, booked.gaps, booked.wall_ns, booked.cpu_ns,
    booked.energy_uj, booked.energy_low_uj, booked.energy_high_uj,
    coalesce(round(booked.energy_uj * booked.ug_per_uj), 0)::bigint, booked.gap_ns, booked.method, booked.tier,
    booked.first_started_at, booked.first_token
  from booked
  where case
    when booked.is_energy then not exists (
      select from pieced where (pieced.account_id, pieced.host_id, pieced.hour, pieced.zone, pieced.method, pieced.tier)
        = (booked.account_id, booked.host_id, booked.hour, booked.zone, booked.method, booked.tier))
    when booked.method = '' then not exists (
      select from ended where (ended.account_id, ended.day) = (booked.account_id, booked.day))
    else not exists (
      select from metered where (metered.account_id, metered.host_id, metered.day, metered.known_zone, metered.method,
          metered.known_tier)
        = (booked.account_id, booked.host_id, booked.day, booked.zone, booked.method, booked.tier)) end
)
select label, zone, attempts, not_completed, gaps, wall_ns, cpu_ns, energy_uj, energy_low_uj, energy_high_uj,
  emission_ug, gap_ns, case method when '' then '{}'::text[] else array[method] end as methods,
  case when tier = '' or method like 'gap: %' then '{}'::text[] else array[tier] end as tiers
from (select * from split union all select * from cut union all select * from counted union all select * from whole)
  as listed
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
  select traced.run_id, traced.source, account.device, cost.*,
    round(cost.energy_uj * rate.ug_per_uj)::bigint as emission_ug
  from traced join ofa.account on account.run_id = traced.run_id and account.device is not null
  join ofa.cost_row as cost on cost.account_id = account.id
  left join ofa.rate on rate.version = @version::int and rate.zone = cost.zone
    and cost.hour >= rate.valid_from and cost.hour < rate.valid_until
  where @run::bigint? is null or traced.run_id = @run::bigint? or traced.source = @run::bigint?
)
select run_id, source, device as label, nullif(zone, '') as zone, sum(attempts)::bigint as attempts,
  sum(not_completed)::bigint as not_completed, sum(gaps)::bigint as gaps,
  sum(wall_ns)::bigint as wall_ns, sum(cpu_ns)::bigint as cpu_ns, sum(energy_uj)::bigint as energy_uj,
  sum(energy_low_uj)::bigint as energy_low_uj, sum(energy_high_uj)::bigint as energy_high_uj,
  coalesce(sum(emission_ug), 0)::bigint as emission_ug, sum(gap_ns)::bigint as gap_ns,
  coalesce(array_agg(distinct method order by method) filter (where method <> ''), '{}') as methods,
  coalesce(array_agg(distinct tier order by tier) filter (where tier <> '' and method not like 'gap: %'), '{}') as tiers
from booked
group by run_id, source, label, zone
order by run_id, min(first_started_at), min(first_token), label, zone;

-- name: CostEnergyOfRuns :many
-- Returns the total energy of each of the runs `runs`.
select account.run_id, sum(cost.energy_uj)::bigint as energy_uj
from ofa.account join ofa.cost_row as cost on cost.account_id = account.id
where account.run_id = any (@runs::bigint[]) group by account.run_id;

-- name: KindDurations :many
-- Returns the mean duration of an attempt, in seconds, by kind of job, over the newest 2,000 rows of ofa.account.
select recent.kind, sum(spent.wall_ns)::float8 / sum(spent.attempts) / 1e9 as seconds
from (select id, kind from ofa.account order by id desc limit 2000) as recent
join ofa.spent on spent.account_id = recent.id
group by recent.kind;

-- name: EnergyAdd :one
-- Appends what a process metered on its machine, and allocates what can be allocated; returns whether the process is the
-- machine's meter, the end of its last interval in microseconds since 1970, how many uses came too late, and the machine's
-- other processes.
select meters, metered_until_us, late, others::text[] as others, pids
from ofa_api_1.add_energy(@process::uuid, @identity::text, @name::text, @pid::text, @dead::text[]::uuid[],
  @until_us::bigint, @ends::boolean, @tokens::bigint[], @jobs::bigint[], @from_us::bigint[], @untils_us::bigint[],
  @reserved::bigint[], @cpus::bigint[], @zone::text, @method::text, @tier::text, @started_us::bigint[],
  @ended_us::bigint[], @capacities::bigint[], @busy::bigint[], @others::bigint[], @idles::bigint?[],
  @idles_low::bigint?[], @idles_high::bigint?[], @loads::bigint?[], @loads_low::bigint?[], @loads_high::bigint?[]);

-- name: EnergyAllocate :one
-- Allocates the energy of machines whose processes have all ended or fallen silent; returns how many intervals.
select ofa_api_1.allocate_energy() as intervals;

-- name: DatabaseKey :one
-- Returns a text that is the same in all sessions of this database, and different in another database.
select extract(epoch from created_at)::text as key from ofa.factor_set order by version limit 1;
