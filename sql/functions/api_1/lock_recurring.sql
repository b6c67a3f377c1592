-- Locks and returns the recurring run that has been due longest. Skips runs that other transactions have locked;
-- returns no row if no other run is due.
create or replace function ofa_api_1.lock_recurring() returns table (name text, spec json)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  return query select recurring.name, recurring.spec from ofa.recurring where recurring.next_at <= ofa.now()
    order by recurring.next_at limit 1 for update skip locked;
end
$$;
