-- Sums past days of the ledgers over all runs into ofa.cost_day; returns how many rows it inserted. The days are those
-- after the newest day there, without yesterday and today, because transactions may still add to these two days; energy
-- that is booked later removes its day again (ofa.book_energy).
create or replace function ofa.fold_days() returns int language plpgsql set work_mem = '64MB' as $$
declare
  v_from date;
  v_rows int;
begin
  perform pg_advisory_xact_lock(7316291044);
  v_from := coalesce((select max(day) + 1 from ofa.cost_day where grain = 'stage'), '-infinity');
  insert into ofa.cost_day (grain, day, hour, is_energy, stage, kind, device, run_id, pipeline, host_id, zone, method, tier,
    attempts, not_completed, gaps, wall_ns, gap_ns, cpu_ns, energy_uj, energy_low_uj, energy_high_uj, reserved_ns, share_ns,
    first_started_at, first_token)
  select case when grouping(stage) = 0 then 'stage' when grouping(device) = 0 then 'device' else 'run' end as grain, day, hour,
    is_energy, stage, kind, device, run_id, pipeline, host_id, zone, method, tier, sum(attempts), sum(not_completed),
    sum(gaps), sum(wall_ns), sum(gap_ns), sum(cpu_ns), sum(energy_uj), sum(energy_low_uj), sum(energy_high_uj),
    sum(reserved_ns), sum(share_ns), min(first_started_at), min(first_token)
  from ofa.cost_since(v_from, (ofa.now() at time zone 'UTC')::date - 1)
  group by day, hour, is_energy, host_id, zone, method, tier, reserved_ns is null, share_ns is null,
    grouping sets ((stage, kind), (device), (run_id, pipeline))
  order by grain, day;
  get diagnostics v_rows = row_count;
  return v_rows;
end
$$;
