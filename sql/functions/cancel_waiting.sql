-- Ends every job of a run that does not run, and what follows. The run is locked.
create or replace function ofa.cancel_waiting(p_run bigint) returns void language plpgsql as $$
begin
  perform ofa.fire(ofa.end_waiting(array(
    select job.id from ofa.job where job.run_id = p_run
      and (select true from ofa.outcome where outcome.job_id = job.id) is null
      and (select true from ofa.live where live.job_id = job.id and live.state = 'running') is null
    order by job.id), 'cancelled', 'the run was cancelled'));
end
$$;
