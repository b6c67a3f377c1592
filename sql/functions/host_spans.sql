-- Returns what was stated of each machine (ofa.host_setting) with the period in which it holds. The first row of a machine
-- holds for the time before it, too.
create or replace function ofa.host_spans() returns table (host_id int, holds_from timestamptz, holds_until timestamptz,
  pue float8, pue_low float8, pue_high float8, wue float8, currency text, cpu_hour_price float8, kwh_price float8,
  machine_hour_price float8, embodied float8, embodied_low float8, embodied_high float8) language sql stable as $$
  select stated.host_id, case when lag(valid_from) over (of_host) is null then '-infinity' else valid_from end,
    lead(valid_from, 1, 'infinity') over (of_host), stated.pue::float8, coalesce(stated.pue_low, stated.pue)::float8,
    coalesce(stated.pue_high, stated.pue)::float8, stated.wue::float8, stated.currency, rental_per_cpu_hour::float8,
    stated.kwh_price::float8, depreciation_per_hour::float8, (embodied_g / lifetime_hours)::float8,
    (coalesce(embodied_low_g, embodied_g) / lifetime_hours)::float8,
    (coalesce(embodied_high_g, embodied_g) / lifetime_hours)::float8
  from ofa.host_setting as stated window of_host as (partition by stated.host_id order by valid_from)
$$;
