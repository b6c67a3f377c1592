-- Records an artifact whose bytes are stored, and protects the bytes from garbage collection until the transaction
-- ends; returns the artifact's id. Returns no row if the bytes are not stored, or if the attempt `p_token` has already
-- recorded an output with this role and name.
create or replace function ofa_api_1.add_artifact(p_kind text, p_name text, p_role text, p_digest bytea,
  p_metadata jsonb, p_run bigint, p_job bigint, p_token bigint, p_stage text)
returns setof bigint
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  perform from ofa.blob where digest = p_digest and collected_at is null for key share;
  if not found then return; end if;
  return query insert into ofa.artifact (kind, name, role, digest, metadata, run_id, job_id, token, stage)
  values (p_kind, p_name, p_role, p_digest, p_metadata, p_run, p_job, p_token, p_stage)
  on conflict (token, role, name) do nothing returning id;
end
$$;
