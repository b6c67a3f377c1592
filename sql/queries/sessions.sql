-- Statements of worker sessions: open, heartbeat, expire.

-- name: SessionOpen :one
-- Opens a worker's session on a machine, and inserts missing rows for its duties.
select * from ofa_api_1.open_session(@name::text, @identity::text, @host::text, @process::int, @ttl_seconds::float8,
  @version::text, @slots::int, @kinds::text[], @offers::text[], @duties::text[]);

-- name: SessionBeat :many
-- Records a heartbeat of a worker; returns an instruction for each lease and the duties it holds, or no row if its
-- session is over.
select * from ofa_api_1.beat(@session::uuid, @working_slots::int, @jobs::bigint[], @tokens::bigint[], @duties::text[],
  @duty_seconds::float8);

-- name: SessionClose :exec
-- Closes a session on request of its worker and releases its duties.
select ofa_api_1.close_session(@session::uuid);

-- name: SessionExpire :many
-- Marks sessions without a timely heartbeat as dead; after a restart of the server each gets a full term. A heartbeat
-- dated in the future (the clock was set back) is clamped to now.
select id from ofa_api_1.expire_sessions() as id;

-- name: WorkerList :many
-- The living workers with their slots, kinds, capabilities and duties, oldest first.
select session.id, session.name, host.name as host, session.process, session.version, session.slots,
  session.working_slots, session.kinds, session.offers, session.opened_at, session.beat_at,
  array(select duty.name from ofa.duty where duty.session_id = session.id and duty.held_until > ofa.now()
    order by duty.name) as duties
from ofa.session join ofa.host on host.id = session.host_id
where session.state = 'alive' and session.beat_at + session.ttl > ofa.now()
order by session.id;

-- name: JobsUnserved :many
-- Waiting jobs whose required capabilities no living worker of their kind offers, of one run or of any.
select lane.kind, lane.requires, count(*)::bigint as jobs
from ofa.lane join ofa.live on live.lane_id = lane.id
where lane.requires <> '{}' and live.state <> 'running' and (@run::bigint? is null or live.run_id = @run::bigint?)
  and not exists (
    select from ofa.session where session.state = 'alive' and session.beat_at + session.ttl > ofa.now()
      and lane.requires <@ session.offers and lane.kind = any (session.kinds))
group by lane.kind, lane.requires order by lane.kind, lane.requires;
