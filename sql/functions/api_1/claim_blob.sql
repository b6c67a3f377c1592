-- Inserts or locks the row of a digest to store its bytes, also if they were collected, or for any blob that is to be
-- replaced; returns its class. No row if the bytes exist or another transaction has just stored them.
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
    chunks = excluded.chunks, filter = excluded.filter, codec = excluded.codec, put_at = ofa.now(), collected_at = null
  where blob.collected_at is not null or p_anew
  returning blob.class, blob.xmax = 0;
end
$$;
