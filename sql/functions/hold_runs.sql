-- Holds the unfinished runs whose hard budget is reached, and lets held runs go on that have none any more, or have ended.
-- Lock order: budgets, runs by their numbers, as an import of a forecast locks them too, jobs that are not running.
create or replace function ofa.hold_runs() returns void language plpgsql as $$
declare
  v_run bigint;
  v_budget bigint;
begin
  -- Runs to hold have a budget here, runs to let go have NULL.
  for v_run, v_budget in
    select run.id, min(budget.id) from ofa.budget
    join ofa.run on run.state = 'running' and (run.id = budget.run_id or run.name = budget.pipeline)
    where budget.lifted_at is null and budget.reached_at is not null and not budget.is_soft
      and not exists (select from ofa.run_hold where run_id = run.id)
    group by run.id
    union all
    select run_hold.run_id, null from ofa.run_hold join ofa.run on run.id = run_hold.run_id
    where run.state <> 'running' or not exists (
      select from ofa.budget where lifted_at is null and reached_at is not null and not is_soft
        and (run_id = run.id or pipeline = run.name))
    order by 1
  loop
    -- The run's lock keeps what ends jobs, and makes others available, from passing by.
    perform from ofa.run where id = v_run and (v_budget is null or state = 'running') for no key update;
    if v_budget is null then
      delete from ofa.run_hold where run_id = v_run;
    elsif found then
      insert into ofa.run_hold (run_id, budget_id) values (v_run, v_budget) on conflict do nothing;
    end if;
  end loop;
  perform ofa.hold_jobs();
end
$$;
