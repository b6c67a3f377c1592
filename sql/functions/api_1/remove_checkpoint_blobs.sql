-- Deletes those of the blobs `p_digests` (in hexadecimal) that are of class checkpoint and not referenced, then those
-- of their parents that no other reference keeps; returns the deleted blobs. All given blobs must be locked. Parents
-- that another transaction has locked are skipped: the collection of unreferenced blobs removes them later.
create or replace function ofa_api_1.remove_checkpoint_blobs(p_digests text[])
returns table (digest text, store text, stored_bytes bigint)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
declare
  v_digests bytea[] := array(select decode(hex, 'hex') from unnest(p_digests) as named (hex));
  v_removed ofa.blob;
  v_parents bytea[];
begin
  while cardinality(v_digests) > 0 loop
    v_parents := '{}';
    for v_removed in
      delete from ofa.blob
      where digest = any (v_digests) and class = 'checkpoint'
        and not exists (select from ofa.artifact where artifact.digest = blob.digest)
        and not exists (select from ofa.checkpoint where checkpoint.digest = blob.digest)
        and not exists (select from ofa.pin where pin.digest = blob.digest)
        and not exists (select from ofa.blob as derived where derived.parent = blob.digest)
      returning blob.*
    loop
      digest := encode(v_removed.digest, 'hex');
      store := v_removed.store;
      stored_bytes := v_removed.stored_bytes;
      return next;
      if v_removed.parent is not null then v_parents := v_parents || v_removed.parent; end if;
    end loop;
    -- The next statement sees every reference to the blobs that are locked here.
    v_digests := array(
      select digest from ofa.blob where digest = any (v_parents) order by digest for update skip locked);
  end loop;
end
$$;
