-- Sets `swept` for the sessions that are over and hold no lease, so that searches for lost jobs skip these sessions.
create or replace function ofa_api_1.sweep_sessions() returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  update ofa.session set swept = true
  where state <> 'alive' and not swept
    and not exists (select from ofa.live where live.session_id = session.id and live.state = 'running');
end
$$;
