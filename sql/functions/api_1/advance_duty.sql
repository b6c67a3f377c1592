-- Records that the duty `p_name` was done up to the time `p_until`, if the recorded time is `p_from` (-infinity at
-- first). Returns false and changes nothing if another worker has recorded another time.
create or replace function ofa_api_1.advance_duty(p_name text, p_from text, p_until text) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  insert into ofa.duty (name) values (p_name) on conflict do nothing;
  update ofa.duty set done_at = p_until::timestamptz where name = p_name and done_at = p_from::timestamptz;
  return found;
end
$$;
