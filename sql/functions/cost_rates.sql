-- Returns what a row of the ledgers of the days from `p_since` until before `p_until` (UTC) is multiplied by, for each machine,
-- zone and hour: of attempts, whose hour begins the day, and of energy. Days from `p_open` on are not in ofa.cost_day yet.
-- Amounts are per microjoule of the IT, or per nanosecond: micrograms of CO2e, microlitres, millionths of the currency; bounds
-- as ofa.priced_lines has them. `is_stand_in`: a value of the year stands for an hour that its series does not have.
create or replace function ofa.cost_rates(p_open date, p_since date, p_until date, p_version int, p_type text, p_signal text)
returns table (host_id int, zone text, hour timestamptz, is_energy boolean, pue numeric, ug_per_uj numeric, pue_low float8,
  pue_high float8, intensity_low float8, intensity_high float8, is_stand_in boolean, ul_per_uj numeric, water_low float8,
  water_high float8, currency text, has_price boolean, has_kwh_price boolean, kwh_price float8, money_per_uj numeric,
  money_low numeric, money_high numeric, money_per_reserved_ns numeric, money_per_share_ns numeric, ug_per_ns numeric,
  embodied_low float8, embodied_high float8)
language plpgsql stable set enable_mergejoin = off set enable_sort = off set random_page_cost = 1.1 set work_mem = '64MB' as $$
#variable_conflict use_column
begin
  return query
  with place as materialized (
    select host_id, zone, hour, is_energy from ofa.cost_day
    where grain = 'stage' and (p_since is null or day >= p_since) and day < p_until
    union
    select host_id, zone, hour, is_energy from ofa.cost_since(p_open, p_until)
  )
  select place.host_id, place.zone, place.hour, place.is_energy,
    used.pue::numeric as pue, (used.pue * used.intensity / 3600000)::numeric as ug_per_uj,
    used.pue_low * used.intensity / 3600 as pue_low, used.pue_high * used.intensity / 3600 as pue_high,
    used.pue * coalesce(series.amount_low, period.intensity_low) / 3600 as intensity_low,
    used.pue * coalesce(series.amount_high, period.intensity_high) / 3600 as intensity_high,
    coalesce(period.has_series and series.amount is null and period.intensity is not null, false) as is_stand_in,
    (used.wue / 3600000)::numeric as ul_per_uj, coalesce(host.wue, period.wue_low) / 3600000 as water_low,
    coalesce(host.wue, period.wue_high) / 3600000 as water_high, used.currency,
    used.has_price, used.kwh_price * used.pue is not null as has_kwh_price, used.kwh_price,
    (used.kwh_price * used.pue / 3600000)::numeric as money_per_uj,
    (used.kwh_price * used.pue_low / 3600000)::numeric as money_low,
    (used.kwh_price * used.pue_high / 3600000)::numeric as money_high,
    (host.cpu_hour_price / 3600000)::numeric as money_per_reserved_ns,
    (host.machine_hour_price / 3600000)::numeric as money_per_share_ns, (host.embodied / 3600000)::numeric as ug_per_ns,
    host.embodied_low / 3600000 as embodied_low, host.embodied_high / 3600000 as embodied_high
  from place
  left join ofa.factor_periods(p_version, p_type, p_signal) as period on period.zone = place.zone
    and place.hour >= period.valid_from and place.hour < period.valid_until
  left join ofa.factor as series on place.is_energy and series.version = p_version and series.hourly
    and series.kind = 'intensity' and series.zone = place.zone and series.type = p_type and series.signal = p_signal
    and series.valid_from = place.hour
  left join ofa.factor as price on place.is_energy and price.version = p_version and price.hourly and price.kind = 'price'
    and price.zone = place.zone and price.type = 'none' and price.signal = 'none' and price.valid_from = place.hour
  left join ofa.host_spans() as host on host.host_id = place.host_id and place.hour >= host.holds_from
    and place.hour < host.holds_until
  -- As in ofa.priced_lines.
  cross join lateral (select
    coalesce(host.pue, period.pue) as pue, coalesce(host.pue_low, period.pue_low) as pue_low,
    coalesce(host.pue_high, period.pue_high) as pue_high, coalesce(series.amount, period.intensity) as intensity,
    coalesce(host.wue, period.wue) as wue,
    period.currency is not null or price.unit is not null or host.currency is not null as has_price,
    coalesce(host.currency, left(price.unit, 3), period.currency) as currency,
    case when host.cpu_hour_price is not null then 0 when host.kwh_price is not null then host.kwh_price
      when host.currency is null or host.currency = coalesce(left(price.unit, 3), period.currency)
      then coalesce(price.amount, period.kwh_price) end as kwh_price) as used;
end
$$;
