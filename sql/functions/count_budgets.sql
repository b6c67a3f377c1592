-- Counts what the runs of each budget in force used, unless that was done within the last second or is being done, and marks
-- budgets that are reached. Carbon and money are by the newest factor set (ofa.priced_lines); money in another currency than
-- the budget's, or unknown, is not counted, but its time is.
create or replace function ofa.count_budgets() returns void language plpgsql as $$
begin
  with mine as materialized (
    select * from ofa.budget where lifted_at is null and checked_at not between ofa.now() - interval '1 second' and ofa.now()
    order by id for update skip locked
  ), counted as materialized (
    select mine.id, coalesce(sum(line.energy_uj), 0)::bigint as uj, coalesce(sum(line.emission_ug), 0)::bigint as ug,
      (sum(line.money_u) filter (where line.currency = mine.currency))::bigint as money_u,
      coalesce(sum(case when line.currency = mine.currency then line.money_missing_ns else line.wall_ns end)
        filter (where mine.currency is not null), 0)::bigint as uncounted_ns,
      coalesce(array_agg(distinct line.currency order by line.currency)
        filter (where line.currency <> mine.currency and line.wall_ns > 0), '{}') as uncounted_in
    from mine
    left join lateral ofa.priced_lines(array(
        select distinct account.run_id from ofa.account where account.run_id = mine.run_id or account.pipeline = mine.pipeline),
      null, null, (select max(version) from ofa.factor_set), 'lifecycle', 'average') as line
      on line.hour >= date_trunc('hour', mine.since at time zone 'UTC') at time zone 'UTC'
    group by mine.id
  ), compared as (
    select mine.id, counted.uj, counted.ug, counted.uncounted_ns, counted.uncounted_in,
      case when mine.currency is not null and (counted.money_u is not null or counted.uncounted_ns = 0)
        then coalesce(counted.money_u, 0) end as money_u,
      concat_ws(' and ',
        case when uj >= max_uj then format('%s of %s kWh', trim_scale(round(uj / 3.6e12, 9)),
          trim_scale(round(max_uj / 3.6e12, 9))) end,
        case when ug >= max_ug then format('%s of %s g CO2e', trim_scale(round(ug / 1e6, 6)),
          trim_scale(round(max_ug / 1e6, 6))) end,
        case when money_u >= max_money_u then format('%s of %s %s', trim_scale(round(money_u / 1e6, 6)),
          trim_scale(round(max_money_u / 1e6, 6)), mine.currency) end) as reached
    from mine join counted on counted.id = mine.id
  )
  update ofa.budget set checked_at = ofa.now(), used_uj = compared.uj, used_ug = compared.ug,
    used_money_u = compared.money_u, uncounted_ns = compared.uncounted_ns, uncounted_in = compared.uncounted_in,
    reached_at = coalesce(reached_at, case when reached <> '' then ofa.now() end),
    reason = coalesce(reason, nullif(reached, '') || case when run_id is null then ' of all runs named ' || pipeline
      else '' end)
  from compared where budget.id = compared.id;
end
$$;
