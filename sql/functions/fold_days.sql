-- Sums past days of the ledgers over all runs into ofa.cost_day: at most seven days from the next on that has rows, so that no
-- call takes long. Returns how many rows it inserted; 0 if no day is left. The days are those after the newest day there,
-- without yesterday and today, because transactions may still add to these two days; what is booked to a day that is summed
-- removes it again (ofa.unfold_days).
create or replace function ofa.fold_days() returns int language plpgsql set work_mem = '64MB' as $$
declare
  v_next date;
  v_from date;
  v_rows int;
begin
  perform pg_advisory_xact_lock(7316291044);
  v_next := coalesce((select max(day) + 1 from ofa.cost_day where grain = 'stage'), '-infinity');
  v_from := least((select min(day) from ofa.spent where day >= v_next),
    (select min(hour at time zone 'UTC')::date from ofa.energy_hour
      where account_id > 0 and hour >= v_next::timestamp at time zone 'UTC'));
  insert into ofa.cost_day (grain, day, hour, is_energy, stage, kind, device, run_id, pipeline, host_id, zone, method, tier,
    attempts, not_completed, gaps, wall_ns, gap_ns, cpu_ns, energy_uj, energy_low_uj, energy_high_uj, reserved_ns, share_ns,
    first_started_at, first_token)
  select case when grouping(stage) = 0 then 'stage' when grouping(device) = 0 then 'device' else 'run' end as grain, day, hour,
    is_energy, stage, kind, device, run_id, pipeline, host_id, zone, method, tier, sum(attempts), sum(not_completed),
    sum(gaps), sum(wall_ns), sum(gap_ns), sum(cpu_ns), sum(energy_uj), sum(energy_low_uj), sum(energy_high_uj),
    sum(reserved_ns), sum(share_ns), min(first_started_at), min(first_token)
  from ofa.cost_since(v_from, least((ofa.now() at time zone 'UTC')::date - 1, v_from + 7))
  group by day, hour, is_energy, host_id, zone, method, tier, reserved_ns is null, share_ns is null,
    grouping sets ((stage, kind), (device), (run_id, pipeline))
  order by grain, day;
  get diagnostics v_rows = row_count;
  return v_rows;
end
$$;
