-- Locks a running job whose session is over, or whose timeout or stall timeout passed more than the session's term
-- (`ttl`) ago. Returns no row if neither holds, or if another transaction has locked the job.
create or replace function ofa_api_1.lock_lost_job(p_job bigint)
returns table (job_id bigint, run_id bigint, token bigint, attempt int, max_attempts int, crashes int,
  group_id bigint, lane_id int, seq bigint, ordinal int, kind text, args json, backoff json, stage text, uuid uuid,
  session_name text, lost boolean, timeout_seconds float8, stall_seconds float8, threads int, memory_mb int,
  stalled boolean)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  return query select live.job_id, live.run_id, live.token, live.attempt, live.max_attempts, live.crashes,
      live.group_id, live.lane_id, live.seq, job.ordinal, job.kind, job.args, job.backoff,
      job.stage, session.uuid, session.name, session.state <> 'alive',
      extract(epoch from job.timeout)::float8, extract(epoch from job.stall)::float8,
      lane.threads, lane.memory_mb, coalesce(live.stall_at < ofa.now(), false)
    from ofa.live
    join ofa.session on session.id = live.session_id
    join ofa.job on job.month = live.month and job.id = live.job_id
    join ofa.lane on lane.id = live.lane_id
    where live.job_id = p_job and live.state = 'running' and (session.state <> 'alive'
      or least(live.deadline_at, live.stall_at) + session.ttl < ofa.now())
    for update of live skip locked;
end
$$;
