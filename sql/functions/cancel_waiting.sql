-- Ends the jobs of a run that do not run, and what follows. The run is locked, and to be cancelled. Blocked ones are looked
-- for with `p_blocked` only: after the cancel itself there are none but what a job adds that was running then, so that an
-- end in a cancelled run need not go through all of its jobs.
create or replace function ofa.cancel_waiting(p_run bigint, p_blocked boolean) returns void language plpgsql
set plan_cache_mode = force_generic_plan set enable_seqscan = off
set enable_hashjoin = off set enable_mergejoin = off as $$
declare
  v_month int := (select month from ofa.run where id = p_run);
  v_jobs bigint[];
begin
  if p_blocked then
    v_jobs := array(
      select job.id from ofa.job where job.month = v_month and job.run_id = p_run
        and (select true from ofa.outcome where outcome.month = v_month and outcome.job_id = job.id) is null
        and (select true from ofa.live where live.job_id = job.id and live.state = 'running') is null
      order by job.id);
  else
    v_jobs := array(select job_id from ofa.live where run_id = p_run and state <> 'running' order by job_id);
  end if;
  if cardinality(v_jobs) > 0 then
    perform ofa.fire(ofa.end_waiting(v_jobs, 'cancelled', 'the run was cancelled'));
  end if;
end
$$;
