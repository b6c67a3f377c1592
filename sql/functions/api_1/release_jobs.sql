-- Makes the jobs `p_jobs`, all of one run, available again (or scheduled), with their full number of attempts; returns
-- how many. Skips blocked jobs, ended jobs and jobs that are in ofa.live already. The run must be locked.
create or replace function ofa_api_1.release_jobs(p_jobs bigint[]) returns int
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  return ofa.make_live(array(
    select job.id from ofa.job join ofa.job_group on job_group.id = job.group_id
    left join ofa.job_group as awaited on awaited.id = job.waits_for
    where job.id = any (p_jobs) and job_group.released_at is not null
      and (job.waits_for is null or awaited.good or not awaited.good and awaited.on_bad = 'run')));
end
$$;
