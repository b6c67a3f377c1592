-- Records artifacts as inputs of an attempt, each with its role. Inputs that are recorded already are skipped.
create or replace function ofa_api_1.add_inputs(p_token bigint, p_artifacts bigint[], p_roles text[]) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  insert into ofa.artifact_input (token, artifact_id, role)
  select p_token, input.artifact, input.role from unnest(p_artifacts, p_roles) as input (artifact, role)
  on conflict do nothing;
end
$$;
