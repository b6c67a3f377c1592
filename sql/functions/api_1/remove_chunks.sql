-- Deletes the chunks of the blobs `p_digests` (in hexadecimal).
create or replace function ofa_api_1.remove_chunks(p_digests text[]) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  delete from ofa.blob_chunk
  where digest = any (array(select decode(hex, 'hex') from unnest(p_digests) as named (hex)));
end
$$;
