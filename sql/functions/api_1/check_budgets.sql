-- Compares what runs used with their budgets: holds the runs of hard budgets that are reached, and lets held runs go on
-- whose budget was lifted or replaced. Returns those of the given leases (`p_jobs` with `p_tokens`) whose runs are held, with
-- what was reached. Without budgets this reads two empty tables and an index.
create or replace function ofa_api_1.check_budgets(p_jobs bigint[], p_tokens bigint[])
returns table (token bigint, reason text)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
begin
  if not exists (select from ofa.budget where lifted_at is null)
    and not exists (select from ofa.run_hold)
    and not exists (select from ofa.live where state in ('scheduled', 'retryable') and due_at = ofa.never()) then
    return;
  end if;
  perform ofa.count_budgets();
  perform ofa.hold_runs();
  return query
  select live.token, budget.reason from unnest(p_jobs, p_tokens) as held (job, token)
  join ofa.live on live.job_id = any (array[held.job]) and live.token = held.token
  join ofa.run_hold on run_hold.run_id = live.run_id
  join ofa.budget on budget.id = run_hold.budget_id;
end
$$;
