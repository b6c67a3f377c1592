-- Sums the ledgers of all runs by stage, kind, pipeline, device, zone, host, run or day (`p_by`; `key` of a host is its id) in
-- the days from `p_since` until before `p_until` (UTC), in each zone, currency, method and tier, with what ofa.priced_lines
-- computes of a row. By run, those before `p_first` are one; by attempt, there are only these. Days that are over are read as
-- ofa.cost_day has them. `emission_ug`, `water_ul`, `money_u` and `embodied_ug` are exact sums that are not rounded, so that
-- neither the summed days nor `p_by` change a total. The factors of each hour, zone and machine are looked up once.
create or replace function ofa.cost_totals(p_by text, p_first bigint, p_since date, p_until date, p_version int, p_type text,
  p_signal text) returns table (key text, zone text, currency text, method text, tier text, attempts bigint,
  not_completed bigint, gaps bigint, wall_ns bigint, cpu_ns bigint, gap_ns bigint, energy_uj bigint, energy_low_uj bigint,
  energy_high_uj bigint, building_uj numeric, emission_ug numeric, emission float8, pue_low float8, pue_high float8,
  intensity_low float8, intensity_high float8, carbon_missing_uj bigint, stand_in_uj bigint, water_ul numeric,
  water_low float8, water_high float8, water_missing_uj bigint, money_u numeric, money_low float8, money_high float8,
  money_missing_ns bigint, embodied_ug numeric, embodied_low float8, embodied_high float8, embodied_missing_ns bigint,
  first_started_at timestamptz, first_token bigint)
language plpgsql stable set enable_mergejoin = off set enable_sort = off set random_page_cost = 1.1 set work_mem = '64MB' as $$
#variable_conflict use_column
declare
  v_grain text := case when p_by in ('run', 'pipeline', 'attempt') then 'run' when p_by = 'device' then 'device'
    else 'stage' end;
  -- The first day that is not in ofa.cost_day, and the first of these that is asked for.
  v_open date := coalesce((select max(day) + 1 from ofa.cost_day where grain = 'stage'), '-infinity');
  v_from date := greatest(v_open, p_since);
  v_until date := coalesce(p_until, 'infinity');
begin
  return query
  with rate as materialized (
    select * from ofa.cost_rates(v_from, p_since, v_until, p_version, p_type, p_signal)
  ), line as (
    select stage, kind, device, run_id, pipeline, host_id, zone, hour, is_energy, day, method, tier, attempts, not_completed,
      gaps, wall_ns, gap_ns, cpu_ns, energy_uj, energy_low_uj, energy_high_uj, reserved_ns, share_ns, first_started_at,
      first_token
    from ofa.cost_day where grain = v_grain and (p_since is null or day >= p_since) and day < v_until
    union all
    select stage, kind, device, run_id, pipeline, host_id, zone, hour, is_energy, day, method, tier, attempts, not_completed,
      gaps, wall_ns, gap_ns, cpu_ns, energy_uj, energy_low_uj, energy_high_uj, reserved_ns, share_ns, first_started_at,
      first_token
    from ofa.cost_since(v_from, v_until)
  )
  select case p_by when 'stage' then line.stage when 'kind' then line.kind when 'pipeline' then line.pipeline
      when 'device' then coalesce(nullif(line.device, ''), '(shared)')
      when 'zone' then coalesce(nullif(line.zone, ''), '(unknown)') when 'host' then line.host_id::text
      when 'day' then line.day::text when 'run' then case when p_first is null or line.run_id >= p_first
        then line.run_id::text else '(earlier runs)' end
      when 'attempt' then '(earlier runs)' end as key,
    line.zone, case when rate.has_price and cost.time_u is not null and rate.kwh_price is not null then rate.currency end
      as currency,
    line.method, line.tier, sum(line.attempts)::bigint, sum(line.not_completed)::bigint, sum(line.gaps)::bigint,
    sum(line.wall_ns)::bigint, sum(line.cpu_ns)::bigint, sum(line.gap_ns)::bigint, sum(line.energy_uj)::bigint,
    sum(line.energy_low_uj)::bigint, sum(line.energy_high_uj)::bigint, sum(line.energy_uj * rate.pue),
    sum(line.energy_uj * rate.ug_per_uj), (1000 * sum(line.energy_uj * rate.ug_per_uj))::float8,
    sum(line.energy_uj * rate.pue_low), sum(line.energy_uj * rate.pue_high), sum(line.energy_uj * rate.intensity_low),
    sum(line.energy_uj * rate.intensity_high),
    coalesce(sum(line.energy_uj) filter (where rate.ug_per_uj is null), 0)::bigint,
    coalesce(sum(line.energy_uj) filter (where rate.is_stand_in), 0)::bigint, sum(line.energy_uj * rate.ul_per_uj),
    sum(line.energy_uj * rate.water_low), sum(line.energy_uj * rate.water_high),
    coalesce(sum(line.energy_uj) filter (where rate.ul_per_uj is null), 0)::bigint,
    sum(cost.time_u + line.energy_uj * rate.money_per_uj) filter (where rate.has_price),
    (sum(cost.time_u + line.energy_low_uj * rate.money_low) filter (where rate.has_price))::float8,
    (sum(cost.time_u + line.energy_high_uj * rate.money_high) filter (where rate.has_price))::float8,
    sum(case when not rate.has_price or cost.time_u is null or not rate.has_kwh_price then line.wall_ns
      when rate.money_per_reserved_ns is null then line.gap_ns else 0 end)::bigint,
    sum(line.share_ns * rate.ug_per_ns), sum(line.share_ns * rate.embodied_low), sum(line.share_ns * rate.embodied_high),
    coalesce(sum(line.wall_ns) filter (where rate.ug_per_ns is null or line.share_ns is null), 0)::bigint,
    min(line.first_started_at), min(line.first_token)
  -- Most rows of attempts have neither energy nor time, which are in rows of energy.
  from line left join rate on (line.energy_uj > 0 or line.wall_ns > 0)
    and (rate.host_id, rate.hour, rate.zone, rate.is_energy) = (line.host_id, line.hour, line.zone, line.is_energy)
  cross join lateral (select case
    when rate.money_per_reserved_ns is not null then line.reserved_ns * rate.money_per_reserved_ns
    when rate.money_per_share_ns is not null then line.share_ns * rate.money_per_share_ns
    else 0 end as time_u) as cost
  where p_by <> 'attempt' or line.run_id < p_first
  group by 1, line.zone, 3, line.method, line.tier;
end
$$;
