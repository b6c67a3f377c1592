-- Adds the usage of attempts to the ledger (ofa.spent). The runs of the attempts must be locked.
create or replace function ofa.book(p_spent ofa.spent[]) returns void language plpgsql as $$
begin
  perform ofa.unfold_days((select min(day) from unnest(p_spent) as one));
  insert into ofa.spent select (one).* from unnest(p_spent) as one
  on conflict (account_id, host_id, day, zone, method, tier) do update set
    attempts = spent.attempts + excluded.attempts, not_completed = spent.not_completed + excluded.not_completed,
    failed = spent.failed + excluded.failed, lost = spent.lost + excluded.lost,
    gaps = spent.gaps + excluded.gaps, wall_ns = spent.wall_ns + excluded.wall_ns,
    cpu_ns = spent.cpu_ns + excluded.cpu_ns, energy_uj = spent.energy_uj + excluded.energy_uj,
    energy_low_uj = spent.energy_low_uj + excluded.energy_low_uj,
    energy_high_uj = spent.energy_high_uj + excluded.energy_high_uj,
    first_started_at = least(spent.first_started_at, excluded.first_started_at),
    first_token = least(spent.first_token, excluded.first_token);
end
$$;
