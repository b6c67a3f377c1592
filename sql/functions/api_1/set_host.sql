-- States figures of a machine from `p_valid_from` on (NULL: now): `p_setting` has the columns of ofa.host_setting by name,
-- those without a key are unknown. Inserts the machine if it is unknown. `p_previous` is the begin of the machine's newest
-- row as the caller read it (NULL: it has none). Returns the begin of the new row; NULL, with nothing written, if the
-- newest row is another one by now, or a row begins at that time.
create or replace function ofa_api_1.set_host(p_identity text, p_name text, p_actor text, p_setting jsonb,
  p_valid_from timestamptz, p_previous timestamptz)
returns timestamptz
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  v_host int;
  v_from timestamptz := coalesce(p_valid_from, ofa.now());
begin
  insert into ofa.host (identity, name) values (p_identity, p_name) on conflict (identity) do nothing;
  select id into v_host from ofa.host where identity = p_identity for no key update;
  insert into ofa.host_setting (host_id, valid_from, zone, pue, pue_low, pue_high, wue, currency, rental_per_cpu_hour,
    kwh_price, depreciation_per_hour, embodied_g, embodied_low_g, embodied_high_g, lifetime_hours, rated_watts,
    host_threads, note, actor)
  select v_host, v_from, said.zone, said.pue, said.pue_low, said.pue_high, said.wue, said.currency,
    said.rental_per_cpu_hour, said.kwh_price, said.depreciation_per_hour, said.embodied_g, said.embodied_low_g,
    said.embodied_high_g, said.lifetime_hours, said.rated_watts, said.host_threads, coalesce(said.note, ''), p_actor
  from jsonb_populate_record(null::ofa.host_setting, p_setting) as said
  where (select max(valid_from) from ofa.host_setting where host_id = v_host) is not distinct from p_previous
  on conflict (host_id, valid_from) do nothing;
  return case when found then v_from end;
end
$$;
