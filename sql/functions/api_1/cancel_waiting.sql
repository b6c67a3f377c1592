-- Cancels every job of a run that is not running, with all consequences. The run must be locked.
create or replace function ofa_api_1.cancel_waiting(p_run bigint) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  perform ofa.cancel_waiting(p_run, null);
end
$$;
