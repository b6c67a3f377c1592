-- Makes up to `p_limit` due jobs (scheduled or retryable) available, in the order of their due times; returns how many.
-- Jobs that other transactions have locked are skipped.
create or replace function ofa.promote(p_limit int) returns int language plpgsql
set plan_cache_mode = force_generic_plan set enable_seqscan = off
set enable_hashjoin = off set enable_mergejoin = off as $$
declare
  v_promoted int;
begin
  -- The check costs one index probe, and usually nothing is due.
  if not exists (
    select from ofa.live where state in ('scheduled', 'retryable') and due_at <= ofa.now()) then return 0; end if;
  with due as materialized (
    select job_id from ofa.live where state in ('scheduled', 'retryable') and due_at <= ofa.now()
    order by due_at, job_id limit p_limit for update skip locked
  ), placed as materialized (
    select job_id, nextval('ofa.live_seq') as seq from due
  )
  update ofa.live set state = 'available', due_at = null, seq = placed.seq from placed
  where live.job_id = placed.job_id and live.state in ('scheduled', 'retryable');
  get diagnostics v_promoted = row_count;
  return v_promoted;
end
$$;
