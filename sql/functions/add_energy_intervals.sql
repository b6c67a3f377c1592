-- Appends intervals of a machine, those after `p_metered_until`. If they begin later than that and an attempt used the
-- machine meanwhile, the time between is an interval of unknown energy.
create or replace function ofa.add_energy_intervals(p_host int, p_metered_until timestamptz, p_zone text, p_method text,
  p_tier text, p_started_us bigint[], p_ended_us bigint[], p_capacities bigint[], p_busy bigint[], p_others bigint[],
  p_idles bigint[], p_idles_low bigint[], p_idles_high bigint[], p_loads bigint[], p_loads_low bigint[],
  p_loads_high bigint[]) returns void language plpgsql as $$
begin
  with given as (
    -- Of an interval that began before the end of the last one, a new meter states the rest.
    select greatest(ofa.time(started_us), p_metered_until) as started_at, ofa.time(ended_us) as ended_at, capacity,
      busy, others, idle, idle_low, idle_high, load, load_low, load_high, ofa.time(started_us) as begun_at
    from unnest(p_started_us, p_ended_us, p_capacities, p_busy, p_others, p_idles, p_idles_low, p_idles_high,
      p_loads, p_loads_low, p_loads_high) as one (started_us, ended_us, capacity, busy, others, idle, idle_low, idle_high,
      load, load_low, load_high)
    where ofa.time(ended_us) > p_metered_until
  ), clipped as (
    select started_at, ended_at, ofa.share(capacity, part) as capacity, ofa.share(busy, part) as busy,
      ofa.share(others, part) as others, ofa.share(idle, part) as idle, ofa.share(idle_low, part) as idle_low,
      ofa.share(idle_high, part) as idle_high, ofa.share(load, part) as load, ofa.share(load_low, part) as load_low,
      ofa.share(load_high, part) as load_high
    from given cross join lateral (
      select extract(epoch from ended_at - started_at) / extract(epoch from ended_at - begun_at) as part) as left_over
  ), hole as (
    select p_metered_until as started_at, min(started_at) as ended_at from given
    having min(started_at) > p_metered_until
  )
  insert into ofa.energy_interval (host_id, started_at, ended_at, zone, method, tier, capacity_ns, busy_ns, others_ns,
    idle_uj, idle_low_uj, idle_high_uj, load_uj, load_low_uj, load_high_uj)
  select p_host, started_at, ended_at, p_zone, 'gap: no meter', p_tier, 0, 0, 0, null, null, null, null, null, null
  from hole where exists (select from ofa.energy_use as used where used.host_id = p_host
    and used.used_until > hole.started_at and used.used_from < hole.ended_at)
  union all
  select p_host, started_at, ended_at, p_zone, p_method, p_tier, capacity, busy, others, idle, idle_low, idle_high,
    load, load_low, load_high
  from clipped;
end
$$;
