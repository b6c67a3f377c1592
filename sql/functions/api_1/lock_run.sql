-- Locks a run, as required for ending jobs; `cancelled` says whether the run is marked for cancellation. Lock order:
-- rows of running jobs before the run, rows of other jobs after the run.
create or replace function ofa_api_1.lock_run(p_run bigint) returns table (id bigint, cancelled boolean)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  return query select run.id, run.cancel_requested_at is not null from ofa.run where run.id = p_run for no key update;
end
$$;
