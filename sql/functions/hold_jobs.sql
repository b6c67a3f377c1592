-- Schedules the waiting jobs of held runs for ofa.never(), and those of other runs that wait for it for the time when they, or
-- their deferred run that has not begun, may start, or now. An attempt that ends in the same moment as its run is held, or let
-- go, may put back a job that is found by the next call only. Jobs that other transactions have locked are skipped.
create or replace function ofa.hold_jobs() returns void language plpgsql
set plan_cache_mode = force_generic_plan set enable_seqscan = off
set enable_hashjoin = off set enable_mergejoin = off as $$
begin
  update ofa.live set state = 'scheduled', due_at = ofa.never()
  where state <> 'running' and job_id = any (array(
    select live.job_id from ofa.run_hold join ofa.live on live.run_id = any (array[run_hold.run_id])
    where live.state <> 'running' and live.due_at is distinct from ofa.never()
    order by live.job_id for update of live skip locked));
  with free as materialized (
    select job_id from ofa.live
    where state in ('scheduled', 'retryable') and due_at = ofa.never()
      and (select true from ofa.run_hold where run_hold.run_id = any (array[live.run_id])) is null
    order by job_id for update skip locked
  )
  update ofa.live set due_at = greatest(ofa.now(), job.not_before,
    (select starts_at from ofa.deferral
      where deferral.run_id = any (array[live.run_id]) and not ofa.has_begun(deferral.run_id))) from free, ofa.job
  where live.job_id = any (array[free.job_id]) and live.state in ('scheduled', 'retryable') and live.due_at = ofa.never()
    and job.month = live.month and job.id = any (array[live.job_id]);
end
$$;
