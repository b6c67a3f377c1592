-- Stores blobs with their chunks, all in the database; those that another transaction has just put stay as they are.
-- In the order of their digests, so that two of these wait for each other in one direction only.
create or replace function ofa.put_blobs(p_digests bytea[], p_raw_bytes bigint[], p_stored_bytes bigint[], p_chunks int[],
  p_filters text[], p_codecs text[], p_chunk_blobs bytea[], p_ordinals int[], p_chunk_raw_bytes int[], p_sha256 bytea[],
  p_data bytea[]) returns void language plpgsql set plan_cache_mode = force_generic_plan as $$
begin
  with claimed as (
    insert into ofa.blob (digest, raw_bytes, stored_bytes, chunks, filter, codec)
    select distinct on (digest) digest, raw_bytes, stored_bytes, chunks, filter, codec
    from unnest(p_digests, p_raw_bytes, p_stored_bytes, p_chunks, p_filters, p_codecs)
      as given (digest, raw_bytes, stored_bytes, chunks, filter, codec)
    order by digest
    on conflict (digest) do nothing
    returning digest, class
  )
  insert into ofa.blob_chunk (digest, class, ordinal, raw_bytes, stored_bytes, sha256, data)
  select distinct on (chunk.digest, ordinal) chunk.digest, class, ordinal, raw_bytes, octet_length(data), sha256, data
  from unnest(p_chunk_blobs, p_ordinals, p_chunk_raw_bytes, p_sha256, p_data)
    as chunk (digest, ordinal, raw_bytes, sha256, data)
  join claimed on claimed.digest = chunk.digest;
end
$$;
