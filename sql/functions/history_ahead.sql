-- Makes the partitions of today and the days ahead, and of each day in the default one, whose rows move over. What
-- attaching waits for, everybody else would wait for behind it: so it gives up soon, and the default one serves.
create or replace function ofa.history_ahead(p_days int) returns int language plpgsql set lock_timeout = '2s' as $$
declare
  v_parent text;
  v_column text;
  v_days date[];
  v_day date;
  v_name text;
  v_made int := 0;
begin
  perform pg_advisory_xact_lock(7316291043);
  for v_parent, v_column in values ('attempt', 'ended_at'), ('job_log', 'logged_at') loop
    execute format('select array(select (%1$I at time zone ''UTC'')::date from ofa.%2$I '
      'union select day::date from generate_series($1, $1 + $2, interval ''1 day'') as day order by 1)',
      v_column, v_parent || '_default')
    into v_days using (ofa.now() at time zone 'UTC')::date, p_days;
    foreach v_day in array v_days loop
      v_name := v_parent || '_' || to_char(v_day, 'YYYYMMDD');
      continue when to_regclass('ofa.' || v_name) is not null;
      -- Rows of today come in now: one on its way to the default partition would find that it must not be there.
      if v_day <= (ofa.now() at time zone 'UTC')::date then
        execute format('lock table ofa.%I in access exclusive mode', v_parent);
      end if;
      execute format('create table ofa.%I (like ofa.%I including all)', v_name, v_parent);
      execute format('with moved as (delete from ofa.%I where %I >= %L and %I < %L returning *) '
        'insert into ofa.%I select * from moved', v_parent || '_default', v_column,
        v_day || ' 00:00+00', v_column, v_day + 1 || ' 00:00+00', v_name);
      execute format('alter table ofa.%I attach partition ofa.%I for values from (%L) to (%L)', v_parent, v_name,
        v_day || ' 00:00+00', v_day + 1 || ' 00:00+00');
      v_made := v_made + 1;
    end loop;
  end loop;
  return v_made;
end
$$;

select ofa.history_ahead(7);
