-- Moves the chunks of a blob from class checkpoint to class lasting.
create or replace function ofa_api_1.keep_chunks(p_digest bytea) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  update ofa.blob_chunk set class = 'lasting' where digest = p_digest and class = 'checkpoint';
end
$$;
