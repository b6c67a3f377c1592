-- Deletes those of the blobs `p_digests` (in hexadecimal) that are not referenced and were last put more than
-- `p_grace_seconds` ago and before the oldest running attempt began; returns the deleted blobs. All given blobs must be
-- locked.
create or replace function ofa_api_1.remove_orphans(p_digests text[], p_grace_seconds float8)
returns table (digest text, store text, stored_bytes bigint)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
begin
  return query delete from ofa.blob
  where digest in (select decode(hex, 'hex') from unnest(p_digests) as named (hex))
    and put_at < ofa.now() - make_interval(secs => p_grace_seconds)
    and put_at < coalesce((select min(started_at) from ofa.live where state = 'running'), 'infinity')
    and not exists (select from ofa.artifact where artifact.digest = blob.digest)
    and not exists (select from ofa.checkpoint where checkpoint.digest = blob.digest)
    and not exists (select from ofa.pin where pin.digest = blob.digest)
    and not exists (select from ofa.blob as derived where derived.parent = blob.digest)
  returning encode(blob.digest, 'hex'), blob.store, blob.stored_bytes;
end
$$;
