-- Statements of worker sessions: open, beat, expire.

-- name: SessionOpen :one
-- Opens a session of a worker.
insert into ofa.session (name, host, process, ttl, opened_at, beat_at, version)
values ($1::text, $2::text, $3::int, make_interval(secs => $4::float8), ofa.now(), ofa.now(), $5::text)
returning id, uuid;

-- name: SessionBeat :many
-- Says that a worker lives; returns what should happen to its leases, no row when its session is over.
select * from ofa.beat($1::uuid, $2::bigint[], $3::bigint[]);

-- name: SessionClose :exec
-- Ends a session whose worker goes in good order.
with mine as materialized (
  -- As `SessionExpire` does: a claim of it that is under way comes first.
  select id from ofa.session where uuid = $1::uuid and state = 'alive' for update
)
update ofa.session set state = 'closed' from mine where session.id = mine.id and state = 'alive';

-- name: SessionExpire :many
-- Marks the sessions as dead that did not beat in time; a restart of the server gives each a full term. A beat
-- of a time to come was said before the clock was set back: it counts as one of now.
with silent as materialized (
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
