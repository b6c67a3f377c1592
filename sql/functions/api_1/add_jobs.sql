-- Adds the jobs that the JSON array `p_specs` describes to the group `p_group`; returns the ids of the added jobs: see
-- ofa.add_jobs.
create or replace function ofa_api_1.add_jobs(p_run bigint, p_group bigint, p_specs json, p_path int[],
  p_waits_for bigint, p_inner boolean, p_released boolean)
returns bigint[]
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  return ofa.add_jobs(p_run, p_group, p_specs, p_path, p_waits_for, p_inner, p_released);
end
$$;
