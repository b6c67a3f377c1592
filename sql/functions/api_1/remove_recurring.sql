-- Removes a recurring run; returns false if there is none. Runs that were already enqueued for it continue.
create or replace function ofa_api_1.remove_recurring(p_name text) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  delete from ofa.recurring where name = p_name;
  return found;
end
$$;
