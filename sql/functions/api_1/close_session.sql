-- Closes a session at the request of its worker, and releases the duties of the session, so that other workers take
-- over these duties at their next heartbeats.
create or replace function ofa_api_1.close_session(p_session uuid) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  -- A claim locks its session, so this statement waits for a claim in progress.
  perform from ofa.session where uuid = p_session and state = 'alive' for update;
  update ofa.session set state = 'closed' where uuid = p_session and state = 'alive';
  update ofa.duty set held_until = '-infinity', session_id = null from ofa.session
  where session.uuid = p_session and duty.session_id = session.id;
end
$$;
