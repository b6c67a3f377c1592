-- Fires groups whose rule is met, with all consequences; returns how many jobs became available. Their run must be
-- locked.
create or replace function ofa_api_1.fire_groups(p_groups bigint[]) returns int
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  return ofa.fire(p_groups);
end
$$;
