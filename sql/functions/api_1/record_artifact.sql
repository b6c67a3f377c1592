-- Records an artifact and what its attempt read, once the attempt has completed; when it was fenced, nothing.
create or replace function ofa_api_1.record_artifact(p_kind text, p_name text, p_role text, p_digest bytea,
  p_metadata jsonb, p_run bigint, p_job bigint, p_token bigint, p_stage text, p_inputs bigint[], p_input_roles text[])
returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  perform ofa.record_artifact(p_kind, p_name, p_role, p_digest, p_metadata, p_run, p_job, p_token, p_stage, p_inputs,
    p_input_roles);
end
$$;
