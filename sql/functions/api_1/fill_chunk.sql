-- Stores the data of a chunk in the database.
create or replace function ofa_api_1.fill_chunk(p_digest bytea, p_ordinal int, p_data bytea) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  update ofa.blob_chunk set data = p_data where digest = p_digest and ordinal = p_ordinal;
end
$$;
