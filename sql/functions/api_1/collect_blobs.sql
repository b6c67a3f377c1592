-- Marks the blobs `p_digests` (in hexadecimal) as collected: their rows remain as tombstones, without bytes. The blobs
-- must be locked. Returns the marked blobs, each with the store that held its bytes. Raises foreign_key_violation if
-- another blob is made from one of them.
create or replace function ofa_api_1.collect_blobs(p_digests text[]) returns table (digest text, store text)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
declare
  v_needed text;
begin
  select encode(parent, 'hex') into v_needed from ofa.blob
  where parent in (select decode(hex, 'hex') from unnest(p_digests) as named (hex)) limit 1;
  if found then
    raise exception 'blob % is the parent of a recipe or a delta', v_needed using errcode = 'foreign_key_violation',
      hint = 'Collect what is made from it first; an older ofa does not know it: use the newest.';
  end if;
  return query update ofa.blob set collected_at = ofa.now(), stored_bytes = 0, parent = null
  where digest in (select decode(hex, 'hex') from unnest(p_digests) as named (hex)) and collected_at is null
  returning encode(blob.digest, 'hex'), blob.store;
end
$$;
