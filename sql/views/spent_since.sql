-- The rows that ofa.spent_day does not have yet: the ledger (ofa.spent) summed over all runs, for the days after the
-- newest day in ofa.spent_day. The time of attempts whose energy is in ofa.energy_hour is there, too.
drop view if exists ofa.spent_since;
create or replace view ofa.spent_since as
select spent.day, account.stage, account.kind, coalesce(account.device, '') as device, spent.host_id, spent.zone,
  spent.method, spent.tier, sum(spent.attempts)::bigint as attempts,
  sum(spent.not_completed)::bigint as not_completed, sum(spent.gaps)::bigint as gaps,
  sum(case spent.method when '' then 0 else spent.wall_ns end)::bigint as wall_ns, sum(spent.cpu_ns)::bigint as cpu_ns,
  sum(spent.energy_uj)::bigint as energy_uj, sum(spent.energy_low_uj)::bigint as energy_low_uj,
  sum(spent.energy_high_uj)::bigint as energy_high_uj, min(spent.first_started_at) as first_started_at,
  min(spent.first_token) as first_token, account.pipeline
from ofa.spent join ofa.account on account.id = spent.account_id
where spent.day > coalesce((select max(spent_day.day) from ofa.spent_day), '-infinity')
group by 1, 2, 3, 4, 5, 6, 7, 8, account.pipeline;
