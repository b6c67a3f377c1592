-- Stores small blobs, then records the outputs and inputs of completed attempts; records nothing for fenced attempts:
-- see ofa.record_artifacts.
create or replace function ofa_api_1.record_artifacts(p_blobs bytea[], p_raw_bytes bigint[], p_stored_bytes bigint[],
  p_chunks int[], p_filters text[], p_codecs text[], p_chunk_blobs bytea[], p_ordinals int[], p_chunk_raw_bytes int[],
  p_sha256 bytea[], p_data bytea[], p_kinds text[], p_names text[], p_roles text[], p_digests bytea[],
  p_metadata jsonb[], p_runs bigint[], p_jobs bigint[], p_tokens bigint[], p_stages text[], p_input_tokens bigint[],
  p_inputs bigint[], p_input_roles text[])
returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  perform ofa.record_artifacts(p_blobs, p_raw_bytes, p_stored_bytes, p_chunks, p_filters, p_codecs, p_chunk_blobs,
    p_ordinals, p_chunk_raw_bytes, p_sha256, p_data, p_kinds, p_names, p_roles, p_digests, p_metadata, p_runs, p_jobs,
    p_tokens, p_stages, p_input_tokens, p_inputs, p_input_roles);
end
$$;
