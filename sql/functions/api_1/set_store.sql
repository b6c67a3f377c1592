-- Sets the path of the folder store and the rule that chooses which new blobs are stored there. `p_id` becomes the id
-- of a new folder store; an existing store keeps its id.
create or replace function ofa_api_1.set_store(p_id uuid, p_path text, p_from_bytes bigint, p_kinds text[])
returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  insert into ofa.store (name, id, path, from_bytes, kinds)
  values ('folder', p_id, p_path, p_from_bytes, p_kinds)
  on conflict (name) do update
  set path = excluded.path, from_bytes = excluded.from_bytes, kinds = excluded.kinds, changed_at = ofa.now();
end
$$;
