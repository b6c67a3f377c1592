-- Records the stored size of a blob, after its chunks were stored.
create or replace function ofa_api_1.set_blob_size(p_digest bytea, p_stored_bytes bigint) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  update ofa.blob set stored_bytes = p_stored_bytes where digest = p_digest;
end
$$;
