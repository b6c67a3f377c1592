-- Removes the pin of a blob; returns false if there is none.
create or replace function ofa_api_1.remove_pin(p_digest bytea) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  delete from ofa.pin where digest = p_digest;
  return found;
end
$$;
