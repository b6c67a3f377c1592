-- Cancels a job that does not run, and what follows; `ended` is false when it runs or has ended. Its run is locked.
create or replace function ofa_api_1.cancel_job(p_job bigint, p_reason text) returns table (ended boolean, freed int)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  v_groups bigint[];
begin
  v_groups := ofa.end_waiting(array[p_job], 'cancelled', p_reason);
  return query select coalesce(cardinality(v_groups), 0) > 0, ofa.fire(v_groups);
end
$$;
