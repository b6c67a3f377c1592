-- Stores blobs with their chunks in the database. Blobs whose bytes were collected are stored again; blobs whose bytes
-- are stored already stay unchanged. `p_chunks` is the number of chunks of each blob. If a blob is given twice,
-- possibly with different codings, the first is stored. Rows are written in the order of their digests, so that two
-- calls cannot deadlock.
create or replace function ofa.put_blobs(p_digests bytea[], p_raw_bytes bigint[], p_stored_bytes bigint[], p_chunks int[],
  p_filters text[], p_codecs text[], p_chunk_blobs bytea[], p_ordinals int[], p_chunk_raw_bytes int[], p_sha256 bytea[],
  p_data bytea[]) returns void language plpgsql set plan_cache_mode = force_generic_plan as $$
begin
  with chosen as materialized (
    select distinct on (digest) digest, raw_bytes, stored_bytes, chunks, filter, codec, last
    from (
      select *, sum(chunks) over (order by place) as last
      from unnest(p_digests, p_raw_bytes, p_stored_bytes, p_chunks, p_filters, p_codecs)
        with ordinality as given (digest, raw_bytes, stored_bytes, chunks, filter, codec, place)) as placed
    order by digest, place
  ), claimed as (
    insert into ofa.blob (digest, raw_bytes, stored_bytes, chunks, filter, codec)
    select digest, raw_bytes, stored_bytes, chunks, filter, codec from chosen order by digest
    on conflict (digest) do update
    set class = 'lasting', store = 'database', raw_bytes = excluded.raw_bytes, stored_bytes = excluded.stored_bytes,
      chunks = excluded.chunks, filter = excluded.filter, codec = excluded.codec, parent = null, put_at = ofa.now(),
      collected_at = null
    where blob.collected_at is not null
    returning digest, class
  )
  insert into ofa.blob_chunk (digest, class, ordinal, raw_bytes, stored_bytes, sha256, data)
  select chunk.digest, class, ordinal, chunk.raw_bytes, octet_length(data), sha256, data
  from unnest(p_chunk_blobs, p_ordinals, p_chunk_raw_bytes, p_sha256, p_data)
    with ordinality as chunk (digest, ordinal, raw_bytes, sha256, data, place)
  join chosen on chosen.digest = chunk.digest and place > last - chosen.chunks and place <= last
  join claimed on claimed.digest = chunk.digest;
end
$$;
