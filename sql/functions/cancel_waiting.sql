-- Cancels the jobs of a run that are not running, and fires the groups that are then decided (see ofa.fire). The run
-- must be locked and marked for cancellation. For the cancel request itself `p_owners` is NULL, and the function reads
-- all jobs of the run. For attempts that end after the request, `p_owners` lists the ended jobs that may have fanned
-- out. Then the function reads only ofa.live and the jobs that wait for these fan-outs: the request has cancelled all
-- other waiting jobs.
create or replace function ofa.cancel_waiting(p_run bigint, p_owners bigint[]) returns void language plpgsql
set plan_cache_mode = force_generic_plan set enable_seqscan = off
set enable_hashjoin = off set enable_mergejoin = off as $$
declare
  v_month int := (select month from ofa.run where id = p_run);
  v_jobs bigint[];
begin
  if p_owners is null then
    v_jobs := array(
      select job.id from ofa.job where job.month = v_month and job.run_id = p_run
        and (select true from ofa.outcome where outcome.month = v_month and outcome.job_id = job.id) is null
        and (select true from ofa.live where live.job_id = job.id and live.state = 'running') is null
      order by job.id);
  else
    v_jobs := array(
      select job_id from ofa.live where run_id = p_run and state <> 'running'
      union
      select job.id from ofa.job_group join ofa.job on job.month = v_month and job.waits_for = job_group.id
      where job_group.month = v_month and job_group.owner_job = any (p_owners)
        and (select true from ofa.outcome where outcome.month = v_month and outcome.job_id = job.id) is null
        and (select true from ofa.live where live.job_id = job.id and live.state = 'running') is null
      order by 1);
  end if;
  if cardinality(v_jobs) > 0 then
    perform ofa.fire(ofa.end_waiting(v_jobs, 'cancelled', 'the run was cancelled'));
  end if;
end
$$;
