-- Asks the worker of a running job to stop the job; returns false if the job is not running.
create or replace function ofa_api_1.cancel_running(p_job bigint) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  update ofa.live set cancel = true where job_id = p_job and state = 'running';
  return found;
end
$$;
