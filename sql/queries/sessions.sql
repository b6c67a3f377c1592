-- Statements about workers' sessions: open, heartbeat, expire.

-- name: SessionOpen :one
-- Opens a session of a worker on a machine, inserts missing rows of ofa.duty for `duties`, and returns the session's id
-- and uuid.
select * from ofa_api_1.open_session(@name::text, @identity::text, @host::text, @process::int, @ttl_seconds::float8,
  @version::text, @slots::int, @kinds::text[], @offers::text[], @duties::text[]);

-- name: SessionBeat :many
-- Records a heartbeat of a worker's session. Returns an instruction for each given lease, and the duties that the
-- session holds; returns no row if the session is over.
select * from ofa_api_1.beat(@session::uuid, @working_slots::int, @jobs::bigint[], @tokens::bigint[], @duties::text[],
  @duty_seconds::float8);

-- name: SessionClose :exec
-- Closes a session at the request of its worker, and releases the duties of the session.
select ofa_api_1.close_session(@session::uuid);

-- name: SessionExpire :many
-- Marks sessions as dead if they sent no heartbeat within their term (`ttl`). After a restart of the server, all terms
-- start anew. A heartbeat dated more than a second in the future shows that the clock was set back; its time is then
-- set to now. Changes up to 100 sessions, and returns them.
select id from ofa_api_1.expire_sessions() as id;

-- name: WorkerList :many
-- Returns the living workers with their slots, kinds, capabilities and duties, oldest first.
select session.id, session.name, host.name as host, session.process, session.version, session.slots,
  session.working_slots, session.kinds, session.offers, session.opened_at, session.beat_at,
  array(select duty.name from ofa.duty where duty.session_id = session.id and duty.held_until > ofa.now()
    order by duty.name) as duties
from ofa.session join ofa.host on host.id = session.host_id
where session.state = 'alive' and session.beat_at + session.ttl > ofa.now()
order by session.id;

-- name: JobsUnserved :many
-- Counts the waiting jobs that no living worker can run because no worker for their kind offers all capabilities that
-- they require, grouped by kind and required capabilities; `run` NULL means any run.
select lane.kind, lane.requires, count(*)::bigint as jobs
from ofa.lane join ofa.live on live.lane_id = lane.id
where lane.requires <> '{}' and live.state <> 'running' and (@run::bigint? is null or live.run_id = @run::bigint?)
  and not exists (
    select from ofa.session where session.state = 'alive' and session.beat_at + session.ttl > ofa.now()
      and lane.requires <@ session.offers and lane.kind = any (session.kinds))
group by lane.kind, lane.requires order by lane.kind, lane.requires;
