-- Closes a session on request of its worker; another worker takes its duties at its next heartbeat.
create or replace function ofa_api_1.close_session(p_session uuid) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  -- As in expire_sessions: a claim in progress finishes first.
  perform from ofa.session where uuid = p_session and state = 'alive' for update;
  update ofa.session set state = 'closed' where uuid = p_session and state = 'alive';
  update ofa.duty set held_until = '-infinity', session_id = null from ofa.session
  where session.uuid = p_session and duty.session_id = session.id;
end
$$;
