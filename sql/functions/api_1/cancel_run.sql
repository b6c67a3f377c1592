-- Marks an unfinished run for cancellation; returns false if the run is already marked or has ended.
create or replace function ofa_api_1.cancel_run(p_run bigint) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  update ofa.run set cancel_requested_at = ofa.now()
  where id = p_run and state = 'running' and cancel_requested_at is null;
  return found;
end
$$;
