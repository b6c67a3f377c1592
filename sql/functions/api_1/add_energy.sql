-- Appends what a process metered on its machine: what attempts used (arrays `p_tokens` to `p_cpus`), and what the machine
-- used (arrays `p_started_us` to `p_loads_high`, ordered by time), and allocates what can be allocated. All times are of the
-- machine's clock, which its processes share, in microseconds since 1970. The process is up to date until `p_until_us`;
-- with `p_ends` it reports no more.
--
-- Only the machine's meter states intervals: the first process that does, until it ends or is silent for half a minute.
-- What lies before the end of the meter's last interval is passed over, so a report may be written again. Time between two
-- intervals in which an attempt used the machine becomes an interval of unknown energy. Uses of leases that are over are
-- kept, because the energy was used. If the energy of a part of a use was allocated before, that part is a gap.
--
-- `p_dead` are processes of the machine that have ended without a last report: they are not waited for.
--
-- Returns whether the process is the machine's meter, the end of its last interval, how many uses came too late, and the
-- machine's other processes with their pids.
create or replace function ofa_api_1.add_energy(p_process uuid, p_identity text, p_name text, p_pid text,
  p_dead uuid[], p_until_us bigint, p_ends boolean, p_tokens bigint[], p_jobs bigint[], p_from_us bigint[],
  p_untils_us bigint[], p_reserved bigint[], p_cpus bigint[], p_zone text, p_method text, p_tier text,
  p_started_us bigint[], p_ended_us bigint[],
  p_capacities bigint[], p_busy bigint[], p_others bigint[], p_idles bigint[], p_idles_low bigint[],
  p_idles_high bigint[], p_loads bigint[], p_loads_low bigint[], p_loads_high bigint[])
returns table (meters boolean, metered_until_us bigint, late int, others uuid[], pids text[])
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
declare
  v_host int := ofa.know_host(p_identity, p_name);
  v_now timestamptz := ofa.now();
  v_meter ofa.machine_meter;
  v_until timestamptz := ofa.time(p_until_us);
  v_end timestamptz;
  v_day date;
begin
  if v_until not between v_now - interval '1 day' and v_now + interval '1 day' then
    raise exception 'the clock of machine % says %, that of the server %', p_name, v_until, v_now
      using errcode = 'invalid_datetime_format', hint = 'Set the clocks of both.';
  end if;
  for v_day in
    select distinct (ofa.time(us) at time zone 'UTC')::date from unnest(p_started_us || p_untils_us || p_until_us) as us
  loop
    perform ofa.open_day(v_day);
  end loop;

  insert into ofa.machine_meter (host_id, process, seen_at, metered_until, allocated_until)
  select v_host, p_process, v_now, first, first
  from (select ofa.time(least(min(us), p_until_us)) as first from unnest(p_started_us || p_from_us) as us) as begun
  on conflict do nothing;
  select * into v_meter from ofa.machine_meter where host_id = v_host for update;
  delete from ofa.metering_process where host_id = v_host and uuid = any (p_dead);
  insert into ofa.metering_process as known (uuid, host_id, pid, reported_until, seen_at)
  values (p_process, v_host, p_pid, v_until, v_now)
  on conflict (uuid) do update set reported_until = greatest(known.reported_until, excluded.reported_until),
    seen_at = excluded.seen_at;
  meters := v_meter.process = p_process or v_meter.process = any (p_dead) or v_meter.seen_at < v_now - interval '30 seconds';

  late := ofa.add_energy_uses(v_host, v_meter.allocated_until, p_tokens, p_jobs, p_from_us, p_untils_us, p_reserved, p_cpus,
    p_zone, p_tier);
  if meters then
    perform ofa.add_energy_intervals(v_host, v_meter.metered_until, p_zone, p_method, p_tier, p_started_us, p_ended_us,
      p_capacities, p_busy, p_others, p_idles, p_idles_low, p_idles_high, p_loads, p_loads_low, p_loads_high);
    update ofa.machine_meter set process = p_process, seen_at = case when p_ends then '-infinity' else v_now end,
      metered_until = greatest(metered_until, (select ofa.time(max(us)) from unnest(p_ended_us) as us))
    where host_id = v_host returning metered_until into v_end;
  end if;
  metered_until_us := round(1000000 * extract(epoch from coalesce(v_end, v_meter.metered_until)));
  if p_ends then delete from ofa.metering_process where uuid = p_process; end if;
  perform ofa.allocate_energy(v_host);
  select coalesce(array_agg(uuid), '{}'), coalesce(array_agg(pid), '{}') into others, pids
  from ofa.metering_process where host_id = v_host and uuid <> p_process;
  return next;
end
$$;
