-- Records that the bytes of a blob are now in the store `p_to`. Returns the blob's class, or no row if the bytes are in
-- that store already or were collected.
create or replace function ofa_api_1.move_blob(p_digest bytea, p_to text) returns setof text
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  return query update ofa.blob set store = p_to
  where digest = p_digest and store <> p_to and collected_at is null returning class;
end
$$;
