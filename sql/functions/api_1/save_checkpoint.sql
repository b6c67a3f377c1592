-- Saves a checkpoint. Of the job's checkpoints with the same name and a lower `seq`, only the newest is kept. Returns,
-- for each deleted checkpoint, the digest of its blob, or NULL if it has none. The lease must be locked. The first
-- checkpoint of an attempt forgives the job one crash if `p_seq` exceeds the `seq` of all earlier checkpoints of the
-- job with that name.
create or replace function ofa_api_1.save_checkpoint(p_job bigint, p_token bigint, p_name text, p_seq bigint,
  p_payload json, p_digest bytea) returns setof bytea
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  update ofa.live set crashes = crashes - 1
  where job_id = p_job and token = p_token and crashes > 0
    and not exists (
      select from ofa.checkpoint where checkpoint.job_id = p_job
        and (checkpoint.token = p_token or checkpoint.name = p_name and checkpoint.seq >= p_seq));
  insert into ofa.checkpoint (job_id, name, seq, token, payload, digest, saved_at)
  values (p_job, p_name, p_seq, p_token, p_payload, p_digest, ofa.now())
  on conflict (job_id, name, seq) do update
  set token = excluded.token, payload = excluded.payload, digest = excluded.digest, saved_at = excluded.saved_at;
  return query delete from ofa.checkpoint
  where job_id = p_job and name = p_name and seq < (
    select max(older.seq) from ofa.checkpoint as older
    where older.job_id = p_job and older.name = p_name and older.seq < p_seq)
  returning checkpoint.digest;
end
$$;
