-- Locks blobs for removal, given in hexadecimal; `p_skip` skips those that another transaction has locked. A
-- transaction that adds a reference to a blob holds it (hold_blob), so that the next statement sees every reference.
create or replace function ofa_api_1.lock_blobs(p_digests text[], p_skip boolean) returns setof text
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  if p_skip then
    return query select encode(digest, 'hex') from ofa.blob
      where digest in (select decode(hex, 'hex') from unnest(p_digests) as named (hex))
      order by digest for update skip locked;
  else
    return query select encode(digest, 'hex') from ofa.blob
      where digest in (select decode(hex, 'hex') from unnest(p_digests) as named (hex))
      order by digest for update;
  end if;
end
$$;
