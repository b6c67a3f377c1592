-- Stores small blobs, then records the outputs and inputs of completed attempts, idempotently. This function must run
-- in the transaction that ended the attempts, after the attempts were ended. Nothing is recorded for an attempt that
-- was fenced or did not complete. The artifacts' blobs are locked until the transaction ends, so that garbage
-- collection does not remove these blobs. Raises object_not_in_prerequisite_state if an attempt is unknown and its job
-- is neither in ofa.live nor ended, and foreign_key_violation if the bytes of an artifact are not stored.
create or replace function ofa.record_artifacts(p_blobs bytea[], p_raw_bytes bigint[], p_stored_bytes bigint[],
  p_chunks int[], p_filters text[], p_codecs text[], p_chunk_blobs bytea[], p_ordinals int[], p_chunk_raw_bytes int[],
  p_sha256 bytea[], p_data bytea[], p_kinds text[], p_names text[], p_roles text[], p_digests bytea[],
  p_metadata jsonb[], p_runs bigint[], p_jobs bigint[], p_tokens bigint[], p_stages text[], p_input_tokens bigint[],
  p_inputs bigint[], p_input_roles text[]) returns void
language plpgsql set plan_cache_mode = force_generic_plan set enable_seqscan = off as $$
declare
  v_now timestamptz := ofa.now();
  v_made bigint[];
  v_others bigint[];
  v_late bigint[];
  v_lost bigint;
  v_name text;
  v_digest bytea;
begin
  if cardinality(p_blobs) > 0 then
    perform ofa.put_blobs(p_blobs, p_raw_bytes, p_stored_bytes, p_chunks, p_filters, p_codecs, p_chunk_blobs, p_ordinals,
      p_chunk_raw_bytes, p_sha256, p_data);
  end if;
  -- v_made gets the indices of the attempts that completed within a day of now. v_others gets the jobs of attempts that
  -- are not running and have no end within a day of now. An attempt that still runs was fenced: it is in neither array.
  select array_agg(place) filter (where tried.outcome = 'completed'),
    array_agg(given.job) filter (where tried.token is null and not exists (
      select from ofa.live where live.job_id = any (array[given.job]) and live.token = given.token))
  into v_made, v_others
  from unnest(p_jobs, p_tokens) with ordinality as given (job, token, place)
  left join ofa.attempts_of(p_jobs, v_now, v_now) as tried on tried.job_id = given.job and tried.token = given.token;
  if v_others is not null then
    -- These attempts ended over a day ago, or the clock was moved by days. Their artifacts must not be lost.
    select array_agg(place) filter (where tried.outcome = 'completed'),
      min(given.job) filter (where tried.token is null
        and not exists (select from ofa.live where live.job_id = any (array[given.job]))
        and not exists (select from ofa.outcome where outcome.job_id = any (array[given.job])))
    into v_late, v_lost
    from unnest(p_jobs, p_tokens) with ordinality as given (job, token, place)
    left join ofa.attempts_of(v_others, null, 'infinity') as tried
      on tried.job_id = given.job and tried.token = given.token
    where given.job = any (v_others);
    if v_lost is not null then
      raise exception 'job % made artifacts, and nothing is known of its attempt', v_lost
        using errcode = 'object_not_in_prerequisite_state', hint = 'Record them in the transaction that ends it.';
    end if;
    v_made := v_made || v_late;
  end if;
  with made as materialized (
    select given.* from unnest(p_kinds, p_names, p_roles, p_digests, p_metadata, p_runs, p_jobs, p_tokens, p_stages)
      with ordinality as given (kind, name, role, digest, metadata, run, job, token, stage, place)
    where place = any (v_made)
  ), held as materialized (
    -- Blobs are locked in the order of their digests, as in put_blobs.
    select blob.digest from (select distinct digest from made order by digest) as named
    join ofa.blob on blob.digest = any (array[named.digest])
    where blob.collected_at is null for key share of blob
  ), recorded as (
    insert into ofa.artifact (kind, name, role, digest, metadata, run_id, job_id, token, stage)
    select kind, name, role, digest, metadata, run, job, token, stage from made order by place
    on conflict (token, role, name) do nothing
  ), read as (
    insert into ofa.artifact_input (token, artifact_id, role)
    select token, artifact, role from unnest(p_input_tokens, p_inputs, p_input_roles) as input (token, artifact, role)
    where token in (select token from made)
    on conflict do nothing
  )
  select name, digest into v_name, v_digest from made where digest not in (select digest from held) limit 1;
  if found then
    raise exception 'the bytes of artifact %, blob %, are not here', quote_literal(v_name), encode(v_digest, 'hex')
      using errcode = 'foreign_key_violation', hint = 'Put them first.';
  end if;
end
$$;
