-- Sets the latency table measured for a device, if the device still has this kind and batch size, and the number of
-- threads that the table's metadata name (1 if they name none): the name may have been given to another device since the
-- measurement began.
create or replace function ofa_api_1.set_device_table(p_name text, p_kind text, p_batch int, p_latency_table bigint)
returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  update ofa.device set latency_table = p_latency_table, updated_at = ofa.now()
  where name = p_name and target -> 'batch' = to_jsonb(p_batch) and target ->> 'kind' = p_kind
    and coalesce(target -> 'threads', '1') = coalesce(
      (select metadata -> 'threads' from ofa.artifact where id = p_latency_table), '1');
end
$$;
