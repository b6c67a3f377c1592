-- Returns available jobs without a crash, ordered by `seq`: for each of the lanes `p_lanes`, at most as many as its
-- element of `p_limits`, and none below its floor in `p_floors`; only jobs of the run `p_run` unless that is NULL. With
-- `p_lock`, the jobs are locked, and rows that other transactions have locked are skipped.
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
