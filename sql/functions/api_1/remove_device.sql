-- Deletes the device target `p_name`; returns false if there is none. Runs keep their copies of the target, and its
-- latency and energy tables remain as artifacts.
create or replace function ofa_api_1.remove_device(p_name text) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  delete from ofa.device where name = p_name;
  return found;
end
$$;
