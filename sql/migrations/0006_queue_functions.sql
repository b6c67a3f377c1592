-- What the queue does in one round trip: add, claim, end, fire, cancel, keep house. See sql/README.md.
-- Planner settings of the hot functions: whatever the statistics say, they go through an index, planned once. And
-- `x.id = any (array[y.id])` for `x.id = y.id`, `(select true …) is null` for `not exists`: those can only be looked up
-- for each y. With a join, and statistics of a moment when a table was empty, the planner goes through all of x for each.

-- Makes jobs available that nothing keeps waiting any more, or scheduled; returns how many.
create function ofa.make_live(p_jobs bigint[]) returns int language sql volatile
set plan_cache_mode = force_generic_plan set enable_seqscan = off
set enable_hashjoin = off set enable_mergejoin = off as $$
  with added as (
    insert into ofa.live (job_id, run_id, group_id, lane_id, max_attempts, max_crashes, state, due_at)
    select job.id, job.run_id, job.group_id, job.lane_id, job.max_attempts, job.max_crashes,
      case when job.not_before > ofa.now() then 'scheduled' else 'available' end,
      case when job.not_before > ofa.now() then job.not_before end
    from unnest(p_jobs) with ordinality as picked (id, place) join ofa.job on job.id = any (array[picked.id])
    where (select true from ofa.outcome where outcome.job_id = job.id) is null
      -- One that is live is not waited for: whoever ends it may wait for the run that is held here.
      and (select true from ofa.live where live.job_id = job.id) is null
    order by picked.place
    on conflict (job_id) do nothing
    returning 1
  )
  select count(*)::int from added;
$$;

-- Adds jobs to a group, described by a JSON array; returns the new jobs in order. One whose unique key an
-- unfinished job has is left out. Released ones become available at once.
create function ofa.add_jobs(p_run bigint, p_group bigint, p_specs json, p_path int[], p_waits_for bigint,
  p_inner boolean, p_released boolean) returns bigint[] language plpgsql as $$
declare
  v_jobs bigint[];
  v_stage text := (select stage from ofa.job_group where id = p_group);
begin
  insert into ofa.permit_key (name)
  select distinct key from json_to_recordset(p_specs) as spec (key text) where key is not null
  order by key on conflict (name) do nothing;
  insert into ofa.permit (key_id, slot)
  select permit_key.id, slot from ofa.permit_key cross join generate_series(1, permit_key.slots) as slot
  where permit_key.name in (select key from json_to_recordset(p_specs) as spec (key text))
    and not exists (select from ofa.permit where permit.key_id = permit_key.id)
  on conflict do nothing;
  insert into ofa.lane (kind, queue, priority, key_id, threads, memory_mb)
  select distinct spec.kind, spec.queue, spec.priority, permit_key.id, spec.threads, spec."memoryMB"
  from json_to_recordset(p_specs) as spec (
    kind text, queue text, priority int, key text, threads int, "memoryMB" int)
  left join ofa.permit_key on permit_key.name = spec.key
  where not exists (
    select from ofa.lane where (lane.kind, lane.queue, lane.priority, lane.threads, lane.memory_mb)
      = (spec.kind, spec.queue, spec.priority, spec.threads, spec."memoryMB")
    and lane.key_id is not distinct from permit_key.id)
  on conflict do nothing;
  with spec as materialized (
    select * from json_to_recordset(p_specs) as spec (
      ordinal int, kind text, args text, queue text, priority int, "maxAttempts" int, "maxCrashes" int,
      "timeoutSeconds" float8, "stallSeconds" float8, "notBefore" timestamptz, "delaySeconds" float8,
      key text, "uniqueKey" text, threads int, "memoryMB" int, backoff json)
  ), numbered as materialized (
    select spec.*, nextval(pg_get_serial_sequence('ofa.job', 'id')) as id from spec order by ordinal
  ), owned as materialized (
    insert into ofa.unique_job (key, job_id)
    select "uniqueKey", id from numbered where "uniqueKey" is not null order by "uniqueKey", id
    on conflict (key) do nothing returning job_id
  ), added as (
    insert into ofa.job (id, run_id, group_id, ordinal, path, waits_for, is_inner, kind, args, lane_id,
      stage, max_attempts, max_crashes, timeout, stall, not_before, unique_key, backoff, created_at)
    overriding system value
    select numbered.id, p_run, p_group, ordinal, p_path || ordinal, p_waits_for, p_inner, numbered.kind,
      args::json, lane.id, v_stage, "maxAttempts", "maxCrashes", make_interval(secs => "timeoutSeconds"),
      make_interval(secs => "stallSeconds"),
      coalesce("notBefore", ofa.now() + make_interval(secs => "delaySeconds")), "uniqueKey", backoff, ofa.now()
    from numbered left join ofa.permit_key on permit_key.name = numbered.key
    join ofa.lane on (lane.kind, lane.queue, lane.priority, lane.threads, lane.memory_mb)
        = (numbered.kind, numbered.queue, numbered.priority, numbered.threads, numbered."memoryMB")
      and coalesce(lane.key_id, 0) = coalesce(permit_key.id, 0)
    where "uniqueKey" is null or numbered.id in (select job_id from owned)
    order by ordinal
    returning id
  )
  select coalesce(array_agg(id order by id), '{}') into v_jobs from added;
  update ofa.job_group set expected = expected + cardinality(v_jobs), pending = pending + cardinality(v_jobs)
  where id = p_group;
  if p_released then perform ofa.make_live(v_jobs); end if;
  return v_jobs;
end
$$;

-- Leases up to `p_limit` available jobs of some kinds to a living session, most urgent first, then oldest first.
--
-- `p_threads` and `p_memory_mb` bound what the jobs reserve together (NULL: no bound). `p_floors` says for lanes
-- below which `seq` nothing is available. With `p_alone` a job that workers died on comes first, alone: if it
-- takes this worker down too, nothing else goes with it.
create function ofa.claim(p_session uuid, p_kinds text[], p_run bigint, p_limit int, p_threads int,
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
  -- Nobody may declare it dead, see that it holds nothing and forget it, while this claim is not committed;
  -- its beats go on.
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

-- Says that a worker lives; returns what should happen to its leases, no row when its session is over. The leases come
-- from the worker: looking for them would read every lease the session ever had while old versions are kept.
create function ofa.beat(p_session uuid, p_jobs bigint[], p_tokens bigint[])
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

-- Ends jobs that do not run: waiting or blocked ones. Returns the groups it changed. The run is locked.
create function ofa.end_waiting(p_jobs bigint[], p_state text, p_reason text)
returns bigint[] language plpgsql
set plan_cache_mode = force_generic_plan set enable_seqscan = off
set enable_hashjoin = off set enable_mergejoin = off as $$
declare
  v_groups bigint[];
begin
  with picked as materialized (
    select job.id, job.group_id from unnest(p_jobs) as given (id)
    join ofa.job on job.id = any (array[given.id])
  ), waiting as materialized (
    -- A locked one is not waited for: whoever ends it waits for the run, and whoever passes it by leaves it to
    -- the next look.
    select live.job_id from picked join ofa.live on live.job_id = any (array[picked.id])
    where live.state <> 'running' order by live.job_id for update of live skip locked
  ), gone as (
    delete from ofa.live using waiting where live.job_id = any (array[waiting.job_id]) and live.state <> 'running'
    returning live.job_id
  ), ended as (
    insert into ofa.outcome (job_id, group_id, state, reason, ended_at)
    select picked.id, picked.group_id, p_state, p_reason, ofa.now() from picked
    where (picked.id in (select job_id from gone)
        or (select true from ofa.live where live.job_id = picked.id) is null)
      and (select true from ofa.outcome where outcome.job_id = picked.id) is null
    returning job_id, group_id
  ), freed as (
    delete from ofa.unique_job using ended where unique_job.job_id = any (array[ended.job_id])
  ), counted as materialized (
    select group_id, count(*)::int as jobs from ended group by group_id
  ), told as (
    update ofa.job_group set pending = pending - counted.jobs, bad = bad + counted.jobs
    from counted where job_group.id = counted.group_id
    returning job_group.id
  )
  select coalesce(array_agg(id order by id), '{}') into v_groups from told;
  return v_groups;
end
$$;

-- Fires groups by their rule, each once, and does what follows: jobs become available or are cancelled, and
-- their groups may fire in turn. Returns how many jobs it made available. The run is locked.
create function ofa.fire(p_groups bigint[]) returns int language plpgsql as $$
declare
  v_waiting bigint[] := p_groups;
  v_group bigint;
  v_fired record;
  v_children bigint[];
  v_child bigint;
  v_released boolean;
  v_freed int := 0;
begin
  while cardinality(v_waiting) > 0 loop
    v_group := v_waiting[1];
    v_waiting := v_waiting[2:];
    update ofa.job_group set fired_at = ofa.now(),
      good = case rule when 'all_ok' then bad = 0 when 'all_done' then true else ok >= quorum end
    where id = v_group and fired_at is null and (pending = 0 or rule = 'quorum' and ok >= quorum)
    returning good, on_bad, stage, 'stage ' || stage || ' ended badly' as reason into v_fired;
    continue when not found;

    -- The job after a fan-out.
    select array_agg(id) into v_children from ofa.job where waits_for = v_group;
    if v_children is not null then
      if v_fired.good or v_fired.on_bad = 'run' then
        v_freed := v_freed + ofa.make_live(v_children);
      elsif v_fired.on_bad = 'cancel' then
        v_waiting := v_waiting || ofa.end_waiting(v_children, 'cancelled', v_fired.reason);
      end if;
    end if;

    -- The stages after a stage.
    with told as (
      update ofa.group_edge set told = true
      where parent = v_group and not told and (v_fired.good or on_bad = 'run')
      returning child
    )
    select array_agg(child order by child) into v_children from told;
    foreach v_child in array coalesce(v_children, '{}') loop
      update ofa.job_group set deps_left = deps_left - 1,
        released_at = case when deps_left = 1 then ofa.now() end
      where id = v_child returning deps_left = 0 into v_released;
      if v_released then
        v_freed := v_freed + ofa.make_live(
          array(select id from ofa.job where group_id = v_child and waits_for is null order by id));
      end if;
    end loop;
    if not v_fired.good then
      select array_agg(job.id order by job.id) into v_children
      from ofa.group_edge join ofa.job on job.group_id = group_edge.child
      where group_edge.parent = v_group and group_edge.on_bad = 'cancel'
        and (select true from ofa.live where live.job_id = job.id) is null;
      if v_children is not null then
        v_waiting := v_waiting || ofa.end_waiting(v_children, 'cancelled', v_fired.reason);
      end if;
    end if;
  end loop;
  return v_freed;
end
$$;

-- Ends a run whose stages have all fired and whose jobs have all ended; true when it did. The run is locked.
create function ofa.settle(p_run bigint) returns boolean language plpgsql as $$
begin
  update ofa.run set ended_at = ofa.now(),
    state = case
      when not exists (
        select from ofa.job_group where run_id = run.id and owner_job is null and not good) then 'completed'
      when cancel_requested_at is not null then 'cancelled'
      else 'failed' end
  where id = p_run and state = 'running'
    and not exists (
      select from ofa.job_group where run_id = run.id and (pending > 0 or fired_at is null));
  return found;
end
$$;

-- Ends every job of a run that does not run, and what follows. The run is locked.
create function ofa.cancel_waiting(p_run bigint) returns void language plpgsql as $$
begin
  perform ofa.fire(ofa.end_waiting(array(
    select job.id from ofa.job where job.run_id = p_run
      and (select true from ofa.outcome where outcome.job_id = job.id) is null
      and (select true from ofa.live where live.job_id = job.id and live.state = 'running') is null
    order by job.id), 'cancelled', 'the run was cancelled'));
end
$$;

-- Ends attempts: the fence of every fact a worker writes.
--
-- A worker names its session, and for each attempt job, token and outcome: completed, failed (with the pause
-- before the next attempt, NULL for none), cancelled, released (`p_crashes` 1 when its worker is to blame). Without
-- a session it is a rescuer: lost (the session is over) or overdue (the worker does not stop, `p_delays` as for failed).
-- What is left out at the end of an array is plain: completed, no crash, no fan-out.
-- `p_locked` says that this transaction has locked the rows behind the fence before: then the term may be over.
-- Answers how many jobs became available, and the places of those that were not ended: because this token ended the
-- same way before, or because the lease is over.
create function ofa.end_attempts(p_session uuid, p_jobs bigint[], p_tokens bigint[], p_outcomes text[],
  p_results text[], p_reasons text[], p_delays float8[], p_crashes int[], p_fanned_out boolean[], p_locked boolean)
returns table (freed int, already int[], fenced int[]) language plpgsql
set plan_cache_mode = force_generic_plan set enable_seqscan = off
set enable_hashjoin = off set enable_mergejoin = off as $$
#variable_conflict use_column
declare
  v_now timestamptz := ofa.now();
  v_session bigint;
  v_valid boolean := false;
  v_ended int[];
  v_runs bigint[];
  v_groups bigint[];
  v_oks int[];
  v_bads int[];
  v_cancelled bigint[];
  v_fire bigint[] := '{}';
  v_settle boolean := false;
  v_fires boolean;
  v_empty boolean;
  v_freed int := 0;
begin
  select id, state = 'alive' and beat_at + ttl > v_now into v_session, v_valid
  from ofa.session where uuid = p_session;

  -- In the order of their keys, so that two of these wait for each other in one direction only.
  with gone as (
    delete from ofa.live using (
      select job, token, coalesce(outcome, 'completed') as outcome, result, reason, delay,
        coalesce(crashed, 0) as crashed, coalesce(fanned_out, false) as fanned_out, place
      from unnest(p_jobs, p_tokens, p_outcomes, p_results, p_reasons, p_delays, p_crashes, p_fanned_out)
        with ordinality as one (job, token, outcome, result, reason, delay, crashed, fanned_out, place)
      order by job offset 0) as given
    -- Only by its key: with few running jobs the planner would go through the owner's for each of them.
    where live.job_id = any (array[given.job]) and live.token = given.token
      and case
        when p_session is not null then live.session_id = v_session
          and (v_valid or p_locked or given.outcome = 'released')
        when given.outcome = 'lost' then exists (
          select from ofa.session where session.id = live.session_id and session.state <> 'alive')
        when given.outcome = 'overdue' then exists (
          select from ofa.session where session.id = live.session_id
            and least(live.deadline_at, live.stall_at) + session.ttl < v_now)
        else false end
    returning given.*, live.run_id, live.group_id, live.lane_id, live.session_id, live.started_at, live.attempt,
      live.max_attempts, live.crashes, live.max_crashes, case
      when given.outcome in ('completed', 'cancelled') then given.outcome
      -- Asked to end, it is not tried again, however its worker took it.
      when live.cancel then 'cancelled'
      when given.outcome in ('released', 'lost') then
        case when live.crashes + case given.outcome when 'lost' then 1 else given.crashed end
          > live.max_crashes then 'discarded' else 'available' end
      else case when given.delay is null or live.attempt >= live.max_attempts then 'discarded'
        else 'retryable' end
    end as verdict
  ), tried as (
    insert into ofa.attempt (token, job_id, attempt, session_id, started_at, ended_at, outcome, error)
    select token, job, attempt, session_id, started_at, v_now,
      case outcome when 'overdue' then 'failed' else outcome end, reason
    from gone
  ), back as (
    insert into ofa.live (job_id, run_id, group_id, lane_id, attempt, max_attempts, crashes, max_crashes,
      state, due_at)
    select job, run_id, group_id, lane_id, attempt - case when verdict = 'available' then 1 else 0 end, max_attempts,
      crashes + case outcome when 'lost' then 1 else crashed end, max_crashes,
      verdict, case when verdict = 'retryable' then v_now + make_interval(secs => delay) end
    from gone where verdict in ('available', 'retryable')
  ), ended as (
    insert into ofa.outcome (job_id, group_id, state, result, reason, fanned_out, ended_at)
    select job, group_id, verdict, case when verdict = 'completed' then result::json end,
      case when verdict = 'completed' then null
        when verdict = 'cancelled' and outcome <> 'cancelled' then 'cancelled on demand'
        when outcome = 'lost' then crashes + 1 || ' workers were lost while working on it'
        when outcome = 'released' then 'crashed too often: ' || reason
        else reason end,
      fanned_out and verdict = 'completed', v_now
    from gone where verdict in ('completed', 'cancelled', 'discarded')
  ), counted as (
    select run_id, group_id, count(*) filter (where verdict = 'completed')::int as ok,
      count(*) filter (where verdict in ('cancelled', 'discarded'))::int as bad,
      count(*) filter (where verdict = 'available')::int as freed
    from gone group by run_id, group_id
  )
  select coalesce((select array_agg(place) from gone), '{}'), array_agg(distinct run_id), coalesce(sum(freed), 0),
    array_agg(group_id order by group_id) filter (where ok + bad > 0),
    array_agg(ok order by group_id) filter (where ok + bad > 0),
    array_agg(bad order by group_id) filter (where ok + bad > 0)
  into v_ended, v_runs, v_freed, v_groups, v_oks, v_bads from counted;

  if cardinality(v_ended) > 0 then
    if exists (select from ofa.permit_key) then
      update ofa.permit set job_id = null, token = null from unnest(p_tokens) as given (token)
      where permit.token = given.token and permit.token is not null
        and (select true from ofa.live where live.job_id = permit.job_id and live.token = permit.token) is null;
    end if;

    -- Whoever ends jobs holds their run: a group fires once.
    select array_agg(id) filter (where cancelled) into v_cancelled from (
      select id, cancel_requested_at is not null as cancelled from ofa.run
      where id = any (v_runs) order by id for no key update) as held_run;
    delete from ofa.unique_job where unique_job.job_id = any (p_jobs)
      and (select true from ofa.outcome where outcome.job_id = unique_job.job_id);
    for i in 1 .. coalesce(cardinality(v_groups), 0) loop
      update ofa.job_group set pending = pending - v_oks[i] - v_bads[i], ok = ok + v_oks[i], bad = bad + v_bads[i]
      where id = v_groups[i]
      returning fired_at is null and (pending = 0 or rule = 'quorum' and ok >= quorum), pending = 0
      into v_fires, v_empty;
      if v_fires then v_fire := v_fire || v_groups[i]; end if;
      v_settle := v_settle or v_empty;
    end loop;
    if cardinality(v_fire) > 0 then v_freed := v_freed + ofa.fire(v_fire); end if;
    for i in 1 .. coalesce(cardinality(v_cancelled), 0) loop
      perform ofa.cancel_waiting(v_cancelled[i]);
    end loop;
    if v_settle or v_cancelled is not null then
      for i in 1 .. cardinality(v_runs) loop perform ofa.settle(v_runs[i]); end loop;
    end if;
  end if;

  freed := v_freed;
  already := '{}';
  fenced := '{}';
  if cardinality(v_ended) < cardinality(p_jobs) then
    select coalesce(array_agg(place) filter (where is_known), '{}'),
      coalesce(array_agg(place) filter (where not is_known), '{}')
    into already, fenced
    from (
      select place, exists (
        select from ofa.attempt where attempt.job_id = given.job and attempt.token = given.token
          and attempt.session_id = v_session and attempt.outcome = coalesce(given.outcome, 'completed')) as is_known
      from unnest(p_jobs, p_tokens, p_outcomes) with ordinality as given (job, token, outcome, place)
      where place <> all (v_ended)) as other;
  end if;
  return next;
end
$$;

-- Makes the partitions of today and the days ahead, and of each day in the default one, whose rows move over. What
-- attaching waits for, everybody else would wait for behind it: so it gives up soon, and the default one serves.
create function ofa.history_ahead(p_days int) returns int language plpgsql set lock_timeout = '2s' as $$
declare
  v_parent text;
  v_column text;
  v_days date[];
  v_day date;
  v_name text;
  v_made int := 0;
begin
  perform pg_advisory_xact_lock(7316291043);
  for v_parent, v_column in values ('attempt', 'ended_at'), ('job_log', 'logged_at') loop
    execute format('select array(select (%1$I at time zone ''UTC'')::date from ofa.%2$I '
      'union select day::date from generate_series($1, $1 + $2, interval ''1 day'') as day order by 1)',
      v_column, v_parent || '_default')
    into v_days using (ofa.now() at time zone 'UTC')::date, p_days;
    foreach v_day in array v_days loop
      v_name := v_parent || '_' || to_char(v_day, 'YYYYMMDD');
      continue when to_regclass('ofa.' || v_name) is not null;
      -- Rows of today come in now: one on its way to the default partition would find that it must not be there.
      if v_day <= (ofa.now() at time zone 'UTC')::date then
        execute format('lock table ofa.%I in access exclusive mode', v_parent);
      end if;
      execute format('create table ofa.%I (like ofa.%I including all)', v_name, v_parent);
      execute format('with moved as (delete from ofa.%I where %I >= %L and %I < %L returning *) '
        'insert into ofa.%I select * from moved', v_parent || '_default', v_column,
        v_day || ' 00:00+00', v_column, v_day + 1 || ' 00:00+00', v_name);
      execute format('alter table ofa.%I attach partition ofa.%I for values from (%L) to (%L)', v_parent, v_name,
        v_day || ' 00:00+00', v_day + 1 || ' 00:00+00');
      v_made := v_made + 1;
    end loop;
  end loop;
  return v_made;
end
$$;

-- Drops the days before one; what their attempts cost stays: those without a meter row get one that says so.
create function ofa.history_drop(p_before date) returns text[] language plpgsql as $$
declare
  v_name text;
  v_dropped text[] := '{}';
begin
  perform pg_advisory_xact_lock(7316291043);
  for v_name in
    select relname from pg_inherits join pg_class on pg_class.oid = inhrelid
    where inhparent in ('ofa.attempt'::regclass, 'ofa.job_log'::regclass) and relname ~ '_[0-9]{8}$'
      and to_date(right(relname, 8), 'YYYYMMDD') < p_before
    order by relname
  loop
    if v_name like 'attempt%' then
      execute format('insert into ofa.meter (token, job_id, attempt, outcome, started_at, host, wall_ns, method, tier) '
        'select charged.token, charged.job_id, charged.attempt, charged.outcome, charged.started_at, charged.host, '
        'charged.wall_ns, charged.method, ''U'' from ofa.%I as old '
        'join ofa.charged_attempt as charged on charged.token = old.token '
        'where not exists (select from ofa.meter where meter.token = old.token)', v_name);
    end if;
    execute format('drop table ofa.%I', v_name);
    v_dropped := v_dropped || v_name;
  end loop;
  return v_dropped;
end
$$;

select ofa.history_ahead(7);
