-- Inserts the row of a blob that is about to be stored as a recipe or a delta of the blob `p_parent`. If the row exists
-- and the blob's bytes were collected, updates and locks it. Protects the bytes of the parent from garbage collection
-- until the transaction ends. Returns the blob's class and whether its row was inserted (`fresh`); returns no row if
-- the blob's bytes are stored already, or if the parent's bytes are not stored.
create or replace function ofa_api_1.claim_derived_blob(p_digest bytea, p_class text, p_store text, p_raw_bytes bigint,
  p_stored_bytes bigint, p_chunks int, p_filter text, p_codec text, p_parent bytea)
returns table (class text, fresh boolean)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
begin
  perform from ofa.blob where digest = p_parent and collected_at is null for key share;
  if not found then return; end if;
  return query insert into ofa.blob (digest, class, store, raw_bytes, stored_bytes, chunks, filter, codec, parent)
  values (p_digest, p_class, p_store, p_raw_bytes, p_stored_bytes, p_chunks, p_filter, p_codec, p_parent)
  on conflict (digest) do update
  set class = excluded.class, store = excluded.store, raw_bytes = excluded.raw_bytes,
    stored_bytes = excluded.stored_bytes, chunks = excluded.chunks, filter = excluded.filter, codec = excluded.codec,
    parent = excluded.parent, put_at = ofa.now(), collected_at = null
  where blob.collected_at is not null
  returning blob.class, blob.xmax = 0;
end
$$;
