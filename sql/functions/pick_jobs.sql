-- Locks up to `p_limit` available jobs of the lanes `p_open` and no other rows: most urgent first, then in the order in
-- which they became available. In total the jobs reserve at most `p_threads` and `p_memory_mb` (NULL: unbounded).
-- `p_floors` has for each of `p_lanes` (ids of ofa.lane) the `seq` below which no job is available. Returns the row
-- location (ctid) and the concurrency key of each job. With `p_alone`, a quarantined job (`crashes` > 0) is picked
-- first, and alone, so that a further crash affects no other job. Without `p_alone`, no quarantined job is picked.
create or replace function ofa.pick_jobs(p_open int[], p_run bigint, p_limit int, p_threads int, p_memory_mb int,
  p_alone boolean, p_lanes int[], p_floors bigint[], out spots tid[], out keys int[]) language plpgsql as $$
#variable_conflict use_column
declare
  v_lanes int[];
  v_floors bigint[];
  v_limits int[];
  v_share_lanes int[];
  v_share_floors bigint[];
  v_shares int[];
begin
  if p_alone then
    select suspect.spots, suspect.keys into spots, keys from ofa.pick_suspect(p_open, p_run) as suspect;
    if spots is not null then return; end if;
  end if;

  select array_agg(given.id order by place), array_agg(coalesce(known.floor, 0) order by place),
    array_agg(least(p_limit, p_threads / nullif(lane.threads, 0), p_memory_mb / nullif(lane.memory_mb, 0)) order by place)
  into v_lanes, v_floors, v_limits
  from unnest(p_open) with ordinality as given (id, place) join ofa.lane on lane.id = given.id
  left join unnest(p_lanes, p_floors) as known (lane, floor) on known.lane = given.id;
  if cardinality(v_lanes) = 1 then
    select array_agg(spot), array_agg(key) into spots, keys
    from ofa.ready_jobs(v_lanes, v_floors, v_limits, p_run, true);
    return;
  end if;

  -- This query takes the most urgent jobs of all lanes, up to the first job that exceeds the limit, the threads or the
  -- memory, and counts these jobs by lane. The next query locks only that many jobs of each lane.
  select array_agg(lane order by lane), array_agg(floor order by lane), array_agg(jobs::int order by lane)
  into v_share_lanes, v_share_floors, v_shares
  from (
    select lane, floor, count(*) as jobs from (
      select part.lane, part.floor, row_number() over urgency as place,
        sum(lane.threads) over urgency as threads, sum(lane.memory_mb) over urgency as memory_mb
      from ofa.ready_jobs(v_lanes, v_floors, array_fill(p_limit, array[cardinality(v_lanes)]), p_run, false) as ready
      join unnest(v_lanes, v_floors) as part (lane, floor) on part.lane = ready.lane_id
      join ofa.lane on lane.id = ready.lane_id
      window urgency as (order by lane.priority, ready.seq)
    ) as candidate
    where place <= p_limit and (p_threads is null or threads <= p_threads)
      and (p_memory_mb is null or memory_mb <= p_memory_mb)
    group by lane, floor
  ) as share;
  if v_shares is null then return; end if;
  select array_agg(ready.spot order by lane.priority, ready.seq), array_agg(ready.key order by lane.priority, ready.seq)
  into spots, keys
  from ofa.ready_jobs(v_share_lanes, v_share_floors, v_shares, p_run, true) as ready
  join ofa.lane on lane.id = ready.lane_id;
  if spots is not null then return; end if;

  -- If other transactions have locked all of these jobs, jobs are taken from the first lane that has unlocked jobs.
  for v_place in 1 .. cardinality(v_lanes) loop
    select array_agg(spot), array_agg(key) into spots, keys from ofa.ready_jobs(
      v_lanes[v_place:v_place], v_floors[v_place:v_place], v_limits[v_place:v_place], p_run, true);
    if spots is not null then return; end if;
  end loop;
end
$$;
