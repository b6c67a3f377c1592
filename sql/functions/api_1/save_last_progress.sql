-- Writes the final progress of a job's newest attempt, if that progress arrives after the attempt has ended. Unlike
-- save_progress, this function searches ended attempts.
create or replace function ofa_api_1.save_last_progress(p_job bigint, p_token bigint, p_fraction float8,
  p_message text)
returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  insert into ofa.progress (job_id, month, token, fraction, message, updated_at)
  select p_job, month, p_token, p_fraction, p_message, ofa.now()
  from ofa.job
  where id = p_job
    and p_token = (select max(token) from ofa.attempts_of(array[p_job], job.created_at, ofa.now()))
    and not exists (select from ofa.live where job_id = p_job and token > p_token)
  on conflict (job_id, month) do update
  set token = excluded.token, fraction = excluded.fraction, message = excluded.message,
    updated_at = excluded.updated_at;
end
$$;
