-- Allocates the energy of machines whose processes have all ended or been silent for half a minute; returns how many
-- intervals (see ofa.allocate_energy). The next report from a machine does the same.
create or replace function ofa_api_1.allocate_energy() returns int
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  return coalesce(sum(ofa.allocate_energy(host_id)), 0)::int from (
    select host_id from ofa.machine_meter as meter
    where metered_until > allocated_until and seen_at < ofa.now() - interval '30 seconds' and not exists (
      select from ofa.metering_process as other
      where other.host_id = meter.host_id and other.seen_at > ofa.now() - interval '30 seconds')
    order by host_id limit 100) as silent;
end
$$;
