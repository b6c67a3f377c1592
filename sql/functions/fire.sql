-- Fires those of the groups `p_groups`, all of one run, that are decided (all jobs have ended, or the quorum has
-- completed) and have not fired yet. Firing sets `good`: whether the group ended well. The jobs that depend on the
-- group then become available or scheduled, or are cancelled, and their groups may fire in turn. Returns how many jobs
-- became available or scheduled. The run must be locked.
create or replace function ofa.fire(p_groups bigint[]) returns int language plpgsql as $$
declare
  v_month int := (select month from ofa.job_group where id = p_groups[1]);
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
    where month = v_month and id = v_group and fired_at is null and (pending = 0 or rule = 'quorum' and ok >= quorum)
    returning good, on_bad, stage, 'stage ' || stage || ' ended badly' as reason into v_fired;
    continue when not found;

    -- If the group is a fan-out, a job (the continuation) may wait for the group.
    select array_agg(id) into v_children from ofa.job where month = v_month and waits_for = v_group;
    if v_children is not null then
      if v_fired.good or v_fired.on_bad = 'run' then
        v_freed := v_freed + ofa.make_live(v_children);
      elsif v_fired.on_bad = 'cancel' then
        v_waiting := v_waiting || ofa.end_waiting(v_children, 'cancelled', v_fired.reason);
      end if;
    end if;

    -- If the group is a stage, other stages may wait for the group.
    with told as (
      update ofa.group_edge set told = true
      where month = v_month and parent = v_group and not told and (v_fired.good or on_bad = 'run')
      returning child
    )
    select array_agg(child order by child) into v_children from told;
    foreach v_child in array coalesce(v_children, '{}') loop
      update ofa.job_group set deps_left = deps_left - 1,
        released_at = case when deps_left = 1 then ofa.now() end
      where month = v_month and id = v_child returning deps_left = 0 into v_released;
      if v_released then
        v_freed := v_freed + ofa.make_live(
          array(select id from ofa.job where month = v_month and group_id = v_child and waits_for is null order by id));
      end if;
    end loop;
    if not v_fired.good then
      select array_agg(job.id order by job.id) into v_children
      from ofa.group_edge join ofa.job on job.month = v_month and job.group_id = group_edge.child
      where group_edge.month = v_month and group_edge.parent = v_group and group_edge.on_bad = 'cancel'
        and (select true from ofa.live where live.job_id = job.id) is null;
      if v_children is not null then
        v_waiting := v_waiting || ofa.end_waiting(v_children, 'cancelled', v_fired.reason);
      end if;
    end if;
  end loop;
  return v_freed;
end
$$;
