-- Removes a retention period: the data `p_what` is then kept forever.
create or replace function ofa_api_1.remove_retention(p_what text) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  delete from ofa.retention where what = p_what;
end
$$;
