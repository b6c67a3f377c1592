-- Cancels a job that is not running, and fires groups that are then decided (see ofa.fire). `ended` is false if the job
-- is running, has ended already, or is locked by another transaction; `freed` is how many jobs became available or
-- scheduled. The job's run must be locked.
create or replace function ofa_api_1.cancel_job(p_job bigint, p_reason text) returns table (ended boolean, freed int)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  v_groups bigint[];
begin
  v_groups := ofa.end_waiting(array[p_job], 'cancelled', p_reason);
  return query select coalesce(cardinality(v_groups), 0) > 0, ofa.fire(v_groups);
end
$$;
