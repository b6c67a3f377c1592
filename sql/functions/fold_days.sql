-- Adds up past days of the ledger (ofa.spent) over all runs and inserts the sums into ofa.spent_day; returns how many
-- rows it inserted. The days are those after the newest day in ofa.spent_day, without yesterday and today, because
-- transactions may still add to these two days.
create or replace function ofa.fold_days() returns int language plpgsql as $$
declare
  v_rows int;
begin
  perform pg_advisory_xact_lock(7316291044);
  insert into ofa.spent_day (day, stage, kind, device, host_id, zone, method, tier, attempts, not_completed, gaps, wall_ns,
    cpu_ns, energy_uj, energy_low_uj, energy_high_uj, first_started_at, first_token, pipeline)
  select day, stage, kind, device, host_id, zone, method, tier, attempts, not_completed, gaps, wall_ns,
    cpu_ns, energy_uj, energy_low_uj, energy_high_uj, first_started_at, first_token, pipeline
  from ofa.spent_since where day < (ofa.now() at time zone 'UTC')::date - 1
  order by day, stage, kind, device, host_id;
  get diagnostics v_rows = row_count;
  return v_rows;
end
$$;
