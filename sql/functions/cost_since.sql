-- Returns the ledgers of all runs in the days from `p_from` until before `p_until` (UTC): of attempts (ofa.spent) and of
-- energy (ofa.energy_hour, `is_energy`), as in ofa.cost_row. Its caller's plan includes it.
create or replace function ofa.cost_since(p_from date, p_until date) returns table (run_id bigint, pipeline text, stage text,
  kind text, device text, host_id int, is_energy boolean, day date, hour timestamptz, zone text, method text, tier text,
  attempts bigint, not_completed bigint, gaps bigint, wall_ns bigint, gap_ns bigint, cpu_ns bigint, energy_uj bigint,
  energy_low_uj bigint, energy_high_uj bigint, reserved_ns bigint, share_ns bigint, first_started_at timestamptz,
  first_token bigint) language sql stable as $$
  select account.run_id, account.pipeline, account.stage, account.kind, coalesce(account.device, ''), spent.host_id, false,
    spent.day, spent.day::timestamp at time zone 'UTC', spent.zone, spent.method, spent.tier, spent.attempts,
    spent.not_completed, spent.gaps, case spent.method when '' then 0 else spent.wall_ns end, 0::bigint, spent.cpu_ns,
    spent.energy_uj, spent.energy_low_uj, spent.energy_high_uj, null::bigint, null::bigint, spent.first_started_at,
    spent.first_token
  from ofa.spent join ofa.account on account.id = spent.account_id
  where spent.day >= p_from and spent.day < p_until
  union all
  select account.run_id, account.pipeline, account.stage, account.kind, coalesce(account.device, ''), hourly.host_id, true,
    (hourly.hour at time zone 'UTC')::date, hourly.hour, hourly.zone, hourly.method, hourly.tier, 0::bigint, 0::bigint,
    0::bigint, hourly.used_ns, hourly.gap_ns, hourly.cpu_ns, hourly.energy_uj, hourly.energy_low_uj, hourly.energy_high_uj,
    hourly.reserved_ns, hourly.share_ns, null::timestamptz, null::bigint
  from ofa.energy_hour as hourly join ofa.account on account.id = hourly.account_id
  where hourly.hour >= p_from::timestamp at time zone 'UTC' and hourly.hour < p_until::timestamp at time zone 'UTC'
$$;
