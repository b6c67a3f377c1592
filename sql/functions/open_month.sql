-- Creates the missing partitions of the month `p_month` (such as 202611), which hold the jobs of the runs created in
-- that month; returns how many it created. ofa_api_1.add_run calls open_month before it inserts a run, in case the
-- partitions were not created ahead. Raises object_not_in_prerequisite_state if the month is closed.
create or replace function ofa.open_month(p_month int) returns int language plpgsql as $$
declare
  v_next int := case when p_month % 100 = 12 then p_month + 89 else p_month + 1 end;
  v_made int := 0;
  v_table text;
begin
  if exists (select from ofa.closed_month where month = p_month) then
    raise exception 'the jobs of runs of % were dropped: no run can be made in that month', p_month
      using errcode = 'object_not_in_prerequisite_state',
        hint = 'Is the clock of the server right? If it was ahead once, delete the month from ofa.closed_month.';
  end if;
  -- The partition of ofa.training_validation is created last, so if it exists, all partitions of the month exist.
  if to_regclass('ofa.training_validation_' || p_month) is not null then return 0; end if;
  perform pg_advisory_xact_lock(7316291043);
  foreach v_table in array array['job_group', 'group_edge', 'job', 'outcome', 'progress', 'training_metrics',
    'training_validation'] loop
    v_made := v_made + ofa.open_partition(v_table, p_month::text, p_month::text, v_next::text);
  end loop;
  return v_made;
end
$$;
