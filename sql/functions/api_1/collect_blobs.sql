-- Marks the blobs `p_digests` (in hexadecimal) as collected: their rows remain as tombstones, without bytes. The blobs
-- must be locked. Returns the marked blobs, each with the store that held its bytes.
create or replace function ofa_api_1.collect_blobs(p_digests text[]) returns table (digest text, store text)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
begin
  return query update ofa.blob set collected_at = ofa.now(), stored_bytes = 0
  where digest in (select decode(hex, 'hex') from unnest(p_digests) as named (hex)) and collected_at is null
  returning encode(blob.digest, 'hex'), blob.store;
end
$$;
