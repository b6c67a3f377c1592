-- Sets how many jobs with the concurrency key `p_key` may run at once. Running jobs keep permits above a lowered limit
-- until their attempts end.
create or replace function ofa_api_1.set_permits(p_key text, p_slots int) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  v_key int;
begin
  insert into ofa.permit_key (name, slots) values (p_key, p_slots)
  on conflict (name) do update set slots = excluded.slots
  returning id into v_key;
  delete from ofa.permit where key_id = v_key and slot > p_slots and token is null;
  insert into ofa.permit (key_id, slot)
  select v_key, slot from generate_series(1, p_slots) as slot
  on conflict (key_id, slot) do nothing;
end
$$;
