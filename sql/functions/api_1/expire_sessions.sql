-- Marks sessions as dead if they sent no heartbeat within their term (`ttl`). After a restart of the server, all terms
-- start anew. A heartbeat dated more than a second in the future shows that the clock was set back; its time is then
-- set to now. Changes up to 100 sessions, and returns them.
create or replace function ofa_api_1.expire_sessions() returns setof bigint
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  return query with silent as materialized (
    select id from ofa.session
    where state = 'alive' and (beat_at > ofa.now() + interval '1 second'
      or greatest(beat_at, case when pg_postmaster_start_time() <= ofa.now() then pg_postmaster_start_time() end)
        + ttl < ofa.now())
    order by id limit 100 for update skip locked
  )
  update ofa.session set
    state = case when beat_at > ofa.now() then state else 'dead' end, beat_at = least(beat_at, ofa.now())
  from silent
  where session.id = silent.id and state = 'alive' and (beat_at > ofa.now() + interval '1 second'
    or greatest(beat_at, case when pg_postmaster_start_time() <= ofa.now() then pg_postmaster_start_time() end)
      + ttl < ofa.now())
  returning session.id;
end
$$;
