-- Locks up to `p_limit` available jobs of these lanes, most urgent first, then oldest first, as far as `p_threads` and
-- `p_memory_mb` reach (NULL: no bound), and no others; answers where their rows lie, and their keys. With `p_alone` a job
-- that workers died on comes first, alone: if it takes this worker down too, nothing else goes with it.
create or replace function ofa.pick_jobs(p_open int[], p_run bigint, p_limit int, p_threads int, p_memory_mb int,
  p_alone boolean, p_lanes int[], p_floors bigint[], out spots tid[], out keys int[]) language plpgsql as $$
#variable_conflict use_column
declare
  v_lane int;
  v_lanes int[];
  v_floors bigint[];
  v_limits int[];
  v_share_lanes int[];
  v_share_floors bigint[];
  v_shares int[];
begin
  if p_alone then
    for v_lane in
      select given.id from unnest(p_open) as given (id) join ofa.lane on lane.id = given.id
      cross join lateral (
        select live.seq from ofa.live
        where live.lane_id = given.id and live.state = 'available' and live.crashes > 0
          and (p_run is null or live.run_id = p_run)
        order by live.seq limit 1) as suspect
      order by lane.priority, suspect.seq
    loop
      select array[live.ctid], array[lane.key_id] into spots, keys
      from ofa.live join ofa.lane on lane.id = live.lane_id
      where live.lane_id = v_lane and live.state = 'available' and live.crashes > 0
        and (p_run is null or live.run_id = p_run)
      order by live.seq limit 1 for update of live skip locked;
      if found then return; end if;
    end loop;
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

  -- How many of the most urgent jobs lie in each lane, up to the first that does not fit: only so many are locked.
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

  -- Others hold all of those: the first lane with a job that is not locked.
  for v_place in 1 .. cardinality(v_lanes) loop
    select array_agg(spot), array_agg(key) into spots, keys from ofa.ready_jobs(
      v_lanes[v_place:v_place], v_floors[v_place:v_place], v_limits[v_place:v_place], p_run, true);
    if spots is not null then return; end if;
  end loop;
end
$$;
