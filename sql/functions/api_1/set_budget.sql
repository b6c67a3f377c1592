-- Limits energy and carbon of a run or of all runs of a name, without money: see ofa_api_1.set_limits.
create or replace function ofa_api_1.set_budget(p_run bigint, p_pipeline text, p_max_uj bigint, p_max_ug bigint,
  p_soft boolean) returns setof bigint
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  return query select ofa_api_1.set_limits(p_run, p_pipeline, p_max_uj, p_max_ug, null, null, p_soft);
end
$$;
