-- Ends a run if all of its groups have fired and all of its jobs have ended; returns whether the run was ended by this
-- call. The run must be locked.
create or replace function ofa_api_1.settle_run(p_run bigint) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  return ofa.settle(p_run);
end
$$;
