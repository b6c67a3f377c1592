-- Opens a session of a worker on a machine, inserts missing rows of ofa.duty for `p_duties`, and returns the session's
-- id and uuid.
create or replace function ofa_api_1.open_session(p_name text, p_identity text, p_host text, p_process int,
  p_ttl_seconds float8, p_version text, p_slots int, p_kinds text[], p_offers text[], p_duties text[])
returns table (id bigint, uuid uuid)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
begin
  insert into ofa.duty (name) select name from unnest(p_duties) as known (name)
  where not exists (select from ofa.duty where duty.name = known.name) on conflict do nothing;
  return query insert into ofa.session (name, host_id, process, ttl, opened_at, beat_at, version, slots, working_slots,
      kinds, offers)
    values (p_name, ofa.know_host(p_identity, p_host), p_process, make_interval(secs => p_ttl_seconds), ofa.now(),
      ofa.now(), p_version, p_slots, p_slots, p_kinds, p_offers)
    returning session.id, session.uuid;
end
$$;
