-- Locks the row of a leased job if the session that holds the lease has not expired; returns no row if the lease is
-- over. So a worker whose lease is over cannot write for the job.
create or replace function ofa_api_1.lock_lease(p_job bigint, p_token bigint, p_session uuid)
returns table (job_id bigint, run_id bigint)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  return query select live.job_id, live.run_id from ofa.live
    join ofa.session on session.id = live.session_id
    where live.job_id = p_job and live.token = p_token
      and session.uuid = p_session and session.state = 'alive' and session.beat_at + session.ttl > ofa.now()
    for update of live;
end
$$;
