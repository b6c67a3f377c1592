-- Records that what is due to `p_name` was done up to `p_until`, provided that `p_from` is the recorded time (-infinity
-- at first). Returns whether it was; otherwise nothing changes, because another worker recorded another time.
create or replace function ofa_api_1.advance_duty(p_name text, p_from text, p_until text) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  insert into ofa.duty (name) values (p_name) on conflict do nothing;
  update ofa.duty set done_at = p_until::timestamptz where name = p_name and done_at = p_from::timestamptz;
  return found;
end
$$;
