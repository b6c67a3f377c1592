-- Protects the bytes of a blob from garbage collection until the transaction ends; returns the blob's number of chunks,
-- or no row if its bytes are not stored.
create or replace function ofa_api_1.hold_blob(p_digest bytea) returns setof int
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  return query select chunks from ofa.blob where digest = p_digest and collected_at is null for key share;
end
$$;
