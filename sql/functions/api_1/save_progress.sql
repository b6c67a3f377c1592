-- Writes the progress of a running attempt; returns false if the attempt is not running. If the progress has changed,
-- the attempt's stall timeout restarts.
create or replace function ofa_api_1.save_progress(p_job bigint, p_token bigint, p_fraction float8, p_message text)
returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  with further as materialized (
    select live.job_id, live.month from ofa.live left join ofa.progress using (job_id, month)
    where live.job_id = p_job and live.token = p_token and live.stall_at is not null
      and (progress.token, progress.fraction, progress.message) is distinct from (p_token, p_fraction, p_message)
  ), alive as (
    update ofa.live set stall_at = ofa.now() + job.stall from further join ofa.job on job.month = further.month and job.id = further.job_id
    where live.job_id = further.job_id and live.token = p_token
  )
  insert into ofa.progress (job_id, month, token, fraction, message, updated_at)
  select p_job, month, p_token, p_fraction, p_message, ofa.now()
  from ofa.live where job_id = p_job and token = p_token
  on conflict (job_id, month) do update
  set token = excluded.token, fraction = excluded.fraction, message = excluded.message,
    updated_at = excluded.updated_at;
  return found;
end
$$;
