-- Returns the pieces of the intervals of a machine that begin at `p_from` or later and end by `p_until`: those of the
-- attempts that ran in them, of other programs, and of processors that nothing reserved. Idle energy is split by reserved
-- processor time, load energy by used processor time (ofa.part_of), so that the pieces add up exactly. Without reservations
-- idle energy is unallocated, without use load energy is that of other programs. What attempts reserve beyond the machine's
-- processors, or use beyond what the machine says it was busy, only changes the shares. The method of unknown energy begins
-- with `gap: `.
create or replace function ofa.energy_pieces(p_host int, p_from timestamptz, p_until timestamptz)
returns setof ofa.energy_piece language plpgsql stable as $$
begin
  return query
  with span as materialized (
    select * from ofa.energy_interval
    where host_id = p_host and started_at >= p_from and started_at < p_until and ended_at <= p_until
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
    where used.host_id = p_host and used.used_until > p_from
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
  )
  select p_host, started_at, part, job_id, token, account_id, zone,
    case when idle_uj is null and method not like 'gap: %' then 'gap: ' || method else method end, tier, used_ns, cpu_ns, uj,
    least(low_uj, uj), greatest(high_uj, uj), case part when 'attempt' then idle_weight end, case part when 'attempt'
      then round(idle_weight::numeric * (1000000000 * extract(epoch from ended_at - started_at)) / nullif(capacity_ns, 0))::bigint
    end
  from placed join span using (started_at)
  cross join lateral (select
    ofa.part_of(idle_uj, idle_upto, idle_weight, idle_whole, part = 'unallocated')
      + ofa.part_of(load_uj, load_upto, load_weight, load_whole, part = 'other') as uj,
    ofa.part_of(idle_low_uj, idle_upto, idle_weight, idle_whole, part = 'unallocated')
      + ofa.part_of(load_low_uj, load_upto, load_weight, load_whole, part = 'other') as low_uj,
    ofa.part_of(idle_high_uj, idle_upto, idle_weight, idle_whole, part = 'unallocated')
      + ofa.part_of(load_high_uj, load_upto, load_weight, load_whole, part = 'other') as high_uj) as found
  where part = 'attempt' or high_uj > 0 or placed.cpu_ns > 0 and uj is not null;
end
$$;
