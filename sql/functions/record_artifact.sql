-- Records an artifact and what its attempt read, once; in the transaction that completed the attempt, after it did: when it
-- was fenced, nothing. From here on a collection waits for this transaction.
create or replace function ofa.record_artifact(p_kind text, p_name text, p_role text, p_digest bytea, p_metadata jsonb,
  p_run bigint, p_job bigint, p_token bigint, p_stage text, p_inputs bigint[], p_input_roles text[]) returns void
language plpgsql set plan_cache_mode = force_generic_plan set enable_seqscan = off
set enable_hashjoin = off set enable_mergejoin = off as $$
declare
  v_now timestamptz := ofa.now();
begin
  -- Only in the partitions of now: one that was written long ago took its artifacts with it.
  if not exists (
    select from ofa.attempt where attempt.job_id = p_job and attempt.token = p_token and attempt.outcome = 'completed'
      and attempt.ended_at between v_now - interval '1 hour' and v_now) then return; end if;
  perform from ofa.blob where blob.digest = p_digest and blob.collected_at is null for key share;
  if not found then
    raise exception 'the bytes of artifact %, blob %, are not here', quote_literal(p_name), encode(p_digest, 'hex')
      using errcode = 'foreign_key_violation', hint = 'Put them first.';
  end if;
  insert into ofa.artifact (kind, name, role, digest, metadata, run_id, job_id, token, stage)
  values (p_kind, p_name, p_role, p_digest, p_metadata, p_run, p_job, p_token, p_stage)
  on conflict (token, role, name) do nothing;
  insert into ofa.artifact_input (token, artifact_id, role)
  select p_token, input.artifact, input.role from unnest(p_inputs, p_input_roles) as input (artifact, role)
  on conflict do nothing;
end
$$;
