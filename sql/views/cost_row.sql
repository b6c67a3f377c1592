-- What each account used of each machine: the ledger of attempts (ofa.spent), a row a day, which `hour` begins, and the
-- ledger of energy (ofa.energy_hour), a row an hour (`is_energy`), whose attempts are counted in the former. Where time and
-- energy of attempts are in the latter, `method` is '' in the former.
drop view if exists ofa.cost_row;
create or replace view ofa.cost_row as
select account_id, host_id, false as is_energy, day, day::timestamp at time zone 'UTC' as hour, zone, method, tier,
  attempts, not_completed, gaps, case method when '' then 0 else wall_ns end as wall_ns, cpu_ns, energy_uj,
  energy_low_uj, energy_high_uj, 0::bigint as gap_ns,
  first_started_at, first_token, null::bigint as reserved_ns, null::bigint as share_ns
from ofa.spent
union all
select account_id, host_id, true, (hour at time zone 'UTC')::date, hour, zone, method, tier, 0, 0, 0, used_ns, cpu_ns,
  energy_uj, energy_low_uj, energy_high_uj, gap_ns, null, null, reserved_ns, share_ns
from ofa.energy_hour;
