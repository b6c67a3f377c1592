-- Statements about budgets.

-- name: BudgetSet :many
-- Limits what a run, or all runs of a name from now on, may use; returns no row if the run is unknown or has ended.
select id from ofa_api_1.set_limits(@run::bigint?, @pipeline::text?, @max_uj::bigint?, @max_ug::bigint?,
  @max_money_u::bigint?, @currency::text?, @soft::boolean) as id;

-- name: BudgetLift :one
-- Lifts the limit of a run, or of all runs of a name; returns whether there was one.
select ofa_api_1.lift_budget(@run::bigint?, @pipeline::text?) as lifted;

-- name: BudgetCheck :many
-- Compares what runs used with their budgets; returns those of the given leases whose runs are held, with the reason.
select token, reason from ofa_api_1.check_budgets(@jobs::bigint[], @tokens::bigint[]);

-- name: BudgetList :many
-- Returns the limits in force, with what was used at the last check, and how many runs they hold.
select id, run_id, pipeline, since, max_uj, max_ug, is_soft, set_at, checked_at, used_uj, used_ug, reached_at, reason,
  max_money_u, currency, used_money_u, uncounted_ns, uncounted_in,
  (select count(*) from ofa.run_hold where run_hold.budget_id = budget.id) as held
from ofa.budget where lifted_at is null order by id;

-- name: BudgetsOfRun :many
-- Returns the limits in force that an unfinished run has reached; those that hold it first.
select budget.is_soft, budget.reason from ofa.budget
join ofa.run on run.id = budget.run_id or run.name = budget.pipeline
where run.id = @run::bigint and run.state = 'running' and budget.lifted_at is null and budget.reached_at is not null
order by budget.is_soft, budget.id;

-- name: BudgetsUncounted :many
-- Returns the limits of money in force of an unfinished run that do not count the money of all of its attempts, or of those of
-- its name.
select budget.currency, budget.uncounted_ns, budget.uncounted_in, budget.pipeline from ofa.budget
join ofa.run on run.id = budget.run_id or run.name = budget.pipeline
where run.id = @run::bigint and run.state = 'running' and budget.lifted_at is null and budget.uncounted_ns > 0
order by budget.id;

-- name: RunNameKnown :many
-- Returns a run of the name, if there is or was one.
select id from ofa.run where name = @name::text limit 1;
