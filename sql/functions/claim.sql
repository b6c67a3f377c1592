-- Leases up to `p_limit` available jobs of some kinds to a living session, most urgent first, then oldest first.
--
-- `p_threads` and `p_memory_mb` bound what the jobs reserve together (NULL: no bound). `p_floors` says for lanes
-- below which `seq` nothing is available. With `p_alone` a job that workers died on comes first, alone: if it
-- takes this worker down too, nothing else goes with it.
create or replace function ofa.claim(p_session uuid, p_kinds text[], p_run bigint, p_limit int, p_threads int,
  p_memory_mb int, p_alone boolean, p_lanes int[], p_floors bigint[])
returns table (job_id bigint, run_id bigint, token bigint, attempt int, max_attempts int, crashes int,
  group_id bigint, ordinal int, kind text, args json, backoff json, stage text, timeout_seconds float8,
  threads int, memory_mb int, lane_id int, seq bigint, horizon bigint, finished bigint)
language plpgsql
set plan_cache_mode = force_generic_plan set enable_seqscan = off set enable_bitmapscan = off
set enable_hashjoin = off set enable_mergejoin = off as $$
#variable_conflict use_column
declare
  v_now timestamptz := ofa.now();
  v_session bigint;
  v_lanes int[];
  -- Where the rows of the jobs lie: they are locked, so they neither change nor move until they are leased.
  v_spots tid[];
  v_jobs bigint[];
  v_keys int[];
  v_slots int[];
  v_snapshot pg_snapshot;
begin
  select session.id into v_session from ofa.session
  where session.uuid = p_session and session.state = 'alive' and session.beat_at + session.ttl > v_now
  -- Until this claim is committed, the session cannot be declared dead and swept as one without leases; it can beat.
  for key share;
  if not found then return; end if;

  select array_agg(lane.id order by lane.priority, lane.id) into v_lanes from ofa.lane
  where lane.kind = any (p_kinds)
    and (p_threads is null or lane.threads <= p_threads)
    and (p_memory_mb is null or lane.memory_mb <= p_memory_mb)
    and not exists (select from ofa.paused_queue where paused_queue.name = lane.queue)
    -- A key is open when more of its permits are free than are in use beyond a limit that was lowered.
    and (lane.key_id is null or exists (
      select from ofa.permit_key join ofa.permit on permit.key_id = permit_key.id
      where permit_key.id = lane.key_id and permit.slot <= permit_key.slots and permit.token is null
      offset (
        select count(*) from ofa.permit_key as key join ofa.permit as beyond on beyond.key_id = key.id
        where key.id = lane.key_id and beyond.slot > key.slots and beyond.token is not null)));
  if v_lanes is null then return; end if;

  if p_alone then
    select array[ready.ctid], array[lane.key_id] into v_spots, v_keys
    from unnest(v_lanes) as given (id) join ofa.lane on lane.id = given.id
    cross join lateral (
      select live.ctid, live.seq from ofa.live
      where live.lane_id = lane.id and live.state = 'available' and live.crashes > 0
        and (p_run is null or live.run_id = p_run)
      order by live.seq limit 1 for update skip locked) as ready
    order by lane.priority, ready.seq limit 1;
  end if;
  if v_spots is null and p_run is null then
    select array_agg(picked.spot order by place), array_agg(picked.key_id order by place) into v_spots, v_keys
    from (
      select ready.ctid as spot, lane.key_id, row_number() over urgency as place,
        sum(lane.threads) over urgency as threads, sum(lane.memory_mb) over urgency as memory_mb
      from unnest(v_lanes) as given (id) join ofa.lane on lane.id = given.id
      left join unnest(p_lanes, p_floors) as known (lane, floor) on known.lane = given.id
      cross join lateral (
        select live.ctid, live.seq from ofa.live
        where live.lane_id = lane.id and live.state = 'available' and live.crashes = 0
          and live.seq >= coalesce(known.floor, 0)
        order by live.seq limit p_limit for update skip locked) as ready
      window urgency as (order by lane.priority, ready.seq)
    ) as picked
    where place <= p_limit and (p_threads is null or threads <= p_threads)
      and (p_memory_mb is null or memory_mb <= p_memory_mb);
  elsif v_spots is null then
    select array_agg(picked.spot order by place), array_agg(picked.key_id order by place) into v_spots, v_keys
    from (
      select ready.ctid as spot, lane.key_id, row_number() over urgency as place,
        sum(lane.threads) over urgency as threads, sum(lane.memory_mb) over urgency as memory_mb
      from unnest(v_lanes) as given (id) join ofa.lane on lane.id = given.id
      left join unnest(p_lanes, p_floors) as known (lane, floor) on known.lane = given.id
      cross join lateral (
        select live.ctid, live.seq from ofa.live
        where live.run_id = p_run and live.lane_id = lane.id and live.state = 'available' and live.crashes = 0
          and live.seq >= coalesce(known.floor, 0)
        order by live.seq limit p_limit for update skip locked) as ready
      window urgency as (order by lane.priority, ready.seq)
    ) as picked
    where place <= p_limit and (p_threads is null or threads <= p_threads)
      and (p_memory_mb is null or memory_mb <= p_memory_mb);
  end if;
  if v_spots is null then return; end if;

  if v_keys && array(select permit_key.id from ofa.permit_key) then
    -- Only as many jobs of a key as it has free permits, which stay locked until the jobs hold them. As many
    -- more are locked and left as are in use beyond the limit: so no other claim can take those either.
    with wanted as materialized (
      select spot, key, place, row_number() over (partition by key order by place) as number
      from unnest(v_spots, v_keys) with ordinality as picked (spot, key, place)
    ), keys as materialized (
      select permit_key.id, permit_key.slots, (select count(*) from wanted where wanted.key = permit_key.id) as jobs,
        (select count(*) from ofa.permit where permit.key_id = permit_key.id and permit.slot > permit_key.slots
          and permit.token is not null) as beyond
      from ofa.permit_key where permit_key.id = any (v_keys)
    ), free as materialized (
      select locked.key_id, locked.slot, keys.beyond
      from (select * from keys order by id offset 0) as keys
      cross join lateral (
        select permit.key_id, permit.slot from ofa.permit
        where permit.key_id = keys.id and permit.slot <= keys.slots and permit.token is null
        order by permit.slot limit keys.jobs + keys.beyond for update skip locked) as locked
    ), numbered as (
      select free.key_id, free.slot, row_number() over (partition by free.key_id order by free.slot) as number,
        count(*) over (partition by free.key_id) - free.beyond as usable
      from free
    )
    select array_agg(wanted.spot order by place), array_agg(live.job_id order by place),
      array_agg(wanted.key order by place), array_agg(numbered.slot order by place)
    into v_spots, v_jobs, v_keys, v_slots
    from wanted join ofa.live on live.ctid = wanted.spot
    left join numbered on numbered.key_id = wanted.key and numbered.number = wanted.number
      and numbered.number <= numbered.usable
    where wanted.key is null or numbered.slot is not null;
    if v_spots is null then return; end if;
  end if;

  v_snapshot := pg_current_snapshot();
  -- A nested loop: they come back in the order of their places.
  return query update ofa.live set state = 'running', token = nextval('ofa.lease_token'), session_id = v_session,
    attempt = live.attempt + 1, started_at = v_now, deadline_at = v_now + job.timeout,
    stall_at = v_now + job.stall
  from unnest(v_spots) as picked (spot), ofa.job, ofa.lane
  where live.ctid = picked.spot and job.id = any (array[live.job_id])
    and lane.id = any (array[live.lane_id])
  returning live.job_id, live.run_id, live.token, live.attempt, live.max_attempts, live.crashes,
    live.group_id, job.ordinal, job.kind, job.args, job.backoff, job.stage,
    date_part('epoch', job.timeout), lane.threads, lane.memory_mb, live.lane_id, live.seq,
    pg_snapshot_xmax(v_snapshot)::text::bigint, pg_snapshot_xmin(v_snapshot)::text::bigint;

  if v_slots is not null then
    update ofa.permit set job_id = picked.job, token = live.token
    from unnest(v_jobs, v_keys, v_slots) as picked (job, key, slot)
      join ofa.live on live.job_id = any (array[picked.job])
    where permit.key_id = picked.key and permit.slot = picked.slot;
  end if;
end
$$;
