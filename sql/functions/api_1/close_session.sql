-- Ends a session whose worker goes in good order; another takes its duties at its next heartbeat.
create or replace function ofa_api_1.close_session(p_session uuid) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  -- As expire_sessions does: a claim of it that is under way comes first.
  perform from ofa.session where uuid = p_session and state = 'alive' for update;
  update ofa.session set state = 'closed' where uuid = p_session and state = 'alive';
  update ofa.duty set held_until = '-infinity', session_id = null from ofa.session
  where session.uuid = p_session and duty.session_id = session.id;
end
$$;
