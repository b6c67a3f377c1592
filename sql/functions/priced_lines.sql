-- Returns the ledgers of the runs `p_runs` (ofa.cost_lines) in the days from `p_since` until before `p_until`
-- (UTC), each row with its carbon, water, money and embodied carbon, computed with what is stated of the machine
-- (ofa.host_spans), else with the factors of the zone: those of the hour, else of a longer period (ofa.factor_periods); days
-- have the latter only. Amounts are whole millionths (of a gram, a litre, a unit of `currency`), rounded in each row, so
-- that sums by any group have the same total; `…_per_…` are their rates. NULL is unknown; then the energy (`…_missing_uj`) or
-- time (`…_missing_ns`) without it is stated. `…_low` and `…_high` are the amounts at the bounds of that factor, for money of
-- energy and PUE; those of carbon, like `emission_ng`, are in nanograms. `stand_in_uj` is the energy of hours that the series
-- of their zone lacks. Its caller's plan includes it.
create or replace function ofa.priced_lines(p_runs bigint[], p_since date, p_until date, p_version int, p_type text,
  p_signal text) returns table (run_id bigint, account_id bigint, pipeline text, stage text, kind text, device text,
  host_id int, is_energy boolean, day date, hour timestamptz, zone text, method text, tier text, attempts bigint,
  not_completed bigint, gaps bigint, wall_ns bigint, gap_ns bigint, cpu_ns bigint, energy_uj bigint, energy_low_uj bigint,
  energy_high_uj bigint, first_started_at timestamptz, first_token bigint, building_uj float8, ug_per_uj float8,
  emission_ug bigint, emission_ng float8, pue_low float8, pue_high float8, intensity_low float8, intensity_high float8,
  carbon_missing_uj bigint, stand_in_uj bigint, ul_per_uj float8, water_ul bigint, water_low float8, water_high float8,
  water_missing_uj bigint, currency text, money_per_uj float8, money_per_reserved_ns float8, money_per_share_ns float8,
  money_u bigint, money_low float8, money_high float8, money_missing_ns bigint, embodied_per_ns float8, embodied_ug bigint,
  embodied_low float8, embodied_high float8, embodied_missing_ns bigint) language sql stable as $$
  select line.run_id, line.account_id, line.pipeline, line.stage, line.kind, line.device, line.host_id, line.is_energy,
    line.day, line.hour, line.zone, line.method, line.tier, line.attempts, line.not_completed, line.gaps, line.wall_ns,
    line.gap_ns, line.cpu_ns, line.energy_uj, line.energy_low_uj, line.energy_high_uj, line.first_started_at,
    line.first_token, line.energy_uj * used.pue, used.ug_per_uj,
    round(line.energy_uj * used.ug_per_uj)::bigint, line.energy_uj * (used.pue * used.intensity / 3600),
    line.energy_uj * (used.pue_low * used.intensity / 3600), line.energy_uj * (used.pue_high * used.intensity / 3600),
    line.energy_uj * (used.pue * coalesce(series.amount_low, period.intensity_low) / 3600),
    line.energy_uj * (used.pue * coalesce(series.amount_high, period.intensity_high) / 3600),
    case when used.intensity is null or used.pue is null then line.energy_uj else 0 end,
    case when period.has_series and series.amount is null and period.intensity is not null then line.energy_uj else 0 end,
    used.wue / 3600000, round(line.energy_uj * (used.wue / 3600000))::bigint,
    line.energy_uj * (coalesce(host.wue, period.wue_low) / 3600000),
    line.energy_uj * (coalesce(host.wue, period.wue_high) / 3600000),
    case when used.wue is null then line.energy_uj else 0 end,
    case when used.has_price and cost.time_u + used.kwh_price is not null then used.currency end,
    case when used.has_price then used.kwh_price * used.pue / 3600000 end, host.cpu_hour_price / 3600000,
    host.machine_hour_price / 3600000,
    case when used.has_price
      then round(cost.time_u + line.energy_uj * (used.kwh_price * used.pue / 3600000))::bigint end,
    case when used.has_price then cost.time_u + line.energy_low_uj * (used.kwh_price * used.pue_low / 3600000) end,
    case when used.has_price then cost.time_u + line.energy_high_uj * (used.kwh_price * used.pue_high / 3600000) end,
    case when not used.has_price or cost.time_u + used.kwh_price * used.pue is null then line.wall_ns
      when host.cpu_hour_price is null then line.gap_ns else 0 end,
    host.embodied / 3600000, round(line.share_ns * (host.embodied / 3600000))::bigint,
    line.share_ns * (host.embodied_low / 3600000), line.share_ns * (host.embodied_high / 3600000),
    case when host.embodied is null or line.share_ns is null then line.wall_ns else 0 end
  from ofa.cost_lines(p_runs) as line
  left join ofa.factor_periods(p_version, p_type, p_signal) as period on period.zone = line.zone
    and line.hour >= period.valid_from and line.hour < period.valid_until
  left join ofa.factor as series on line.is_energy and series.version = p_version and series.hourly
    and series.kind = 'intensity' and series.zone = line.zone and series.type = p_type and series.signal = p_signal
    and series.valid_from = line.hour
  left join ofa.factor as price on line.is_energy and price.version = p_version and price.hourly and price.kind = 'price'
    and price.zone = line.zone and price.type = 'none' and price.signal = 'none' and price.valid_from = line.hour
  left join ofa.host_spans() as host on host.host_id = line.host_id and line.hour >= host.holds_from
    and line.hour < host.holds_until
  -- A rented machine costs by the hour of a processor. One that is owned costs by the kWh, at its own price or that of its
  -- zone in the same currency, and what it loses in value by the hour.
  cross join lateral (select
    coalesce(host.pue, period.pue) as pue, coalesce(host.pue_low, period.pue_low) as pue_low,
    coalesce(host.pue_high, period.pue_high) as pue_high, coalesce(series.amount, period.intensity) as intensity,
    coalesce(host.pue, period.pue) * coalesce(series.amount, period.intensity) / 3600000 as ug_per_uj,
    coalesce(host.wue, period.wue) as wue,
    -- Most sets have no prices, and most machines none either: then nothing is computed of them, row by row.
    period.currency is not null or price.unit is not null or host.currency is not null as has_price,
    coalesce(host.currency, left(price.unit, 3), period.currency) as currency,
    case when host.cpu_hour_price is not null then 0 when host.kwh_price is not null then host.kwh_price
      when host.currency is null or host.currency = coalesce(left(price.unit, 3), period.currency)
      then coalesce(price.amount, period.kwh_price) end as kwh_price) as used
  cross join lateral (select case
    when host.cpu_hour_price is not null then line.reserved_ns * (host.cpu_hour_price / 3600000)
    when host.machine_hour_price is not null then line.share_ns * (host.machine_hour_price / 3600000)
    else 0 end as time_u) as cost
  where (p_since is null or line.day >= p_since) and (p_until is null or line.day < p_until)
$$;
