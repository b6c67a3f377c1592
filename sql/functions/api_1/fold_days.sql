-- Sums up the days of the ledger that are over; returns how many rows that were.
create or replace function ofa_api_1.fold_days() returns int
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  return ofa.fold_days();
end
$$;
