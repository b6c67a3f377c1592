-- Cancels a job that is not running, with all consequences; `ended` is false if it is running or has ended. Its run
-- must be locked.
create or replace function ofa_api_1.cancel_job(p_job bigint, p_reason text) returns table (ended boolean, freed int)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  v_groups bigint[];
begin
  v_groups := ofa.end_waiting(array[p_job], 'cancelled', p_reason);
  return query select coalesce(cardinality(v_groups), 0) > 0, ofa.fire(v_groups);
end
$$;
