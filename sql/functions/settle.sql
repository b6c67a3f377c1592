-- Ends a run if all of its groups have fired and all of its jobs have ended; returns whether the run was ended by this
-- call. The run must be locked.
create or replace function ofa.settle(p_run bigint) returns boolean language plpgsql as $$
begin
  update ofa.run set ended_at = ofa.now(),
    state = case
      when not exists (
        select from ofa.job_group where month = run.month and run_id = run.id and owner_job is null and not good)
        then 'completed'
      when cancel_requested_at is not null then 'cancelled'
      else 'failed' end
  where id = p_run and state = 'running'
    and not exists (
      select from ofa.job_group where month = run.month and run_id = run.id and (pending > 0 or fired_at is null));
  return found;
end
$$;
