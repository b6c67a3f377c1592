-- Inserts the row of a blob whose bytes are about to be stored in full (not as a recipe or a delta of another blob). If
-- the row exists, updates and locks it, provided that the blob's bytes were collected or `p_anew` says to replace them.
-- Returns the blob's class and whether its row was inserted (`fresh`); returns no row if the bytes are stored already
-- and are not to be replaced.
create or replace function ofa_api_1.claim_blob(p_digest bytea, p_class text, p_store text, p_raw_bytes bigint,
  p_stored_bytes bigint, p_chunks int, p_filter text, p_codec text, p_anew boolean)
returns table (class text, fresh boolean)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
begin
  return query insert into ofa.blob (digest, class, store, raw_bytes, stored_bytes, chunks, filter, codec)
  values (p_digest, p_class, p_store, p_raw_bytes, p_stored_bytes, p_chunks, p_filter, p_codec)
  on conflict (digest) do update
  set class = case when excluded.class = 'lasting' or blob.class = 'lasting' and blob.collected_at is null
      then 'lasting' else 'checkpoint' end,
    store = excluded.store, raw_bytes = excluded.raw_bytes, stored_bytes = excluded.stored_bytes,
    chunks = excluded.chunks, filter = excluded.filter, codec = excluded.codec, parent = null, put_at = ofa.now(),
    collected_at = null
  where blob.collected_at is not null or p_anew
  returning blob.class, blob.xmax = 0;
end
$$;
