-- Appends what a process metered on its machine: what attempts used (arrays `p_tokens` to `p_cpus`), and what the machine
-- used (arrays `p_started_us` to `p_loads_high`, ordered by time), and allocates what can be allocated. All times are of the
-- machine's clock, which its processes share, in microseconds since 1970. The process is up to date until `p_until_us`;
-- with `p_ends` it reports no more.
--
-- Only the machine's meter states intervals: the first process that does, until it ends or is silent for half a minute.
-- What lies before the end of the meter's last interval is passed over, so a report may be written again. A hole in which
-- an attempt used the machine becomes an interval of unknown energy. Uses are kept whoever reports them, also of leases
-- that are over, because their energy was used; the part of one that was allocated already is a gap.
--
-- `p_dead` are processes of the machine that have ended without a last report: they are not waited for.
--
-- Returns whether the process is the machine's meter, the end of its last interval, how many uses came too late, and the
-- machine's other processes with their pids.
create or replace function ofa_api_1.add_energy(p_process uuid, p_identity text, p_name text, p_pid text,
  p_dead uuid[], p_until_us bigint, p_ends boolean, p_tokens bigint[], p_jobs bigint[], p_from_us bigint[],
  p_untils_us bigint[], p_reserved bigint[], p_cpus bigint[], p_zone text, p_method text, p_tier text, p_started_us bigint[], p_ended_us bigint[],
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

  with added as (
    insert into ofa.energy_use (host_id, job_id, token, account_id, used_from, used_until, reserved_ns, cpu_ns)
    select v_host, job, token, account_id, used_from, used_until, reserved, cpu
    from (
      select job, token, ofa.time(from_us) as used_from, ofa.time(until_us) as used_until, reserved, cpu, coalesce(
        (select account_id from ofa.live where live.job_id = given.job),
        (select account_id from ofa.job where job.id = given.job)) as account_id
      from unnest(p_tokens, p_jobs, p_from_us, p_untils_us, p_reserved, p_cpus)
        as given (token, job, from_us, until_us, reserved, cpu)) as found
    -- A job without a row was dropped with its month.
    where account_id is not null
    on conflict do nothing
    returning job_id, token, account_id, used_from, least(used_until, v_meter.allocated_until) as until,
      cpu_ns, (1000000 * extract(epoch from used_until - used_from))::bigint as whole_us
  ), gap as (
    insert into ofa.energy_piece (host_id, started_at, part, job_id, token, account_id, zone, method, tier, used_ns,
      cpu_ns)
    select v_host, used_from, 'attempt', job_id, token, account_id, p_zone, 'gap: reported too late', p_tier, used_ns,
      div(cpu_ns::numeric * used_ns, 1000 * whole_us)
    from (select *, 1000 * (1000000 * extract(epoch from until - used_from))::bigint as used_ns from added) as part
    where until > used_from
    returning *
  ), booked as (
    insert into ofa.energy_hour as known (account_id, host_id, hour, zone, method, tier, used_ns, gap_ns, cpu_ns,
      energy_uj, energy_low_uj, energy_high_uj)
    select account_id, v_host, date_trunc('hour', started_at at time zone 'UTC') at time zone 'UTC', zone, method, tier,
      sum(used_ns), sum(used_ns), sum(cpu_ns), 0, 0, 0
    from gap group by 1, 2, 3, 4, 5, 6
    on conflict (account_id, host_id, hour, zone, method, tier) do update set used_ns = known.used_ns + excluded.used_ns,
      gap_ns = known.gap_ns + excluded.gap_ns, cpu_ns = known.cpu_ns + excluded.cpu_ns
  )
  select count(*) into late from gap;

  if meters then
    with given as (
      -- Of an interval that began before the end of the last one, a new meter states the rest.
      select greatest(ofa.time(started_us), v_meter.metered_until) as started_at, ofa.time(ended_us) as ended_at, capacity,
        busy, others, idle, idle_low, idle_high, load, load_low, load_high, ofa.time(started_us) as begun_at
      from unnest(p_started_us, p_ended_us, p_capacities, p_busy, p_others, p_idles, p_idles_low, p_idles_high,
        p_loads, p_loads_low, p_loads_high) as one (started_us, ended_us, capacity, busy, others, idle, idle_low, idle_high,
        load, load_low, load_high)
      where ofa.time(ended_us) > v_meter.metered_until
    ), clipped as (
      select started_at, ended_at, ofa.share(capacity, part) as capacity, ofa.share(busy, part) as busy,
        ofa.share(others, part) as others, ofa.share(idle, part) as idle, ofa.share(idle_low, part) as idle_low,
        ofa.share(idle_high, part) as idle_high, ofa.share(load, part) as load, ofa.share(load_low, part) as load_low,
        ofa.share(load_high, part) as load_high
      from given cross join lateral (
        select extract(epoch from ended_at - started_at) / extract(epoch from ended_at - begun_at) as part) as left_over
    ), hole as (
      select v_meter.metered_until as started_at, min(started_at) as ended_at from given
      having min(started_at) > v_meter.metered_until
    )
    insert into ofa.energy_interval (host_id, started_at, ended_at, zone, method, tier, capacity_ns, busy_ns, others_ns,
      idle_uj, idle_low_uj, idle_high_uj, load_uj, load_low_uj, load_high_uj)
    select v_host, started_at, ended_at, p_zone, 'gap: no meter', p_tier, 0, 0, 0, null, null, null, null, null, null
    from hole where exists (select from ofa.energy_use as used where used.host_id = v_host
      and used.used_until > hole.started_at and used.used_from < hole.ended_at)
    union all
    select v_host, started_at, ended_at, p_zone, p_method, p_tier, capacity, busy, others, idle, idle_low, idle_high,
      load, load_low, load_high
    from clipped;
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
