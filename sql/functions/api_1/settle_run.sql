-- Ends a run whose stages have all fired and whose jobs have all ended; true when it did. The run is locked.
create or replace function ofa_api_1.settle_run(p_run bigint) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  return ofa.settle(p_run);
end
$$;
