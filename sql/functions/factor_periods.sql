-- Returns the factors of the set `p_version` that are no hours of a series, for each of its zones in periods in which none
-- changes: those of the zone, else of the zone 'default'; intensities of `p_type` and `p_signal`. `has_series` says whether
-- the zone has a series of these. NULL is unknown. The setting keeps it a plan of its own.
create or replace function ofa.factor_periods(p_version int, p_type text, p_signal text) returns table (zone text,
  valid_from timestamptz, valid_until timestamptz, pue float8, pue_low float8, pue_high float8, wue float8, wue_low float8,
  wue_high float8, intensity float8, intensity_low float8, intensity_high float8, has_series boolean, kwh_price float8,
  currency text) language sql stable rows 20 set jit = off as $$
  with recursive series as (
    (select factor.zone from ofa.factor where version = p_version and hourly and kind = 'intensity' order by 1 limit 1)
    union all
    -- The next zone with a series: there may be a million hours.
    select next.zone from series cross join lateral (
      select factor.zone from ofa.factor where version = p_version and hourly and kind = 'intensity'
        and factor.zone > series.zone order by 1 limit 1) as next
  ), period as materialized (
    select factor.* from ofa.factor where version = p_version and not hourly
      and (kind <> 'intensity' or type = p_type and signal = p_signal)
  ), place as (
    select period.zone from period where period.zone <> 'default' union select series.zone from series
  ), edge as (
    select place.zone, at, lead(at, 1, 'infinity') over (partition by place.zone order by at) as next
    from place cross join lateral (
      select timestamptz '-infinity' as at
      union select period.valid_from from period where period.zone in (place.zone, 'default')
      union select period.valid_until from period where period.zone in (place.zone, 'default')) as one
  )
  select edge.zone, edge.at, edge.next, pue.amount, pue.amount_low, pue.amount_high, wue.amount, wue.amount_low,
    wue.amount_high, intensity.amount, intensity.amount_low, intensity.amount_high, exists (
      select from ofa.factor where version = p_version and hourly and kind = 'intensity' and factor.zone = edge.zone
        and type = p_type and signal = p_signal), price.amount, left(price.unit, 3)
  from edge
  left join lateral (select * from period where kind = 'pue' and period.zone in (edge.zone, 'default')
    and edge.at >= period.valid_from and edge.at < period.valid_until order by period.zone = 'default' limit 1) as pue on true
  left join lateral (select * from period where kind = 'wue' and period.zone in (edge.zone, 'default')
    and edge.at >= period.valid_from and edge.at < period.valid_until order by period.zone = 'default' limit 1) as wue on true
  left join lateral (select * from period where kind = 'price' and period.zone in (edge.zone, 'default')
    and edge.at >= period.valid_from and edge.at < period.valid_until order by period.zone = 'default' limit 1) as price
    on true
  left join period as intensity on intensity.kind = 'intensity' and intensity.zone = edge.zone
    and edge.at >= intensity.valid_from and edge.at < intensity.valid_until
  where edge.at < edge.next
$$;
