-- Reopens those of the jobs `p_jobs` in the group `p_group` that were discarded or cancelled; returns no row if there
-- are none. If the group had ended badly, it becomes unfinished again and `is_open` is true: then the caller must also
-- reopen the jobs that were cancelled because of the group. The group's run must be locked.
create or replace function ofa_api_1.reopen_group(p_group bigint, p_jobs bigint[])
returns table (id bigint, is_open boolean)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
begin
  return query with before as materialized (
    select coalesce(not good, false) as was_bad from ofa.job_group where job_group.id = p_group
  ), back as (
    delete from ofa.outcome where group_id = p_group and job_id = any (p_jobs) and state <> 'completed'
    returning job_id
  ), counted as materialized (
    select count(*)::int as jobs from back
  )
  update ofa.job_group set
    pending = pending + counted.jobs, bad = bad - counted.jobs,
    fired_at = case when good then fired_at end, good = case when good then true end
  from counted, before where job_group.id = p_group and counted.jobs > 0
  returning job_group.id, before.was_bad;
end
$$;
