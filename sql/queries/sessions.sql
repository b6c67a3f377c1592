-- Statements of worker sessions: open, beat, expire.

-- name: SessionOpen :one
-- Opens a session of a worker on a machine of some name and identity, and makes the rows of the duties it knows.
with duties as (
  insert into ofa.duty (name) select name from unnest(@duties::text[]) as known (name)
  where not exists (select from ofa.duty where duty.name = known.name) on conflict do nothing
)
insert into ofa.session (name, host_id, process, ttl, opened_at, beat_at, version, slots, working_slots, kinds, offers)
values (@name::text, ofa.know_host(@identity::text, @host::text), @process::int, make_interval(secs => @ttl_seconds::float8), ofa.now(), ofa.now(),
  @version::text, @slots::int, @slots::int, @kinds::text[], @offers::text[])
returning id, uuid;

-- name: SessionBeat :many
-- Records a heartbeat of a worker; returns an instruction for each lease and the duties it holds, no row if its session
-- is over.
select * from ofa.beat(@session::uuid, @working_slots::int, @jobs::bigint[], @tokens::bigint[], @duties::text[],
  @duty_seconds::float8);

-- name: SessionClose :exec
-- Ends a session whose worker goes in good order.
with mine as materialized (
  -- As `SessionExpire` does: a claim of it that is under way comes first.
  select id from ofa.session where uuid = $1::uuid and state = 'alive' for update
)
update ofa.session set state = 'closed' from mine where session.id = mine.id and state = 'alive';

-- name: DutiesFree :exec
-- Gives up the duties of a session, so that another worker takes them at its next heartbeat.
update ofa.duty set held_until = '-infinity', session_id = null from ofa.session
where session.uuid = @session::uuid and duty.session_id = session.id;

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

-- name: WorkerList :many
-- The living workers, each with its slots, what it takes and offers, and its duties; oldest first.
select session.id, session.name, host.name as host, session.process, session.version, session.slots,
  session.working_slots, session.kinds, session.offers, session.opened_at, session.beat_at,
  array(select duty.name from ofa.duty where duty.session_id = session.id and duty.held_until > ofa.now()
    order by duty.name) as duties
from ofa.session join ofa.host on host.id = session.host_id
where session.state = 'alive' and session.beat_at + session.ttl > ofa.now()
order by session.id;

-- name: JobsUnserved :many
-- The jobs that wait and require what no living worker offers that takes their kind; of one run or of any.
select lane.kind, lane.requires, count(*)::bigint as jobs
from ofa.lane join ofa.live on live.lane_id = lane.id
where lane.requires <> '{}' and live.state <> 'running' and (@run::bigint? is null or live.run_id = @run::bigint?)
  and not exists (
    select from ofa.session where session.state = 'alive' and session.beat_at + session.ttl > ofa.now()
      and lane.requires <@ session.offers and lane.kind = any (session.kinds))
group by lane.kind, lane.requires order by lane.kind, lane.requires;
