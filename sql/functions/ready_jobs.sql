-- Returns available jobs that are not quarantined (`crashes` is 0): from each of the lanes `p_lanes`, those with the
-- lowest `seq`. `p_limits` has for each lane the maximum number of jobs to return, and `p_floors` the `seq` below which
-- no job is available. If `p_run` is not NULL, returns only jobs of that run. With `p_lock`, locks the jobs and skips
-- jobs that other transactions have locked.
create or replace function ofa.ready_jobs(p_lanes int[], p_floors bigint[], p_limits int[], p_run bigint, p_lock boolean)
returns table (lane_id int, key int, seq bigint, spot tid) language plpgsql as $$
#variable_conflict use_column
begin
  -- The select is written four times: with an optional run the planner could not choose the right index, and a lock
  -- clause cannot depend on a parameter.
  if p_run is null and p_lock then
    return query select part.lane, lane.key_id, ready.seq, ready.ctid
      from unnest(p_lanes, p_floors, p_limits) as part (lane, floor, jobs) join ofa.lane on lane.id = part.lane
      cross join lateral (
        select live.seq, live.ctid from ofa.live
        where live.lane_id = part.lane and live.state = 'available' and live.crashes = 0 and live.seq >= part.floor
        order by live.seq limit part.jobs for update skip locked) as ready;
  elsif p_run is null then
    return query select part.lane, lane.key_id, ready.seq, ready.ctid
      from unnest(p_lanes, p_floors, p_limits) as part (lane, floor, jobs) join ofa.lane on lane.id = part.lane
      cross join lateral (
        select live.seq, live.ctid from ofa.live
        where live.lane_id = part.lane and live.state = 'available' and live.crashes = 0 and live.seq >= part.floor
        order by live.seq limit part.jobs) as ready;
  elsif p_lock then
    return query select part.lane, lane.key_id, ready.seq, ready.ctid
      from unnest(p_lanes, p_floors, p_limits) as part (lane, floor, jobs) join ofa.lane on lane.id = part.lane
      cross join lateral (
        select live.seq, live.ctid from ofa.live
        where live.run_id = p_run and live.lane_id = part.lane and live.state = 'available' and live.crashes = 0
          and live.seq >= part.floor
        order by live.seq limit part.jobs for update skip locked) as ready;
  else
    return query select part.lane, lane.key_id, ready.seq, ready.ctid
      from unnest(p_lanes, p_floors, p_limits) as part (lane, floor, jobs) join ofa.lane on lane.id = part.lane
      cross join lateral (
        select live.seq, live.ctid from ofa.live
        where live.run_id = p_run and live.lane_id = part.lane and live.state = 'available' and live.crashes = 0
          and live.seq >= part.floor
        order by live.seq limit part.jobs) as ready;
  end if;
end
$$;
