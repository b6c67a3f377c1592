-- Deletes those of the blobs `p_digests` (in hexadecimal) that are of class checkpoint and not referenced; returns the
-- deleted blobs. All given blobs must be locked.
create or replace function ofa_api_1.remove_checkpoint_blobs(p_digests text[])
returns table (digest text, store text, stored_bytes bigint)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
begin
  return query delete from ofa.blob
  where digest in (select decode(hex, 'hex') from unnest(p_digests) as named (hex)) and class = 'checkpoint'
    and not exists (select from ofa.artifact where artifact.digest = blob.digest)
    and not exists (select from ofa.checkpoint where checkpoint.digest = blob.digest)
    and not exists (select from ofa.pin where pin.digest = blob.digest)
  returning encode(blob.digest, 'hex'), blob.store, blob.stored_bytes;
end
$$;
