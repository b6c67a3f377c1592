-- Locks a free permit for each picked job that has a concurrency key. The results omit jobs for which no permit is
-- free. After the limit of a key was lowered, running jobs may still hold permits above the limit. For each such
-- permit, a free permit is locked but not used, so that no other claim takes it.
create or replace function ofa.pick_permits(p_spots tid[], p_keys int[], out spots tid[], out jobs bigint[],
  out keys int[], out slots int[]) language plpgsql as $$
#variable_conflict use_column
begin
  with wanted as materialized (
    select spot, key, place, row_number() over (partition by key order by place) as number
    from unnest(p_spots, p_keys) with ordinality as picked (spot, key, place)
  ), needed as materialized (
    select permit_key.id, permit_key.slots, (select count(*) from wanted where wanted.key = permit_key.id) as jobs,
      (select count(*) from ofa.permit where permit.key_id = permit_key.id and permit.slot > permit_key.slots
        and permit.token is not null) as beyond
    from ofa.permit_key where permit_key.id = any (p_keys)
  ), free as materialized (
    select locked.key_id, locked.slot, needed.beyond
    from (select * from needed order by id offset 0) as needed
    cross join lateral (
      select permit.key_id, permit.slot from ofa.permit
      where permit.key_id = needed.id and permit.slot <= needed.slots and permit.token is null
      order by permit.slot limit needed.jobs + needed.beyond for update skip locked) as locked
  ), numbered as (
    select free.key_id, free.slot, row_number() over (partition by free.key_id order by free.slot) as number,
      count(*) over (partition by free.key_id) - free.beyond as usable
    from free
  )
  select array_agg(wanted.spot order by place), array_agg(live.job_id order by place),
    array_agg(wanted.key order by place), array_agg(numbered.slot order by place)
  into spots, jobs, keys, slots
  from wanted join ofa.live on live.ctid = wanted.spot
  left join numbered on numbered.key_id = wanted.key and numbered.number = wanted.number
    and numbered.number <= numbered.usable
  where wanted.key is null or numbered.slot is not null;
end
$$;
