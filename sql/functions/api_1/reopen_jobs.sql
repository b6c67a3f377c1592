-- Reopens all discarded and cancelled jobs of a run and, if there are any, the groups that had ended badly. Returns the
-- groups of the reopened jobs. The run must be locked.
create or replace function ofa_api_1.reopen_jobs(p_run bigint) returns setof bigint
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  v_month int := (select month from ofa.run where id = p_run);
begin
  return query with back as (
    delete from ofa.outcome using ofa.job
    where job.month = v_month and outcome.month = v_month and job.id = outcome.job_id and job.run_id = p_run
      and outcome.state <> 'completed'
    returning outcome.group_id
  ), counted as materialized (
    select group_id, count(*)::int as jobs from back group by group_id
  ), changed as materialized (
    select job_group.id, coalesce(counted.jobs, 0) as jobs
    from ofa.job_group left join counted on counted.group_id = job_group.id
    where job_group.month = v_month and job_group.run_id = p_run and (counted.jobs > 0 or not job_group.good)
      and exists (select from counted)
  ), opened as (
    update ofa.job_group set pending = pending + changed.jobs, bad = bad - changed.jobs,
      fired_at = case when good then fired_at end, good = case when good then true end
    from changed where job_group.month = v_month and job_group.id = changed.id
  )
  select changed.id from changed where jobs > 0 order by changed.id;
end
$$;
