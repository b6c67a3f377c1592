-- Cancels those jobs of the run `p_run` that are not running, and fires the groups that are then decided (see
-- ofa.fire). The run must be locked and marked for cancellation. Jobs that another transaction has locked are skipped.
create or replace function ofa_api_1.cancel_waiting(p_run bigint) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  perform ofa.cancel_waiting(p_run, null);
end
$$;
