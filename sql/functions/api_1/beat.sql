-- Records a heartbeat of a worker's session. Returns an instruction for each given lease, and the duties that the
-- session holds; returns no row if the session is over: see ofa.beat.
create or replace function ofa_api_1.beat(p_session uuid, p_working_slots int, p_jobs bigint[], p_tokens bigint[],
  p_duties text[], p_duty_seconds float8)
returns table (token bigint, cancelled boolean, overdue boolean, stalled boolean, duties text[])
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  return query select * from ofa.beat(p_session, p_working_slots, p_jobs, p_tokens, p_duties, p_duty_seconds);
end
$$;
