-- Returns the ledgers of the runs `p_runs`, or of all runs if `p_runs` is NULL: of attempts (ofa.spent), a row a day, which
-- `hour` begins, and of energy (ofa.energy_hour), a row an hour (`is_energy`), as in ofa.cost_row. For all runs the days that
-- are folded (ofa.spent_day) are sums over runs, without run and account. Its caller's plan includes it.
create or replace function ofa.cost_lines(p_runs bigint[]) returns table (run_id bigint, account_id bigint, pipeline text,
  stage text, kind text, device text, host_id int, is_energy boolean, day date, hour timestamptz, zone text, method text,
  tier text, attempts bigint, not_completed bigint, gaps bigint, wall_ns bigint, gap_ns bigint, cpu_ns bigint,
  energy_uj bigint, energy_low_uj bigint, energy_high_uj bigint, reserved_ns bigint, share_ns bigint,
  first_started_at timestamptz, first_token bigint) language sql stable as $$
  select account.run_id, account.id, account.pipeline, account.stage, account.kind, coalesce(account.device, ''),
    spent.host_id, false, spent.day, spent.day::timestamp at time zone 'UTC', spent.zone, spent.method, spent.tier,
    spent.attempts, spent.not_completed, spent.gaps, case spent.method when '' then 0 else spent.wall_ns end, 0::bigint,
    spent.cpu_ns, spent.energy_uj, spent.energy_low_uj, spent.energy_high_uj, null::bigint, null::bigint,
    spent.first_started_at, spent.first_token
  from ofa.account join ofa.spent on spent.account_id = account.id
  where p_runs is not null and account.run_id = any (p_runs)
  union all
  select account.run_id, account.id, account.pipeline, account.stage, account.kind, coalesce(account.device, ''),
    hourly.host_id, true, (hourly.hour at time zone 'UTC')::date, hourly.hour, hourly.zone, hourly.method, hourly.tier,
    0::bigint, 0::bigint, 0::bigint, hourly.used_ns, hourly.gap_ns, hourly.cpu_ns, hourly.energy_uj, hourly.energy_low_uj,
    hourly.energy_high_uj, hourly.reserved_ns, hourly.share_ns, null::timestamptz, null::bigint
  from ofa.account join ofa.energy_hour as hourly on hourly.account_id = account.id
  where p_runs is not null and account.run_id = any (p_runs)
  union all
  select null::bigint, null::bigint, folded.pipeline, folded.stage, folded.kind, folded.device, folded.host_id, false,
    folded.day, folded.day::timestamp at time zone 'UTC', folded.zone, folded.method, folded.tier, folded.attempts,
    folded.not_completed, folded.gaps, folded.wall_ns, 0::bigint, folded.cpu_ns, folded.energy_uj, folded.energy_low_uj,
    folded.energy_high_uj, null::bigint, null::bigint, folded.first_started_at, folded.first_token
  from (
    select * from ofa.spent_day
    union all
    -- As in ofa.spent_since, a view, which a function that is created before it cannot name.
    select spent.day, account.stage, account.kind, coalesce(account.device, ''), spent.host_id, spent.zone, spent.method,
      spent.tier, sum(spent.attempts)::bigint, sum(spent.not_completed)::bigint, sum(spent.gaps)::bigint,
      sum(case spent.method when '' then 0 else spent.wall_ns end)::bigint, sum(spent.cpu_ns)::bigint,
      sum(spent.energy_uj)::bigint, sum(spent.energy_low_uj)::bigint, sum(spent.energy_high_uj)::bigint,
      min(spent.first_started_at), min(spent.first_token), account.pipeline
    from ofa.spent join ofa.account on account.id = spent.account_id
    where spent.day > coalesce((select max(spent_day.day) from ofa.spent_day), '-infinity')
    group by 1, 2, 3, 4, 5, 6, 7, 8, account.pipeline) as folded
  where p_runs is null
  union all
  select account.run_id, account.id, account.pipeline, account.stage, account.kind, coalesce(account.device, ''),
    hourly.host_id, true, (hourly.hour at time zone 'UTC')::date, hourly.hour, hourly.zone, hourly.method, hourly.tier,
    0::bigint, 0::bigint, 0::bigint, hourly.used_ns, hourly.gap_ns, hourly.cpu_ns, hourly.energy_uj, hourly.energy_low_uj,
    hourly.energy_high_uj, hourly.reserved_ns, hourly.share_ns, null::timestamptz, null::bigint
  from ofa.energy_hour as hourly join ofa.account on account.id = hourly.account_id where p_runs is null
$$;
