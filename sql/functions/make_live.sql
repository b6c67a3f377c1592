-- Makes jobs of one run available, or scheduled if their start time, or that of a deferred run that has not begun, is in the
-- future; returns how many. The caller passes no blocked jobs. Jobs that have ended or are in ofa.live already are skipped.
create or replace function ofa.make_live(p_jobs bigint[]) returns int language plpgsql
set plan_cache_mode = force_generic_plan set enable_seqscan = off
set enable_hashjoin = off set enable_mergejoin = off as $$
declare
  v_month int := (select month from ofa.job where id = p_jobs[1]);
  v_made int;
  -- Jobs of a held run wait for ofa.never().
  v_held boolean := exists (
    select from ofa.job join ofa.run_hold on run_hold.run_id = job.run_id where job.id = p_jobs[1]);
  -- NULL unless the run is deferred and has not begun.
  v_start timestamptz := (
    select deferral.starts_at from ofa.job join ofa.deferral on deferral.run_id = job.run_id
    where job.id = p_jobs[1] and not ofa.has_begun(deferral.run_id));
begin
  insert into ofa.live (job_id, month, run_id, group_id, account_id, lane_id, max_attempts, max_crashes, state, due_at)
  select job.id, job.month, job.run_id, job.group_id, job.account_id, job.lane_id, job.max_attempts, job.max_crashes,
    case when v_held or greatest(job.not_before, v_start) > ofa.now() then 'scheduled' else 'available' end,
    case when v_held then ofa.never()
      when greatest(job.not_before, v_start) > ofa.now() then greatest(job.not_before, v_start) end
  from unnest(p_jobs) with ordinality as picked (id, place)
  join ofa.job on job.month = v_month and job.id = any (array[picked.id])
  where (select true from ofa.outcome where outcome.month = v_month and outcome.job_id = job.id) is null
    -- A job that is in ofa.live already is skipped without waiting for its row: a transaction that ends the job may
    -- have locked the row and wait for the run, which is locked here.
    and (select true from ofa.live where live.job_id = job.id) is null
  order by picked.place
  on conflict (job_id) do nothing;
  get diagnostics v_made = row_count;
  return v_made;
end
$$;
