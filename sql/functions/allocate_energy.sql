-- Divides the energy of a machine's intervals among the attempts that ran in them, other programs, and processors that
-- nothing reserved; returns how many intervals. Takes the intervals that end before the time up to which every process
-- that meters on the machine has reported. Idle energy is split by reserved processor time, load energy by used processor
-- time (ofa.part_of), so that the pieces add up exactly. Without reservations idle energy is unallocated, without
-- use load energy is that of other programs. What attempts reserve beyond the machine's processors, or use beyond what the
-- machine says it was busy, only changes the shares.
create or replace function ofa.allocate_energy(p_host int) returns int language plpgsql as $$
declare
  v_meter ofa.machine_meter;
  v_until timestamptz;
  v_end timestamptz;
  v_intervals int;
begin
  select * into v_meter from ofa.machine_meter where host_id = p_host for update;
  v_until := least(v_meter.metered_until, (select min(reported_until) from ofa.metering_process
    where host_id = p_host and seen_at > ofa.now() - interval '30 seconds'));
  select count(*), max(ended_at) into v_intervals, v_end from ofa.energy_interval
  where host_id = p_host and started_at >= v_meter.allocated_until and ended_at <= v_until;
  if v_intervals = 0 then return 0; end if;

  with span as materialized (
    select * from ofa.energy_interval
    where host_id = p_host and started_at >= v_meter.allocated_until and started_at < v_end and ended_at <= v_end
  ), share as materialized (
    -- The parts of a use in successive intervals add up to the use: each is the difference of two rounded amounts.
    select span.started_at, used.job_id, used.token, used.account_id,
      sum(1000 * (part.until_us - part.from_us))::bigint as used_ns,
      sum(div(used.reserved_ns::numeric * part.until_us, part.whole_us)
        - div(used.reserved_ns::numeric * part.from_us, part.whole_us))::bigint as reserved_ns,
      sum(div(used.cpu_ns::numeric * part.until_us, part.whole_us)
        - div(used.cpu_ns::numeric * part.from_us, part.whole_us))::bigint as cpu_ns
    from ofa.energy_use as used
    join span on used.used_until > span.started_at and used.used_from < span.ended_at
    cross join lateral (select
      (1000000 * extract(epoch from greatest(span.started_at, used.used_from) - used.used_from))::bigint as from_us,
      (1000000 * extract(epoch from least(span.ended_at, used.used_until) - used.used_from))::bigint as until_us,
      (1000000 * extract(epoch from used.used_until - used.used_from))::bigint as whole_us) as part
    where used.host_id = p_host and used.used_until > v_meter.allocated_until
    group by 1, 2, 3, 4
  ), summed as (
    select started_at, sum(reserved_ns) as reserved_ns, sum(cpu_ns) as cpu_ns from share group by started_at
  ), slice as (
    select started_at, 'attempt' as part, job_id, token, account_id, used_ns, cpu_ns, reserved_ns as idle_weight,
      cpu_ns as load_weight, token as place
    from share
    union all
    select started_at, 'other', null, null, null, 0, rest.ns, others_ns, rest.ns, 9223372036854775806
    from span left join summed using (started_at)
    cross join lateral (select greatest(0, busy_ns - coalesce(summed.cpu_ns, 0))::bigint as ns) as rest
    union all
    select started_at, 'unallocated', null, null, null, 0, 0,
      greatest(0, capacity_ns - others_ns - coalesce(summed.reserved_ns, 0))::bigint, 0, 9223372036854775807
    from span left join summed using (started_at)
  ), placed as (
    -- Of the weights of an interval in their order: their sum up to each, without it and with it, and of all.
    select *, sum(idle_weight) over (upto) as idle_upto, sum(idle_weight) over (partition by started_at) as idle_whole,
      sum(load_weight) over (upto) as load_upto, sum(load_weight) over (partition by started_at) as load_whole
    from slice window upto as (partition by started_at order by place)
  ), piece as (
    insert into ofa.energy_piece (host_id, started_at, part, job_id, token, account_id, zone, method, tier, used_ns, cpu_ns,
      energy_uj, energy_low_uj, energy_high_uj)
    select p_host, started_at, part, job_id, token, account_id, zone, method, tier, used_ns, cpu_ns, uj, least(low_uj, uj),
      greatest(high_uj, uj)
    from placed join span using (started_at)
    cross join lateral (select
      ofa.part_of(idle_uj, idle_upto, idle_weight, idle_whole, part = 'unallocated')
        + ofa.part_of(load_uj, load_upto, load_weight, load_whole, part = 'other') as uj,
      ofa.part_of(idle_low_uj, idle_upto, idle_weight, idle_whole, part = 'unallocated')
        + ofa.part_of(load_low_uj, load_upto, load_weight, load_whole, part = 'other') as low_uj,
      ofa.part_of(idle_high_uj, idle_upto, idle_weight, idle_whole, part = 'unallocated')
        + ofa.part_of(load_high_uj, load_upto, load_weight, load_whole, part = 'other') as high_uj) as found
    where part = 'attempt' or high_uj > 0 or placed.cpu_ns > 0 and uj is not null
    returning *
  )
  insert into ofa.energy_hour as known (account_id, host_id, hour, zone, method, tier, used_ns, gap_ns, cpu_ns, energy_uj,
    energy_low_uj, energy_high_uj)
  select case part when 'attempt' then account_id when 'other' then 0 else -1 end, p_host,
    date_trunc('hour', started_at at time zone 'UTC') at time zone 'UTC', zone, method, tier, sum(used_ns),
    coalesce(sum(used_ns) filter (where energy_uj is null), 0), sum(cpu_ns), coalesce(sum(energy_uj), 0),
    coalesce(sum(energy_low_uj), 0), coalesce(sum(energy_high_uj), 0)
  from piece group by 1, 2, 3, 4, 5, 6
  on conflict (account_id, host_id, hour, zone, method, tier) do update set
    used_ns = known.used_ns + excluded.used_ns, gap_ns = known.gap_ns + excluded.gap_ns,
    cpu_ns = known.cpu_ns + excluded.cpu_ns, energy_uj = known.energy_uj + excluded.energy_uj,
    energy_low_uj = known.energy_low_uj + excluded.energy_low_uj,
    energy_high_uj = known.energy_high_uj + excluded.energy_high_uj;
  update ofa.machine_meter set allocated_until = v_end where host_id = p_host;
  return v_intervals;
end
$$;
