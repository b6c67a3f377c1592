-- Statements of HostLedger.

-- name: HostList :many
-- Lists the machines, with what is stated of each now, the begin of its newest setting, and how it was metered last.
select host.id, host.identity, host.name, host.first_seen_at, stated.valid_from, stated.recorded_at, stated.actor,
  to_jsonb(stated) as setting, metered.zone, metered.method, metered.tier, metered.hour,
  (select max(valid_from)::text from ofa.host_setting where host_id = host.id) as newest,
  (select count(*) from ofa.host_setting where host_id = host.id)::int as settings
from ofa.host
left join ofa.host_now as stated on stated.host_id = host.id
left join lateral (
  select found.* from unnest(array[0, -1]::bigint[]) as account cross join lateral (
    select zone, method, tier, hour from ofa.energy_hour
    where account_id = account and host_id = host.id and method not like 'gap: %' order by hour desc limit 1) as found
  order by found.hour desc limit 1) as metered on true
order by host.name, host.id;

-- name: HostSet :one
-- States figures of a machine; returns from when they hold, or NULL if others were stated meanwhile (set_host).
select ofa_api_1.set_host(@identity::text, @name::text, @actor::text, @setting::jsonb, @valid_from::timestamptz?,
  @previous::text?::timestamptz) as valid_from;

-- name: HostEnergy :many
-- Sums the ledger of energy by machine, method and tier over the hours in which `run` used the machine, or over all hours
-- if `run` is NULL: the energy of the attempts of `run` (or of all runs), of other runs, of other programs, and of
-- processors that nothing reserved. The four sums add up to that of the machine. Also the time of attempts that was
-- reported too late to have energy. The GPUs of a machine (HostIdentity.gpus) count as a part of it.
with alone as materialized (
  select distinct energy_hour.host_id, energy_hour.hour
  from ofa.account join ofa.energy_hour on energy_hour.account_id = account.id
  where account.run_id = @run::bigint? and (@since::timestamptz? is null
    or energy_hour.hour >= date_trunc('day', @since::timestamptz? at time zone 'UTC') at time zone 'UTC')
), used as materialized (
  select host_id, hour from alone
  union all
  select gpus.id, alone.hour from alone join ofa.host on host.id = alone.host_id
  join ofa.host as gpus on gpus.identity = host.identity || ' gpus'
), summed as (
  select coalesce((select max(day) + 1 from ofa.cost_day where grain = 'stage'), '-infinity') as until
), booked (host_id, method, tier, part, energy_uj, energy_low_uj, energy_high_uj, used_ns, gap_ns, cpu_ns, hour) as (
  select host_id, method, tier, case when account_id = 0 then 'other' when account_id = -1 then 'unallocated'
      when account_id in (select id from ofa.account where run_id = @run::bigint?) then 'runs' else 'others' end,
    energy_uj, energy_low_uj, energy_high_uj, used_ns, gap_ns, cpu_ns, hour
  from ofa.energy_hour
  where @run::bigint? is not null and hour >= (select min(hour) from used) and hour <= (select max(hour) from used)
    and (host_id, hour) in (select host_id, hour from used)
  union all
  select host_id, method, tier, case account_id when 0 then 'other' else 'unallocated' end, energy_uj, energy_low_uj,
    energy_high_uj, used_ns, gap_ns, cpu_ns, hour
  from ofa.energy_hour
  where @run::bigint? is null and account_id = any (array[0, -1]) and (@since::timestamptz? is null
    or hour >= date_trunc('day', @since::timestamptz? at time zone 'UTC') at time zone 'UTC')
  union all
  -- Of all runs, days that are over are read as ofa.cost_day has them.
  select host_id, method, tier, 'runs', energy_uj, energy_low_uj, energy_high_uj, wall_ns, gap_ns, cpu_ns, hour
  from ofa.cost_day
  where @run::bigint? is null and grain = 'stage' and is_energy
    and (@since::timestamptz? is null or day >= (@since::timestamptz? at time zone 'UTC')::date)
  union all
  select host_id, method, tier, 'runs', energy_uj, energy_low_uj, energy_high_uj, wall_ns, gap_ns, cpu_ns, hour
  from summed cross join lateral
    ofa.cost_since(greatest(summed.until, (@since::timestamptz? at time zone 'UTC')::date), 'infinity') as line
  where @run::bigint? is null and line.is_energy
)
select booked.host_id, host.name || case
    when (select count(*) from ofa.host as other where other.name = host.name) > 1 then ' #' || host.id else '' end as name,
  method, tier, part, sum(energy_uj)::bigint as energy_uj, sum(energy_low_uj)::bigint as energy_low_uj,
  sum(energy_high_uj)::bigint as energy_high_uj, sum(used_ns)::bigint as used_ns, sum(gap_ns)::bigint as gap_ns,
  sum(cpu_ns)::bigint as cpu_ns, min(hour) as first_hour, max(hour) as last_hour
from booked join ofa.host on host.id = booked.host_id
group by booked.host_id, host.id, method, tier, part order by name, method, tier, part;
