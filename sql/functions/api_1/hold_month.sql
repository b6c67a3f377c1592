-- Keeps the month of a run from being closed until the transaction ends. Returns false if the month is closed already:
-- then the jobs of its runs have been dropped or will be dropped.
create or replace function ofa_api_1.hold_month(p_run bigint) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  v_month int := (select month from ofa.run where id = p_run);
begin
  perform pg_advisory_xact_lock_shared(73162910, v_month);
  return not exists (select from ofa.closed_month where month = v_month);
end
$$;
