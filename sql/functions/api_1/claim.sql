-- Leases up to `p_limit` available jobs of some kinds to a living session, most urgent first, each with a new token:
-- see ofa.claim.
create or replace function ofa_api_1.claim(p_session uuid, p_kinds text[], p_run bigint, p_limit int, p_threads int,
  p_memory_mb int, p_alone boolean, p_lanes int[], p_floors bigint[])
returns table (job_id bigint, run_id bigint, token bigint, attempt int, max_attempts int, crashes int,
  group_id bigint, ordinal int, kind text, args json, backoff json, stage text, timeout_seconds float8,
  stall_seconds float8, threads int, memory_mb int, lane_id int, seq bigint, horizon bigint, finished bigint)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  return query select * from ofa.claim(p_session, p_kinds, p_run, p_limit, p_threads, p_memory_mb, p_alone, p_lanes,
    p_floors);
end
$$;
