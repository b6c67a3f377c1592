-- Adds a chunk to a blob whose row this transaction has claimed (claim_blob); `p_data` is NULL if the folder store has
-- the bytes.
create or replace function ofa_api_1.put_chunk(p_digest bytea, p_class text, p_ordinal int, p_raw_bytes int,
  p_stored_bytes int, p_sha256 bytea, p_data bytea)
returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  insert into ofa.blob_chunk (digest, class, ordinal, raw_bytes, stored_bytes, sha256, data)
  values (p_digest, p_class, p_ordinal, p_raw_bytes, p_stored_bytes, p_sha256, p_data);
end
$$;
