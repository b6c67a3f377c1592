-- Leases up to `p_limit` available jobs of the kinds `p_kinds` and of the run `p_run` (NULL: any) to the session
-- `p_session`: most urgent first, then in the order in which they became available. Returns nothing if the session is
-- over. Rows are returned in no order: the caller sorts them by priority and seq.
--
-- `p_threads` and `p_memory_mb` bound the total reservations (NULL: unbounded). `p_floors` has for each of `p_lanes`
-- (ids of ofa.lane) the `seq` below which no job is available. With `p_alone`, a quarantined job (`crashes` > 0) is
-- claimed first, and alone. If no job can be picked, due jobs are made available and the pick is repeated. A claim that
-- finds neither available nor due jobs locks and writes nothing. The planner settings of this function also apply in
-- the functions that it calls.
create or replace function ofa_api_1.claim(p_session uuid, p_kinds text[], p_run bigint, p_limit int, p_threads int,
  p_memory_mb int, p_alone boolean, p_lanes int[], p_floors bigint[])
returns table (job_id bigint, run_id bigint, token bigint, attempt int, max_attempts int, crashes int,
  group_id bigint, ordinal int, kind text, args json, backoff json, stage text, timeout_seconds float8,
  stall_seconds float8, threads int, memory_mb int, priority int, lane_id int, seq bigint, horizon bigint, finished bigint)
language plpgsql security definer set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_generic_plan set enable_seqscan = off set enable_bitmapscan = off
set enable_hashjoin = off set enable_mergejoin = off as $$
#variable_conflict use_column
declare
  v_now timestamptz := ofa.now();
  v_session bigint;
  v_offers text[];
  v_lanes int[];
  -- The row locations (ctid) of the picked jobs. They stay valid because the rows are locked until the update below.
  v_spots tid[];
  v_jobs bigint[];
  v_keys int[];
  v_slots int[];
  v_threads int[];
  v_memory_mb int[];
  v_priorities int[];
  v_snapshot pg_snapshot;
begin
  select session.id, session.offers into v_session, v_offers from ofa.session
  where session.uuid = p_session and session.state = 'alive' and session.beat_at + session.ttl > v_now;
  if not found then return; end if;
  v_lanes := ofa.open_lanes(p_kinds, v_offers, p_threads, p_memory_mb);
  if v_lanes is not null then
    select * into v_spots, v_keys
    from ofa.pick_jobs(v_lanes, p_run, p_limit, p_threads, p_memory_mb, p_alone, p_lanes, p_floors);
  end if;
  if v_spots is null then
    if ofa.promote(1000) = 0 or v_lanes is null then return; end if;
    select * into v_spots, v_keys
    from ofa.pick_jobs(v_lanes, p_run, p_limit, p_threads, p_memory_mb, p_alone, p_lanes, p_floors);
    if v_spots is null then return; end if;
  end if;
  if v_keys && array(select permit_key.id from ofa.permit_key) then
    select * into v_spots, v_jobs, v_keys, v_slots from ofa.pick_permits(v_spots, v_keys);
    if v_spots is null then return; end if;
  end if;
  -- KEY SHARE keeps the session from being expired or closed until this claim commits; it does not block heartbeats.
  perform from ofa.session where session.id = v_session and session.state = 'alive'
    and session.beat_at + session.ttl > v_now for key share;
  if not found then return; end if;

  select array_agg(lane.id), array_agg(lane.threads), array_agg(lane.memory_mb), array_agg(lane.priority)
  into v_lanes, v_threads, v_memory_mb, v_priorities from ofa.lane where lane.id = any (v_lanes);
  v_snapshot := pg_current_snapshot();
  -- The properties of lanes come from the arrays above, so that each lane is read once, not once per job.
  return query update ofa.live set state = 'running', token = nextval('ofa.lease_token'), session_id = v_session,
    attempt = live.attempt + 1, started_at = v_now, deadline_at = v_now + job.timeout,
    stall_at = v_now + job.stall
  from ofa.job where live.ctid = any (v_spots) and job.month = live.month and job.id = any (array[live.job_id])
  returning live.job_id, live.run_id, live.token, live.attempt, live.max_attempts, live.crashes,
    live.group_id, job.ordinal, job.kind, job.args, job.backoff, job.stage,
    date_part('epoch', job.timeout), date_part('epoch', job.stall),
    v_threads[array_position(v_lanes, live.lane_id)], v_memory_mb[array_position(v_lanes, live.lane_id)],
    v_priorities[array_position(v_lanes, live.lane_id)], live.lane_id, live.seq,
    pg_snapshot_xmax(v_snapshot)::text::bigint, pg_snapshot_xmin(v_snapshot)::text::bigint;

  if v_slots is not null then
    update ofa.permit set job_id = picked.job, token = live.token
    from unnest(v_jobs, v_keys, v_slots) as picked (job, key, slot)
      join ofa.live on live.job_id = any (array[picked.job])
    where permit.key_id = picked.key and permit.slot = picked.slot;
  end if;
end
$$;
