-- Creates the missing partitions of ofa.attempt and ofa.job_log for a day (UTC), and of the tables of what was metered for
-- the month of that day; returns how many it created. Functions that write to these tables call open_day first, in case the partitions
-- were not created ahead.
create or replace function ofa.open_day(p_day date) returns int language plpgsql as $$
declare
  v_day text := to_char(p_day, 'YYYYMMDD');
  v_month date := date_trunc('month', p_day);
  v_made int;
  v_table text;
begin
  if to_regclass('ofa.attempt_' || v_day) is not null and to_regclass('ofa.job_log_' || v_day) is not null
    and to_regclass('ofa.energy_piece_' || left(v_day, 6)) is not null then
    return 0;
  end if;
  perform pg_advisory_xact_lock(7316291043);
  v_made := ofa.open_partition('attempt', v_day, p_day || ' 00:00+00', p_day + 1 || ' 00:00+00')
    + ofa.open_partition('job_log', v_day, p_day || ' 00:00+00', p_day + 1 || ' 00:00+00');
  -- The partition of ofa.energy_piece is created last, so if it exists, all partitions of the month exist.
  foreach v_table in array array['meter', 'energy_interval', 'energy_use', 'energy_piece'] loop
    v_made := v_made + ofa.open_partition(v_table, left(v_day, 6), v_month || ' 00:00+00',
      (v_month + interval '1 month')::date || ' 00:00+00');
  end loop;
  return v_made;
end
$$;
