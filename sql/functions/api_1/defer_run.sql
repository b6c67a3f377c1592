-- Keeps the run `p_run` from starting until its start is planned (ofa_api_1.plan_start), in the transaction that created it;
-- returns false if another one did. The start is planned in the same transaction: otherwise the run never starts. Times are
-- microseconds since 1970; the run may start from `p_earliest_us` on, shall end by `p_deadline_us`, and takes `p_seconds` (NULL:
-- as long as like runs).
create or replace function ofa_api_1.defer_run(p_run bigint, p_zone text, p_earliest_us bigint, p_deadline_us bigint,
  p_seconds float8) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  perform pg_advisory_xact_lock_shared(7316291046);
  insert into ofa.deferral (run_id, zone, earliest, deadline, seconds, starts_at)
  select id, p_zone, ofa.time(p_earliest_us), ofa.time(p_deadline_us), p_seconds, ofa.never() from ofa.run
  where id = p_run and state = 'running' and xmin = pg_current_xact_id()::xid;
  if not found then return false; end if;
  update ofa.live set state = 'scheduled', due_at = ofa.never()
  where run_id = any (array[p_run]) and state in ('available', 'scheduled');
  return true;
end
$$;
