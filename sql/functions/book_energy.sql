-- Inserts pieces of energy, and adds them to the ledger (ofa.energy_hour). The row of the machine in ofa.machine_meter must
-- be locked.
create or replace function ofa.book_energy(p_pieces ofa.energy_piece[]) returns void language plpgsql as $$
begin
  perform ofa.unfold_days((select (min(started_at) at time zone 'UTC')::date from unnest(p_pieces) as one));
  insert into ofa.energy_piece select (one).* from unnest(p_pieces) as one;
  insert into ofa.energy_hour as known (account_id, host_id, hour, zone, method, tier, used_ns, gap_ns, cpu_ns, energy_uj,
    energy_low_uj, energy_high_uj, reserved_ns, share_ns)
  select case part when 'attempt' then account_id when 'other' then 0 else -1 end, host_id,
    date_trunc('hour', started_at at time zone 'UTC') at time zone 'UTC', zone, method, tier, sum(used_ns),
    coalesce(sum(used_ns) filter (where energy_uj is null), 0), sum(cpu_ns), coalesce(sum(energy_uj), 0),
    coalesce(sum(energy_low_uj), 0), coalesce(sum(energy_high_uj), 0),
    case when bool_and(reserved_ns is not null) then sum(reserved_ns) end,
    case when bool_and(share_ns is not null) then sum(share_ns) end
  from unnest(p_pieces) as one group by 1, 2, 3, 4, 5, 6
  on conflict (account_id, host_id, hour, zone, method, tier) do update set
    used_ns = known.used_ns + excluded.used_ns, gap_ns = known.gap_ns + excluded.gap_ns,
    cpu_ns = known.cpu_ns + excluded.cpu_ns, energy_uj = known.energy_uj + excluded.energy_uj,
    energy_low_uj = known.energy_low_uj + excluded.energy_low_uj,
    energy_high_uj = known.energy_high_uj + excluded.energy_high_uj,
    -- A sum with an unknown part is unknown.
    reserved_ns = known.reserved_ns + excluded.reserved_ns, share_ns = known.share_ns + excluded.share_ns;
end
$$;
