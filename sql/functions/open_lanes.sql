-- Returns the lanes from which a claim may take jobs now, most urgent first. The jobs of a lane (a row of ofa.lane)
-- have the same kind, queue, priority, concurrency key, reservations and required capabilities. Returns only lanes of
-- the kinds `p_kinds` whose jobs reserve at most `p_threads` and `p_memory_mb` (NULL: unbounded) and require only
-- capabilities in `p_offers`, whose queue is not paused, and whose concurrency key, if any, has a free permit.
create or replace function ofa.open_lanes(p_kinds text[], p_offers text[], p_threads int, p_memory_mb int)
returns int[] language plpgsql stable as $$
begin
  return (
    select array_agg(lane.id order by lane.priority, lane.id) from ofa.lane
    where lane.kind = any (p_kinds) and lane.requires <@ p_offers
      and (p_threads is null or lane.threads <= p_threads)
      and (p_memory_mb is null or lane.memory_mb <= p_memory_mb)
      and not exists (select from ofa.paused_queue where paused_queue.name = lane.queue)
      -- After the limit of a key was lowered, running jobs may still hold permits above the limit. For each such
      -- permit, a permit within the limit does not count as free.
      and (lane.key_id is null or exists (
        select from ofa.permit_key join ofa.permit on permit.key_id = permit_key.id
        where permit_key.id = lane.key_id and permit.slot <= permit_key.slots and permit.token is null
        offset (
          select count(*) from ofa.permit_key as key join ofa.permit as beyond on beyond.key_id = key.id
          where key.id = lane.key_id and beyond.slot > key.slots and beyond.token is not null))));
end
$$;
