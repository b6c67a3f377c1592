-- Creates a run and returns its id. Returns no row if there is an unfinished run with the same name and definition
-- hash, or if the request `p_request` has created a run already.
create or replace function ofa_api_1.add_run(p_name text, p_definition text, p_definition_hash text, p_request uuid)
returns setof bigint
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  perform ofa.open_month(ofa.month(ofa.now()));
  return query insert into ofa.run (name, definition, definition_hash, request)
  values (p_name, p_definition, p_definition_hash, p_request)
  on conflict do nothing
  returning id;
end
$$;
