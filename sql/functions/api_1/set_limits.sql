-- Limits what a run (`p_run`), or all runs named `p_pipeline` from now on, may use, in place of its last limit, and compares at
-- once: IT energy, carbon, and money in millionths of `p_currency`; NULL is no limit. Returns the budget; nothing if the run
-- is unknown or has ended.
create or replace function ofa_api_1.set_limits(p_run bigint, p_pipeline text, p_max_uj bigint, p_max_ug bigint,
  p_max_money_u bigint, p_currency text, p_soft boolean) returns setof bigint
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  v_budget bigint;
begin
  if p_run is not null and not exists (select from ofa.run where id = p_run and state = 'running') then return; end if;
  perform ofa_api_1.lift_budget(p_run, p_pipeline);
  insert into ofa.budget (run_id, pipeline, since, max_uj, max_ug, max_money_u, currency, is_soft)
  values (p_run, p_pipeline, case when p_run is null then ofa.now() else '-infinity' end, p_max_uj, p_max_ug, p_max_money_u,
    p_currency, p_soft)
  returning id into v_budget;
  perform ofa.count_budgets();
  perform ofa.hold_runs();
  return next v_budget;
end
$$;
