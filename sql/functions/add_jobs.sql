-- Adds the jobs that the JSON array `p_specs` describes to the group `p_group`; returns the ids of the added jobs in
-- the order of their ordinals. A job is skipped if another unfinished job holds its unique key. With `p_released`, the
-- jobs become available at once, or scheduled if their start time is in the future.
create or replace function ofa.add_jobs(p_run bigint, p_group bigint, p_specs json, p_path int[], p_waits_for bigint,
  p_inner boolean, p_released boolean) returns bigint[] language plpgsql as $$
declare
  v_jobs bigint[];
  v_month int := (select month from ofa.run where id = p_run);
  v_stage text := (select stage from ofa.job_group where month = v_month and id = p_group);
begin
  insert into ofa.permit_key (name)
  select distinct key from json_to_recordset(p_specs) as spec (key text) where key is not null
  order by key on conflict (name) do nothing;
  insert into ofa.permit (key_id, slot)
  select permit_key.id, slot from ofa.permit_key cross join generate_series(1, permit_key.slots) as slot
  where permit_key.name in (select key from json_to_recordset(p_specs) as spec (key text))
    and not exists (select from ofa.permit where permit.key_id = permit_key.id)
  on conflict do nothing;
  insert into ofa.lane (kind, queue, priority, key_id, threads, memory_mb, requires)
  select distinct spec.kind, spec.queue, spec.priority, permit_key.id, spec.threads, spec."memoryMB",
    coalesce(spec.requires, '{}')
  from json_to_recordset(p_specs) as spec (
    kind text, queue text, priority int, key text, threads int, "memoryMB" int, requires text[])
  left join ofa.permit_key on permit_key.name = spec.key
  where not exists (
    select from ofa.lane where (lane.kind, lane.queue, lane.priority, lane.threads, lane.memory_mb, lane.requires)
      = (spec.kind, spec.queue, spec.priority, spec.threads, spec."memoryMB", coalesce(spec.requires, '{}'))
    and lane.key_id is not distinct from permit_key.id)
  on conflict do nothing;
  insert into ofa.account (run_id, pipeline, stage, kind, device)
  select distinct p_run, run.name, v_stage, spec.kind, spec.device
  from json_to_recordset(p_specs) as spec (kind text, device text) join ofa.run on run.id = p_run
  where not exists (
    select from ofa.account where (account.run_id, account.stage, account.kind) = (p_run, v_stage, spec.kind)
      and coalesce(account.device, '') = coalesce(spec.device, ''))
  on conflict do nothing;
  with spec as materialized (
    select * from json_to_recordset(p_specs) as spec (
      ordinal int, kind text, device text, args text, queue text, priority int, "maxAttempts" int, "maxCrashes" int,
      "timeoutSeconds" float8, "stallSeconds" float8, "notBefore" timestamptz, "delaySeconds" float8,
      key text, "uniqueKey" text, threads int, "memoryMB" int, requires text[], backoff json)
  ), numbered as materialized (
    select spec.*, nextval('ofa.job_id') as id from spec order by ordinal
  ), owned as materialized (
    insert into ofa.unique_job (key, job_id)
    select "uniqueKey", id from numbered where "uniqueKey" is not null order by "uniqueKey", id
    on conflict (key) do nothing returning job_id
  ), added as (
    insert into ofa.job (id, month, run_id, group_id, ordinal, path, waits_for, is_inner, kind, args, lane_id,
      account_id, stage, max_attempts, max_crashes, timeout, stall, not_before, unique_key, backoff, created_at)
    select numbered.id, v_month, p_run, p_group, ordinal, p_path || ordinal, p_waits_for, p_inner, numbered.kind,
      args::json, lane.id, account.id, v_stage, "maxAttempts", "maxCrashes", make_interval(secs => "timeoutSeconds"),
      make_interval(secs => "stallSeconds"),
      coalesce("notBefore", ofa.now() + make_interval(secs => "delaySeconds")), "uniqueKey", backoff, ofa.now()
    from numbered left join ofa.permit_key on permit_key.name = numbered.key
    join ofa.lane on (lane.kind, lane.queue, lane.priority, lane.threads, lane.memory_mb, lane.requires)
        = (numbered.kind, numbered.queue, numbered.priority, numbered.threads, numbered."memoryMB",
          coalesce(numbered.requires, '{}'))
      and coalesce(lane.key_id, 0) = coalesce(permit_key.id, 0)
    join ofa.account on (account.run_id, account.stage, account.kind) = (p_run, v_stage, numbered.kind)
      and coalesce(account.device, '') = coalesce(numbered.device, '')
    where "uniqueKey" is null or numbered.id in (select job_id from owned)
    order by ordinal
    returning id
  )
  select coalesce(array_agg(id order by id), '{}') into v_jobs from added;
  update ofa.job_group set expected = expected + cardinality(v_jobs), pending = pending + cardinality(v_jobs)
  where month = v_month and id = p_group;
  if p_released then perform ofa.make_live(v_jobs); end if;
  return v_jobs;
end
$$;
