-- Plans the start of a deferred run that has not started: its jobs are due at `p_starts_us` (microseconds since 1970). Returns
-- false and changes nothing if its time has come, if it has begun (also if the clock was set back since) or ended, if its start
-- was planned since it was read (`p_plans`), or if another transaction holds one of its jobs. `p_plan` says how the start was
-- chosen, by `p_forecast` (NULL: by none).
create or replace function ofa_api_1.plan_start(p_run bigint, p_plans int, p_starts_us bigint, p_forecast bigint, p_plan text)
returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  v_jobs bigint[];
begin
  -- The run's lock keeps its jobs from becoming available or cancelled meanwhile.
  perform from ofa.run where id = p_run and state = 'running' for no key update;
  if not found then return false; end if;
  v_jobs := array(
    select job_id from ofa.live where run_id = any (array[p_run]) and state = 'scheduled'
    order by job_id for update skip locked);
  if exists (select from ofa.live where run_id = any (array[p_run]) and state <> 'running' and job_id <> all (v_jobs))
    or ofa.has_begun(p_run)
  then return false; end if;
  -- Before its start no job is promoted (ofa.promote), so what is locked stays scheduled. The clock is read after the locks.
  update ofa.deferral set starts_at = ofa.time(p_starts_us), plans = plans + 1, planned_at = ofa.now(),
    forecast_id = p_forecast, plan = p_plan::json
  where run_id = p_run and plans = p_plans and starts_at > ofa.now() + (clock_timestamp() - statement_timestamp());
  if not found then return false; end if;
  -- Jobs of a held run wait for ofa.never(); ofa.hold_jobs gives them their due time.
  update ofa.live set due_at = greatest(ofa.time(p_starts_us), job.not_before) from ofa.job
  where live.job_id = any (v_jobs) and live.state = 'scheduled'
    and job.month = live.month and job.id = any (array[live.job_id])
    and not exists (select from ofa.run_hold where run_id = p_run);
  return true;
end
$$;
