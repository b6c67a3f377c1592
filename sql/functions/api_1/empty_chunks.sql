-- Sets the data of a blob's chunks to NULL, because the folder store now has the bytes.
create or replace function ofa_api_1.empty_chunks(p_digest bytea) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  update ofa.blob_chunk set data = null where digest = p_digest;
end
$$;
