-- Adds a device target or replaces it. A NULL for the latency or energy table keeps the stored table or, if the batch
-- size or the number of threads (1 if the target names none) changes, removes the table from the device.
create or replace function ofa_api_1.save_device(p_name text, p_target jsonb, p_latency_table bigint,
  p_energy_table bigint)
returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  insert into ofa.device (name, target, latency_table, energy_table)
  values (p_name, p_target, p_latency_table, p_energy_table)
  on conflict (name) do update
  set target = excluded.target,
      latency_table = case
        when excluded.latency_table is null and ofa.device.target -> 'batch' = excluded.target -> 'batch'
          and coalesce(ofa.device.target -> 'threads', '1') = coalesce(excluded.target -> 'threads', '1')
        then ofa.device.latency_table else excluded.latency_table end,
      energy_table = case
        when excluded.energy_table is null and ofa.device.target -> 'batch' = excluded.target -> 'batch'
          and coalesce(ofa.device.target -> 'threads', '1') = coalesce(excluded.target -> 'threads', '1')
        then ofa.device.energy_table else excluded.energy_table end,
      updated_at = ofa.now();
end
$$;
