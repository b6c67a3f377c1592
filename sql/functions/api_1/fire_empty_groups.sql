-- Fires the groups of a run that have no pending jobs and have not fired; returns how many jobs became available or
-- scheduled. The run must be locked.
create or replace function ofa_api_1.fire_empty_groups(p_run bigint) returns int
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  return ofa.fire(array(
    select id from ofa.job_group where run_id = p_run and fired_at is null and pending = 0 order by id));
end
$$;
