-- Lets claims take jobs from a paused queue again.
create or replace function ofa_api_1.resume_queue(p_name text) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  delete from ofa.paused_queue where name = p_name;
end
$$;
