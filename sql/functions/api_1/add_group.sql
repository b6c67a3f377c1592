-- Creates a group of jobs and returns its id. The group is a stage, or, if `p_owner_job` is given, the fan-out of that
-- job. `p_needs` is the number of stages for which the group waits.
create or replace function ofa_api_1.add_group(p_run bigint, p_stage text, p_owner_job bigint, p_needs int,
  p_rule text, p_quorum int, p_on_bad text)
returns bigint
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  v_group bigint;
begin
  insert into ofa.job_group (month, run_id, stage, owner_job, deps_left, released_at, rule, quorum, on_bad)
  select month, id, p_stage, p_owner_job, p_needs, case when p_needs = 0 then ofa.now() end, p_rule, p_quorum, p_on_bad
  from ofa.run where run.id = p_run
  returning job_group.id into v_group;
  return v_group;
end
$$;
