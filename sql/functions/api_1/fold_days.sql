-- Sums past days of the ledgers into ofa.cost_day; returns how many rows it inserted: see
-- ofa.fold_days.
create or replace function ofa_api_1.fold_days() returns int
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  return ofa.fold_days();
end
$$;
