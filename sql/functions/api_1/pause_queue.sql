-- Pauses a queue: claims take no more jobs from it.
create or replace function ofa_api_1.pause_queue(p_name text) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  insert into ofa.paused_queue (name, paused_at) values (p_name, ofa.now()) on conflict (name) do nothing;
end
$$;
