-- Locks the most urgent quarantined job (available, `crashes` > 0) of the lanes `p_open`. Returns its row location
-- (ctid) and concurrency key as arrays of one element, or NULL if there is no such job or other transactions have
-- locked all of them.
create or replace function ofa.pick_suspect(p_open int[], p_run bigint, out spots tid[], out keys int[])
language plpgsql as $$
#variable_conflict use_column
declare
  v_lane int;
begin
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
end
$$;
