-- Of the due recurring runs that no other transaction has locked, locks and returns the one that has been due longest;
-- returns no row if there is none.
create or replace function ofa_api_1.lock_recurring() returns table (name text, spec json)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  return query select recurring.name, recurring.spec from ofa.recurring where recurring.next_at <= ofa.now()
    order by recurring.next_at limit 1 for update skip locked;
end
$$;
