-- Makes the jobs of the run `p_run` available (or scheduled); returns how many. Skips blocked jobs, ended jobs and jobs
-- that are in ofa.live already. The run must be locked.
create or replace function ofa_api_1.release_run(p_run bigint) returns int
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  return ofa.make_live(array(
    select job.id from ofa.job join ofa.job_group on job_group.id = job.group_id
    left join ofa.job_group as awaited on awaited.id = job.waits_for
    where job.run_id = p_run and job_group.released_at is not null
      and (job.waits_for is null or awaited.good or not awaited.good and awaited.on_bad = 'run')
    order by job.id));
end
$$;
