-- Lifts the limit of a run (`p_run`), or of all runs named `p_pipeline`, and lets the runs go on that nothing else holds;
-- returns false if there was none.
create or replace function ofa_api_1.lift_budget(p_run bigint, p_pipeline text) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  v_lifted boolean;
begin
  update ofa.budget set lifted_at = ofa.now()
  where lifted_at is null and (run_id = p_run or pipeline = p_pipeline);
  v_lifted := found;
  perform ofa.hold_runs();
  return v_lifted;
end
$$;
