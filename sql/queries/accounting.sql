-- Statements of FactorSet and CostLedger.

-- name: FactorSetNewest :many
-- Returns the newest factor set.
select version, note, created_at from ofa.factor_set order by version desc limit 1;

-- name: FactorSetGet :many
-- Returns one factor set.
select version, note, created_at from ofa.factor_set where version = @version::int;

-- name: FactorList :many
-- Returns the factors of a set: of each kind, zone, type and signal the one whose period is now, else the latest; and of each
-- series by the hour its last hour.
with recursive series as (
  (select kind, zone, type, signal from ofa.factor where version = @version::int and hourly
    order by kind, zone, type, signal limit 1)
  union all
  -- The next series, by the primary key: there may be a million hours.
  select next.* from series cross join lateral (
    select factor.kind, factor.zone, factor.type, factor.signal from ofa.factor
    where version = @version::int and hourly and (factor.kind, factor.zone, factor.type, factor.signal)
      > (series.kind, series.zone, series.type, series.signal)
    order by factor.kind, factor.zone, factor.type, factor.signal limit 1) as next
), listed as (
  (select distinct on (kind, zone, type, signal) * from ofa.factor where version = @version::int and not hourly
    order by kind, zone, type, signal, ofa.now() >= valid_from and ofa.now() < valid_until desc, valid_from desc)
  union all
  select last.* from series cross join lateral (
    select * from ofa.factor where version = @version::int and hourly
      and (factor.kind, factor.zone, factor.type, factor.signal)
        = (series.kind, series.zone, series.type, series.signal)
    order by valid_from desc limit 1) as last
)
select kind, zone, value::double precision as value, low::double precision as low,
  high::double precision as high, unit, type, signal, source, licence, vintage, hourly
from listed order by kind, zone, hourly, type, signal;

-- name: FactorSetAdd :one
-- Adds an empty factor set and returns its version.
select ofa_api_1.add_factor_set(@note::text) as version;

-- name: FactorAdd :one
-- Adds factors to the set that this transaction added; returns the place (from 1) of the first whose period overlaps that of
-- another, or 0.
select ofa_api_1.add_factors(@version::int, @kinds::text[], @zones::text[], @from_us::bigint?[], @until_us::bigint?[],
  @values::text[], @lows::text?[], @highs::text?[], @units::text[], @types::text[], @signals::text[], @sources::text[],
  @licences::text[], @vintages::text[]) as refused;

-- name: FactorTake :one
-- Adds the factors of an older set for the periods of which this transaction's set has none; returns how many.
select ofa_api_1.take_factors(@version::int, @base::int) as taken;

-- name: FactorSetList :many
-- Lists the factor sets, newest first, with the numbers of their factors and zones; default is no zone, but what others have.
select factor_set.version, note, created_at, count(factor.version) filter (where not hourly) as periods,
  count(factor.version) filter (where hourly) as hours,
  coalesce(array_agg(distinct kind order by kind) filter (where kind is not null), '{}') as kinds,
  coalesce(array_agg(distinct type || ' ' || signal) filter (where kind = 'intensity'), '{}') as intensities,
  count(distinct factor.zone) filter (where factor.zone <> 'default') as zones
from ofa.factor_set left join ofa.factor on factor.version = factor_set.version
group by factor_set.version order by factor_set.version desc;

-- name: FactorPeriods :many
-- Returns the factors of a set that are no hours of a series, at most `most`; an unbounded end is NULL.
select kind, zone, nullif(valid_from, '-infinity') as valid_from, nullif(valid_until, 'infinity') as valid_until,
  value::double precision as value, low::double precision as low, high::double precision as high, unit, type, signal,
  source, licence, vintage, hourly
from ofa.factor where version = @version::int and not hourly and (@zone::text? is null or zone = @zone::text?)
order by kind, zone, type, signal, factor.valid_from limit @most::int;

-- name: FactorSeries :many
-- Returns the series by the hour of a set: hours, first and last, the bounds and the mean of the values, and how many hours
-- between are missing, in how many gaps, the first of them first.
with hour as (
  select kind, zone, type, signal, valid_from, valid_until, value, unit, source, licence, vintage,
    lead(valid_from) over (partition by kind, zone, type, signal order by valid_from) as next
  from ofa.factor where version = @version::int and hourly and (@zone::text? is null or zone = @zone::text?)
)
select kind, zone, type, signal, count(*) as hours, min(valid_from) as valid_from, max(valid_until) as valid_until,
  min(value)::double precision as least, avg(value)::double precision as mean, max(value)::double precision as most,
  min(unit) as unit, min(source) as source, min(licence) as licence, min(vintage) as vintage,
  count(*) filter (where next > valid_until) as gaps,
  coalesce(round(sum(extract(epoch from next - valid_until)) filter (where next > valid_until) / 3600), 0)::bigint
    as missing,
  (array_agg(valid_until order by valid_from) filter (where next > valid_until))[1] as gap_from,
  (array_agg(next order by valid_from) filter (where next > valid_until))[1] as gap_until
from hour group by kind, zone, type, signal order by kind, zone, type, signal;

-- name: CostBy :many
-- Sums the ledgers for each stage, kind, device, host, day, zone, pipeline or run (`by` says which) in each zone and currency,
-- ordered by first start, with the factors of the set `version`, of intensities those of `type` and `signal`. If `run` is
-- NULL, sums over all runs: by run those before `first` are one row, and by attempt there are only these. Days from `since` to
-- `until`, both included (UTC); NULL is no limit. Each amount is the difference of two rounded sums, so that their total is
-- that of all rows, rounded once, whatever they are summed by; of one run, the rows that are read are rounded already.
with summed as (
  select case when @by::text = 'host' then host.name || case
      when (select count(*) from ofa.host as other where other.name = host.name) > 1 then ' #' || host.id else '' end
    else key end as label, nullif(zone, '') as zone, currency, sum(attempts)::bigint as attempts,
    sum(not_completed)::bigint as not_completed, sum(gaps)::bigint as gaps, sum(wall_ns)::bigint as wall_ns,
    sum(cpu_ns)::bigint as cpu_ns, sum(gap_ns)::bigint as gap_ns, sum(energy_uj)::bigint as energy_uj,
    sum(energy_low_uj)::bigint as energy_low_uj, sum(energy_high_uj)::bigint as energy_high_uj,
    round(sum(building_uj)) as building_uj, coalesce(sum(emission_ug), 0) as emission_ug, round(sum(emission)) as emission,
    round(sum(pue_low)) as pue_low, round(sum(pue_high)) as pue_high, round(sum(intensity_low)) as intensity_low,
    round(sum(intensity_high)) as intensity_high, sum(carbon_missing_uj)::bigint as carbon_missing_uj,
    sum(stand_in_uj)::bigint as stand_in_uj, sum(water_ul) as water_ul, round(sum(water_low)) as water_low,
    round(sum(water_high)) as water_high, sum(water_missing_uj)::bigint as water_missing_uj, sum(money_u) as money_u,
    round(sum(money_low)) as money_low, round(sum(money_high)) as money_high,
    sum(money_missing_ns)::bigint as money_missing_ns, sum(embodied_ug) as embodied_ug,
    round(sum(embodied_low)) as embodied_low, round(sum(embodied_high)) as embodied_high,
    sum(embodied_missing_ns)::bigint as embodied_missing_ns,
    coalesce(array_agg(distinct method order by method) filter (where method <> ''), '{}') as methods,
    coalesce(array_agg(distinct tier order by tier) filter (where tier <> '' and method not like 'gap: %'), '{}') as tiers,
    min(first_started_at) as first_started_at, min(first_token) as first_token
  from (
    select * from ofa.cost_sums(@by::text, array[@run::bigint?], (@since::timestamptz? at time zone 'UTC')::date,
      (@until::timestamptz? at time zone 'UTC')::date + 1, @version::int, @type::text, @signal::text)
    where @run::bigint? is not null
    union all
    select * from ofa.cost_totals(@by::text, @first::bigint?, (@since::timestamptz? at time zone 'UTC')::date,
      (@until::timestamptz? at time zone 'UTC')::date + 1, @version::int, @type::text, @signal::text)
    where @run::bigint? is null) as found
  left join ofa.host on @by::text = 'host' and host.id::text = key
  group by 1, 2, 3
)
select label, zone, currency, attempts, not_completed, gaps, wall_ns, cpu_ns, gap_ns, energy_uj, energy_low_uj,
  energy_high_uj, building_uj,
  (round(sum(emission_ug) over upto) - round(sum(emission_ug) over upto - emission_ug))::bigint as emission_ug, emission,
  pue_low, pue_high, intensity_low, intensity_high, carbon_missing_uj, stand_in_uj,
  (round(sum(water_ul) over upto) - round(sum(water_ul) over upto - water_ul))::bigint as water_ul, water_low, water_high,
  water_missing_uj,
  (round(sum(money_u) over upto_of_currency) - round(sum(money_u) over upto_of_currency - money_u))::bigint as money_u,
  money_low, money_high, money_missing_ns,
  (round(sum(embodied_ug) over upto) - round(sum(embodied_ug) over upto - embodied_ug))::bigint as embodied_ug, embodied_low,
  embodied_high, embodied_missing_ns, methods, tiers
from summed window
  upto as (order by first_started_at, first_token, label, zone, currency rows unbounded preceding),
  upto_of_currency as (partition by currency order by first_started_at, first_token, label, zone
    rows unbounded preceding)
order by first_started_at, first_token, label, zone, currency;

-- name: CostByAttempt :many
-- Lists costs per attempt: each row of the ledger of attempts is divided among its meter rows, each row of the ledger of
-- energy among its pieces. A row is not divided if its attempts were not metered, or their meter rows or pieces were
-- dropped. The amounts of the parts add up to those of the row. The time of an attempt whose energy is in pieces is that of
-- its pieces. If `run` is NULL, of all runs from `first` on. Other arguments and the columns are those of CostBy.
with booked as materialized (
  select * from ofa.priced_lines(case when @run::bigint? is null
      then array(select distinct account.run_id from ofa.account where account.run_id >= @first::bigint)
      else array[@run::bigint?] end,
    (@since::timestamptz? at time zone 'UTC')::date, (@until::timestamptz? at time zone 'UTC')::date + 1, @version::int,
    @type::text, @signal::text)
), concerned as materialized (
  select distinct account_id from booked
), part as materialized (
  select account_id, host_id, false as is_energy, (ended_at at time zone 'UTC')::date::timestamp at time zone 'UTC' as hour,
    coalesce(zone, '') as zone, method, case when energy_uj is null then '' else tier end as tier, job_id, token,
    started_at, started_at as last_at, 1::bigint as attempts,
    case outcome when 'completed' then 0 else 1 end::bigint as not_completed,
    case when energy_uj is null then 1 else 0 end::bigint as gaps, wall_ns, 0::bigint as gap_ns,
    coalesce(cpu_ns, 0) as cpu_ns, coalesce(energy_uj, 0) as energy_uj, coalesce(energy_low_uj, 0) as energy_low_uj,
    coalesce(energy_high_uj, 0) as energy_high_uj, null::bigint as reserved_ns, null::bigint as share_ns
  from ofa.meter where account_id in (select account_id from concerned)
  union all
  select account_id, host_id, true, date_trunc('hour', started_at at time zone 'UTC') at time zone 'UTC', zone, method, tier,
    job_id, token, min(started_at), max(started_at), 0, 0, 0, sum(used_ns)::bigint,
    coalesce(sum(used_ns) filter (where energy_uj is null), 0)::bigint, sum(cpu_ns)::bigint,
    coalesce(sum(energy_uj), 0)::bigint, coalesce(sum(energy_low_uj), 0)::bigint, coalesce(sum(energy_high_uj), 0)::bigint,
    sum(reserved_ns)::bigint, sum(share_ns)::bigint
  from ofa.energy_piece where account_id in (select account_id from concerned) group by 1, 2, 3, 4, 5, 6, 7, 8, 9
), weighed as (
  -- Each part with its row, and the sums of the row's parts up to it: of energy, of money by time, of embodied carbon.
  select booked.stage, booked.currency, booked.emission_ug, booked.water_ul, booked.money_u, booked.embodied_ug,
    booked.ug_per_uj, booked.ul_per_uj, booked.money_per_uj, booked.money_missing_ns, booked.stand_in_uj,
    part.energy_uj / nullif(booked.energy_uj, 0)::float8 as portion, booked.building_uj, booked.pue_low, booked.pue_high,
    booked.intensity_low, booked.intensity_high, booked.water_low, booked.water_high, booked.money_low, booked.money_high,
    booked.embodied_low, booked.embodied_high, part.*, cost.time_u, cost.made_ug,
    (sum(part.energy_uj) over upto)::float8 as upto_uj, sum(cost.time_u) over upto as upto_time_u,
    sum(cost.made_ug) over upto as upto_made_ug
  from booked join part on (part.account_id, part.host_id, part.is_energy, part.hour, part.zone, part.method, part.tier)
    = (booked.account_id, booked.host_id, booked.is_energy, booked.hour, booked.zone, booked.method, booked.tier)
  cross join lateral (select coalesce(part.reserved_ns * booked.money_per_reserved_ns,
      part.share_ns * booked.money_per_share_ns, 0) as time_u, part.share_ns * booked.embodied_per_ns as made_ug) as cost
  window upto as (partition by booked.account_id, booked.host_id, booked.is_energy, booked.hour, booked.zone, booked.method,
    booked.tier order by part.token)
), split as (
  select stage || ' ' || token as label, nullif(zone, '') as zone, currency, attempts, not_completed, gaps, wall_ns, gap_ns,
    cpu_ns, energy_uj, energy_low_uj, energy_high_uj, building_uj * portion as building_uj,
    (round(upto_uj * ug_per_uj) - round((upto_uj - energy_uj) * ug_per_uj))::bigint as emission_ug,
    1000 * energy_uj * ug_per_uj as emission, pue_low * portion as pue_low, pue_high * portion as pue_high,
    intensity_low * portion as intensity_low, intensity_high * portion as intensity_high,
    case when emission_ug is null then energy_uj else 0 end as carbon_missing_uj,
    case when stand_in_uj > 0 then energy_uj else 0 end as stand_in_uj,
    (round(upto_uj * ul_per_uj) - round((upto_uj - energy_uj) * ul_per_uj))::bigint as water_ul,
    water_low * portion as water_low, water_high * portion as water_high,
    case when water_ul is null then energy_uj else 0 end as water_missing_uj,
    case when money_u is not null then (round(upto_time_u + upto_uj * money_per_uj)
      - round(upto_time_u - time_u + (upto_uj - energy_uj) * money_per_uj))::bigint end as money_u,
    money_low * ((time_u + energy_uj * money_per_uj) / nullif(money_u, 0)) as money_low,
    money_high * ((time_u + energy_uj * money_per_uj) / nullif(money_u, 0)) as money_high,
    case when money_u is null then wall_ns when money_missing_ns > 0 then gap_ns else 0 end as money_missing_ns,
    case when embodied_ug is not null then (round(upto_made_ug) - round(upto_made_ug - made_ug))::bigint end as embodied_ug,
    embodied_low * made_ug / nullif(embodied_ug, 0) as embodied_low,
    embodied_high * made_ug / nullif(embodied_ug, 0) as embodied_high,
    case when embodied_ug is null then wall_ns else 0 end as embodied_missing_ns, method, tier, started_at, token
  from weighed
), ended as materialized (
  select one.account_id, attempt.token, attempt.started_at, (attempt.ended_at at time zone 'UTC')::date as day,
    case attempt.outcome when 'completed' then 0 else 1 end::bigint as not_completed
  from (select distinct account_id, job_id, token from part where is_energy) as one
  join ofa.attempt on attempt.job_id = one.job_id and attempt.token = one.token
    and attempt.ended_at >= (select min(started_at) from part where is_energy)
    and attempt.ended_at < (select max(last_at) + interval '1 day' from part where is_energy)
), counted as (
  select distinct on (ended.token) booked.stage || ' ' || ended.token, null::text, null::text, 1::bigint,
    ended.not_completed, 0::bigint, 0::bigint, 0::bigint, 0::bigint, 0::bigint, 0::bigint, 0::bigint, 0::float8, 0::bigint,
    0::float8, 0::float8, 0::float8, 0::float8, 0::float8, 0::bigint, 0::bigint, null::bigint, 0::float8, 0::float8, 0::bigint,
    null::bigint, 0::float8, 0::float8, 0::bigint, null::bigint, 0::float8, 0::float8, 0::bigint, ''::text, ''::text,
    ended.started_at, ended.token
  from booked join ended using (account_id, day) where booked.method = ''
), whole as (
  select booked.stage || coalesce(' ' || booked.first_token || case when booked.attempts > 1 then '…' else '' end, ''),
    nullif(booked.zone, ''), booked.currency, booked.attempts, booked.not_completed, booked.gaps, booked.wall_ns,
    booked.gap_ns, booked.cpu_ns, booked.energy_uj, booked.energy_low_uj, booked.energy_high_uj, booked.building_uj,
    booked.emission_ug, booked.emission_ng, booked.pue_low, booked.pue_high, booked.intensity_low,
    booked.intensity_high, booked.carbon_missing_uj, booked.stand_in_uj, booked.water_ul, booked.water_low,
    booked.water_high, booked.water_missing_uj, booked.money_u, booked.money_low, booked.money_high,
    booked.money_missing_ns, booked.embodied_ug, booked.embodied_low, booked.embodied_high, booked.embodied_missing_ns,
    booked.method, booked.tier, booked.first_started_at, booked.first_token
  from booked
  where case
    when booked.method = '' then not exists (
      select from ended where (ended.account_id, ended.day) = (booked.account_id, booked.day))
    else not exists (
      select from part where (part.account_id, part.host_id, part.is_energy, part.hour, part.zone, part.method, part.tier)
        = (booked.account_id, booked.host_id, booked.is_energy, booked.hour, booked.zone, booked.method, booked.tier)) end
)
select label, zone, currency, attempts, not_completed, gaps, wall_ns, gap_ns, cpu_ns, energy_uj, energy_low_uj,
  energy_high_uj, building_uj, coalesce(emission_ug, 0) as emission_ug, emission, pue_low, pue_high, intensity_low,
  intensity_high, carbon_missing_uj, stand_in_uj, water_ul, water_low, water_high, water_missing_uj, money_u, money_low,
  money_high, money_missing_ns, embodied_ug, embodied_low, embodied_high, embodied_missing_ns,
  case method when '' then '{}'::text[] else array[method] end as methods,
  case when tier = '' or method like 'gap: %' then '{}'::text[] else array[tier] end as tiers, started_at
from (select * from split union all select * from counted union all select * from whole) as listed
order by started_at, token, label;

-- name: CostRuns :many
-- Returns the names of runs and the times at which they ended, or now.
select id, name, coalesce(ended_at, ofa.now()) as ended_at from ofa.run where id = any (@runs::bigint[]);

-- name: CostAttempts :many
-- Returns the metered attempts of `run`, or of all runs from `first` on: the run, the name of its pipeline, and when the
-- attempt ended; NULL if it runs, or its end is forgotten.
with of_runs as materialized (
  select id, run_id, pipeline from ofa.account
  where case when @run::bigint? is null then run_id >= @first::bigint else run_id = @run::bigint? end
), metered as (
  select token, job_id, account_id, min(started_at) as started_at, null::timestamptz as ended_at from ofa.energy_piece
  where account_id in (select id from of_runs) group by token, job_id, account_id
  union all
  select token, job_id, account_id, started_at, ended_at from ofa.meter where account_id in (select id from of_runs)
)
select metered.token, of_runs.run_id, of_runs.pipeline as name, coalesce(metered.ended_at, attempt.ended_at) as ended_at
from metered join of_runs on of_runs.id = metered.account_id
left join lateral (
  select ended_at from ofa.attempt where attempt.job_id = metered.job_id and attempt.token = metered.token
    and attempt.ended_at >= metered.started_at - interval '1 day' limit 1) as attempt on true;

-- name: CostLines :many
-- Lists the rows of the ledgers with what their figures are computed with, in the order of time, at most `most`. Other
-- arguments are those of CostBy.
select line.run_id, stage, kind, nullif(device, '') as device, host.name as host, hour, is_energy, nullif(zone, '') as zone,
  method, nullif(tier, '') as tier, wall_ns, cpu_ns, energy_uj, building_uj / nullif(energy_uj, 0) as pue,
  3600000 * ug_per_uj / nullif(building_uj / nullif(energy_uj, 0), 0) as intensity, stand_in_uj > 0 as is_stand_in,
  emission_ug, water_ul, money_u, currency, embodied_ug
from ofa.priced_lines(case when @run::bigint? is not null then array[@run::bigint?]
    else array(select distinct account.run_id from ofa.account) end,
  (@since::timestamptz? at time zone 'UTC')::date, (@until::timestamptz? at time zone 'UTC')::date + 1, @version::int,
  @type::text, @signal::text) as line
join ofa.host on host.id = line.host_id
where energy_uj > 0 or wall_ns > 0 or gaps > 0
order by hour, line.run_id, stage, kind, device, host, zone, method limit @most::int;

-- name: CostFirstRun :many
-- Returns the first of the newest `newest` runs with costs, if there are earlier ones.
select first.run_id from (select distinct run_id from ofa.account order by run_id desc limit 1 offset @newest::int - 1)
  as first where exists (select from ofa.account where account.run_id < first.run_id);

-- name: CostTargets :one
-- Counts the device targets that attempts of a run served (NULL: of any run), in the days from `since` to `until`, both
-- included. Of all runs, days that are over are read as ofa.cost_day has them.
with period as (
  select coalesce((@since::timestamptz? at time zone 'UTC')::date, '-infinity') as day,
    coalesce((@until::timestamptz? at time zone 'UTC')::date, 'infinity') as last,
    coalesce((select max(day) + 1 from ofa.cost_day where grain = 'device'), '-infinity') as open
), target as (
  select distinct device from ofa.account
  where device is not null and (@run::bigint? is null or run_id = @run::bigint?)
    and ((@since::timestamptz? is null and @until::timestamptz? is null) or (@run::bigint? is not null and exists (
      select from ofa.cost_row, period
      where cost_row.account_id = account.id and cost_row.day between period.day and period.last)))
  union
  select cost_day.device from ofa.cost_day, period
  where @run::bigint? is null and cost_day.grain = 'device' and cost_day.day between period.day and period.last
  union
  select line.device from period
  cross join lateral ofa.cost_since(greatest(period.open, period.day), case when isfinite(period.last) then period.last + 1
    else 'infinity' end) as line
  where @run::bigint? is null and (@since::timestamptz? is not null or @until::timestamptz? is not null)
)
select count(*) as targets from target where device <> '';

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
  select traced.run_id, traced.source, line.*
  from ofa.priced_lines((select coalesce(array_agg(run_id), '{}') from traced
      where @run::bigint? is null or run_id = @run::bigint? or source = @run::bigint?), null, null, @version::int,
    @type::text, @signal::text) as line (of_run)
  join traced on traced.run_id = line.of_run where line.device <> ''
)
select run_id, source, device as label, nullif(zone, '') as zone, currency, sum(attempts)::bigint as attempts,
  sum(not_completed)::bigint as not_completed, sum(gaps)::bigint as gaps, sum(wall_ns)::bigint as wall_ns,
  sum(cpu_ns)::bigint as cpu_ns, sum(gap_ns)::bigint as gap_ns, sum(energy_uj)::bigint as energy_uj,
  sum(energy_low_uj)::bigint as energy_low_uj, sum(energy_high_uj)::bigint as energy_high_uj,
  round(sum(building_uj)) as building_uj, coalesce(sum(emission_ug), 0)::bigint as emission_ug,
  round(sum(emission_ng)) as emission, round(sum(pue_low)) as pue_low, round(sum(pue_high)) as pue_high,
  round(sum(intensity_low)) as intensity_low, round(sum(intensity_high)) as intensity_high,
  sum(carbon_missing_uj)::bigint as carbon_missing_uj, sum(stand_in_uj)::bigint as stand_in_uj,
  sum(water_ul)::bigint as water_ul, round(sum(water_low)) as water_low, round(sum(water_high)) as water_high,
  sum(water_missing_uj)::bigint as water_missing_uj, sum(money_u)::bigint as money_u, round(sum(money_low)) as money_low,
  round(sum(money_high)) as money_high, sum(money_missing_ns)::bigint as money_missing_ns,
  sum(embodied_ug)::bigint as embodied_ug, round(sum(embodied_low)) as embodied_low, round(sum(embodied_high)) as embodied_high,
  sum(embodied_missing_ns)::bigint as embodied_missing_ns,
  coalesce(array_agg(distinct method order by method) filter (where method <> ''), '{}') as methods,
  coalesce(array_agg(distinct tier order by tier) filter (where tier <> '' and method not like 'gap: %'), '{}') as tiers
from booked
group by run_id, source, label, zone, currency
order by run_id, min(first_started_at), min(first_token), label, zone, currency;

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
