-- Ends those of the jobs `p_jobs`, all of one run, that are neither running nor ended; their state becomes `p_state`.
-- Returns the groups whose counters changed. The run must be locked.
create or replace function ofa.end_waiting(p_jobs bigint[], p_state text, p_reason text)
returns bigint[] language plpgsql
set plan_cache_mode = force_generic_plan set enable_seqscan = off
set enable_hashjoin = off set enable_mergejoin = off as $$
declare
  v_month int := (select month from ofa.job where id = p_jobs[1]);
  v_groups bigint[];
begin
  with picked as materialized (
    select job.id, job.group_id from unnest(p_jobs) as given (id)
    join ofa.job on job.month = v_month and job.id = any (array[given.id])
  ), waiting as materialized (
    -- A row that another transaction has locked is skipped: waiting for it could deadlock, because that transaction may
    -- wait for the run, which is locked here. If the job is still waiting afterwards, the caller's next pass ends it.
    select live.job_id from picked join ofa.live on live.job_id = any (array[picked.id])
    where live.state <> 'running' order by live.job_id for update of live skip locked
  ), gone as (
    delete from ofa.live using waiting where live.job_id = any (array[waiting.job_id]) and live.state <> 'running'
    returning live.job_id
  ), ended as (
    insert into ofa.outcome (job_id, month, group_id, state, reason, ended_at)
    select picked.id, v_month, picked.group_id, p_state, p_reason, ofa.now() from picked
    where (picked.id in (select job_id from gone)
        or (select true from ofa.live where live.job_id = picked.id) is null)
      and (select true from ofa.outcome where outcome.month = v_month and outcome.job_id = picked.id) is null
    returning job_id, group_id
  ), freed as (
    delete from ofa.unique_job using ended where unique_job.job_id = any (array[ended.job_id])
  ), counted as materialized (
    select group_id, count(*)::int as jobs from ended group by group_id
  ), told as (
    update ofa.job_group set pending = pending - counted.jobs, bad = bad + counted.jobs
    from counted where job_group.month = v_month and job_group.id = counted.group_id
    returning job_group.id
  )
  select coalesce(array_agg(id order by id), '{}') into v_groups from told;
  return v_groups;
end
$$;
