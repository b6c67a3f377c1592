-- Records a heartbeat of the session `p_session`; returns no row if the session is over. Otherwise returns a row for
-- each given lease (`p_jobs` with `p_tokens`), or a single row if no lease is given. In each row, `cancelled`,
-- `overdue` and `stalled` say whether and why the job must stop; `token` is NULL if the lease is over. Every row also
-- lists those of `p_duties` that the session holds for the next `p_duty_seconds`. A session takes over a duty that the
-- previous holder has not renewed in time.
--
-- The worker passes its leases, because a search by session would also read the dead rows of past leases, which cannot
-- be vacuumed while an old snapshot exists.
create or replace function ofa.beat(p_session uuid, p_working_slots int, p_jobs bigint[], p_tokens bigint[],
  p_duties text[], p_duty_seconds float8)
returns table (token bigint, cancelled boolean, overdue boolean, stalled boolean, duties text[]) language plpgsql
set plan_cache_mode = force_generic_plan set enable_seqscan = off
set enable_hashjoin = off set enable_mergejoin = off as $$
#variable_conflict use_column
declare
  v_now timestamptz := ofa.now();
  v_session bigint;
  v_duties text[];
begin
  update ofa.session set beat_at = v_now, working_slots = p_working_slots
  where uuid = p_session and state = 'alive' returning id into v_session;
  if not found then return; end if;
  if cardinality(p_duties) > 0 then
    with mine as materialized (
      select name from ofa.duty
      where name = any (p_duties) and (session_id = v_session or held_until < v_now
        -- A time so far in the future means that the clock was set back after the holder renewed the duty.
        or held_until > v_now + interval '1 hour')
      order by name for update skip locked
    ), held as (
      update ofa.duty set session_id = v_session, held_until = v_now + make_interval(secs => p_duty_seconds)
      from mine where duty.name = any (array[mine.name])
      returning duty.name
    )
    select array_agg(name order by name) into v_duties from held;
  end if;
  return query
  select live.token, coalesce(live.cancel or run.cancel_requested_at is not null, false),
    coalesce(live.deadline_at <= v_now, false), coalesce(live.stall_at <= v_now, false), coalesce(v_duties, '{}')
  from (select) as one left join unnest(p_jobs, p_tokens) as held (job, token) on true
  left join ofa.live on live.job_id = any (array[held.job]) and live.token = held.token
  left join ofa.run on run.id = any (array[live.run_id]);
end
$$;
