-- Locks the blobs `p_digests` (in hexadecimal) before their removal, and returns those that exist. With `p_skip`, blobs
-- that another transaction has locked are skipped. Blobs without a parent are locked before blobs with one. A
-- transaction that adds a reference to a blob locks the blob too (hold_blob), so that the caller's next statement sees
-- all references to the blobs locked here.
create or replace function ofa_api_1.lock_blobs(p_digests text[], p_skip boolean) returns setof text
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  if p_skip then
    return query select encode(digest, 'hex') from ofa.blob
      where digest in (select decode(hex, 'hex') from unnest(p_digests) as named (hex))
      order by parent is not null, digest for update skip locked;
  else
    return query select encode(digest, 'hex') from ofa.blob
      where digest in (select decode(hex, 'hex') from unnest(p_digests) as named (hex))
      order by parent is not null, digest for update;
  end if;
end
$$;
