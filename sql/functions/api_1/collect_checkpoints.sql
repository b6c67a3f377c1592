-- Deletes up to `p_limit` checkpoints of jobs that completed, that were discarded or cancelled more than
-- `p_grace_seconds` ago, or that do not exist. Returns, for each deleted checkpoint, the digest of its blob, or NULL if
-- it has none.
create or replace function ofa_api_1.collect_checkpoints(p_grace_seconds float8, p_limit int) returns setof bytea
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  return query delete from ofa.checkpoint using (
    select job_id, name, seq from ofa.checkpoint
    where (select true from ofa.job where job.id = checkpoint.job_id) is null
      or exists (select from ofa.outcome where outcome.job_id = checkpoint.job_id
        and (outcome.state = 'completed'
          or outcome.ended_at < ofa.now() - make_interval(secs => p_grace_seconds)))
    limit p_limit) as ended
  where checkpoint.job_id = ended.job_id and checkpoint.name = ended.name and checkpoint.seq = ended.seq
  returning checkpoint.digest;
end
$$;
