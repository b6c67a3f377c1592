-- Creates the missing partitions of today, of the next `p_days` days and of their months. Stops after `p_most` days for
-- which partitions were missing; returns how many partitions it created.
create or replace function ofa_api_1.open_days(p_days int, p_most int) returns int
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  return ofa.partitions_ahead(p_days, p_most);
end
$$;
