-- Sums ofa.priced_lines of the runs `p_runs` by stage, kind, pipeline, device, zone, host, run or day (`p_by`; `key` of a host
-- is its id), or all together ('attempt'), zone, currency, method and tier. NULL is all runs, as programs from before
-- migration 9 ask; ofa.cost_totals is faster. Hashing needs no sort of many wide rows.
create or replace function ofa.cost_sums(p_by text, p_runs bigint[], p_since date, p_until date, p_version int, p_type text,
  p_signal text) returns table (key text, zone text, currency text, method text, tier text, attempts bigint,
  not_completed bigint, gaps bigint, wall_ns bigint, cpu_ns bigint, gap_ns bigint, energy_uj bigint, energy_low_uj bigint,
  energy_high_uj bigint, building_uj float8, emission_ug bigint, emission float8, pue_low float8, pue_high float8,
  intensity_low float8, intensity_high float8, carbon_missing_uj bigint, stand_in_uj bigint, water_ul bigint,
  water_low float8, water_high float8, water_missing_uj bigint, money_u bigint, money_low float8, money_high float8,
  money_missing_ns bigint, embodied_ug bigint, embodied_low float8, embodied_high float8, embodied_missing_ns bigint,
  first_started_at timestamptz, first_token bigint)
language plpgsql stable set enable_mergejoin = off set enable_sort = off set work_mem = '32MB' as $$
#variable_conflict use_column
begin
  return query
  select case p_by when 'stage' then stage when 'kind' then kind when 'pipeline' then pipeline
      when 'device' then coalesce(nullif(device, ''), '(shared)') when 'zone' then coalesce(nullif(zone, ''), '(unknown)')
      when 'run' then run_id::text when 'host' then host_id::text when 'day' then day::text
      when 'attempt' then '(earlier runs)' end as key,
    line.zone, line.currency, line.method, line.tier, sum(attempts)::bigint as attempts,
    sum(not_completed)::bigint as not_completed,
    sum(gaps)::bigint as gaps, sum(wall_ns)::bigint as wall_ns, sum(cpu_ns)::bigint as cpu_ns,
    sum(gap_ns)::bigint as gap_ns, sum(energy_uj)::bigint as energy_uj, sum(energy_low_uj)::bigint as energy_low_uj,
    sum(energy_high_uj)::bigint as energy_high_uj, sum(building_uj) as building_uj,
    sum(emission_ug)::bigint as emission_ug, sum(emission_ng) as emission, sum(pue_low) as pue_low,
    sum(pue_high) as pue_high, sum(intensity_low) as intensity_low, sum(intensity_high) as intensity_high,
    sum(carbon_missing_uj)::bigint as carbon_missing_uj, sum(stand_in_uj)::bigint as stand_in_uj,
    sum(water_ul)::bigint as water_ul, sum(water_low) as water_low, sum(water_high) as water_high,
    sum(water_missing_uj)::bigint as water_missing_uj, sum(money_u)::bigint as money_u, sum(money_low) as money_low,
    sum(money_high) as money_high, sum(money_missing_ns)::bigint as money_missing_ns,
    sum(embodied_ug)::bigint as embodied_ug, sum(embodied_low) as embodied_low, sum(embodied_high) as embodied_high,
    sum(embodied_missing_ns)::bigint as embodied_missing_ns, min(first_started_at) as first_started_at,
    min(first_token) as first_token
  from ofa.priced_lines(coalesce(p_runs, array(select distinct account.run_id from ofa.account)), p_since, p_until, p_version, p_type, p_signal) as line
  group by 1, line.zone, line.currency, line.method, line.tier;
end
$$;
