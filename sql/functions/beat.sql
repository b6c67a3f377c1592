-- Says that a worker lives; returns what should happen to its leases, no row when its session is over. The leases come
-- from the worker: looking for them would read every lease the session ever had while old versions are kept.
create or replace function ofa.beat(p_session uuid, p_jobs bigint[], p_tokens bigint[])
returns table (token bigint, cancelled boolean, overdue boolean, stalled boolean) language plpgsql
set plan_cache_mode = force_generic_plan set enable_seqscan = off
set enable_hashjoin = off set enable_mergejoin = off as $$
#variable_conflict use_column
begin
  update ofa.session set beat_at = ofa.now() where uuid = p_session and state = 'alive';
  if not found then return; end if;
  return query
  select live.token, coalesce(live.cancel or run.cancel_requested_at is not null, false),
    coalesce(live.deadline_at <= ofa.now(), false), coalesce(live.stall_at <= ofa.now(), false)
  from (select) as one left join unnest(p_jobs, p_tokens) as held (job, token) on true
  left join ofa.live on live.job_id = any (array[held.job]) and live.token = held.token
  left join ofa.run on run.id = any (array[live.run_id]);
end
$$;
