-- Applies the consequences of ended attempts: frees permits and unique keys, updates the ledger and the counters of
-- groups, fires groups that are then decided (see ofa.fire), cancels waiting jobs of runs with a cancel request, and
-- ends runs. `p_grew` is true if one of the attempts may have added a fan-out. Returns how many jobs became available
-- or scheduled.
create or replace function ofa.count_down(p_jobs bigint[], p_tokens bigint[], p_runs bigint[], p_counts ofa.end_count[],
  p_spent ofa.spent[], p_grew boolean) returns int language plpgsql as $$
declare
  v_cancelled bigint[];
  v_count ofa.end_count;
  v_fires boolean;
  v_empty boolean;
  v_fire bigint[] := '{}';
  v_settle boolean := false;
  v_run bigint;
  v_freed int := 0;
begin
  if exists (select from ofa.permit_key) then
    update ofa.permit set job_id = null, token = null from unnest(p_tokens) as given (token)
    where permit.token = given.token and permit.token is not null
      and (select true from ofa.live where live.job_id = permit.job_id and live.token = permit.token) is null;
  end if;

  -- Every transaction that ends a job locks the job's run. So a group fires once, and only one transaction at a time
  -- changes the ledger rows of a run.
  select array_agg(id) filter (where cancelled) into v_cancelled from (
    select id, cancel_requested_at is not null as cancelled from ofa.run
    where id = any (p_runs) order by id for no key update) as held_run;
  delete from ofa.unique_job where unique_job.job_id = any (p_jobs)
    and (select true from ofa.outcome where outcome.job_id = unique_job.job_id);
  perform ofa.book(p_spent);
  foreach v_count in array coalesce(p_counts, '{}') loop
    update ofa.job_group set pending = pending - v_count.ok - v_count.bad, ok = ok + v_count.ok, bad = bad + v_count.bad
    where month = v_count.month and id = v_count.group_id
    returning fired_at is null and (pending = 0 or rule = 'quorum' and ok >= quorum), pending = 0
    into v_fires, v_empty;
    if v_fires then v_fire := v_fire || v_count.group_id; end if;
    v_settle := v_settle or v_empty;
  end loop;
  -- All counters are updated before a group fires, because a group that fires may cancel jobs of another group.
  for v_place in 1 .. cardinality(v_fire) loop
    v_freed := v_freed + ofa.fire(v_fire[v_place:v_place]);
  end loop;
  foreach v_run in array coalesce(v_cancelled, '{}') loop
    -- After the cancel request, the ended jobs may have added fan-outs, for which blocked jobs wait.
    perform ofa.cancel_waiting(v_run, case when p_grew then p_jobs else '{}' end);
  end loop;
  if v_settle or v_cancelled is not null then
    foreach v_run in array p_runs loop perform ofa.settle(v_run); end loop;
  end if;
  return v_freed;
end
$$;
