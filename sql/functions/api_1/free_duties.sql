-- Gives up the duties of a session, so that another worker takes them at its next heartbeat.
create or replace function ofa_api_1.free_duties(p_session uuid) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  update ofa.duty set held_until = '-infinity', session_id = null from ofa.session
  where session.uuid = p_session and duty.session_id = session.id;
end
$$;
