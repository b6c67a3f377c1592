-- Statements of what a running job leaves behind: checkpoints, progress, log lines.

-- name: CheckpointSave :exec
-- Saves a checkpoint and keeps the one before it.
with saved as (
  insert into ofa.checkpoint (job_id, name, seq, token, payload, saved_at)
  values ($1::bigint, $2::text, $3::bigint, $4::bigint, $5::json, ofa.now())
  on conflict (job_id, name, seq) do update
  set token = excluded.token, payload = excluded.payload, saved_at = excluded.saved_at
), kept as materialized (
  select coalesce(max(seq), $3::bigint) as seq from ofa.checkpoint
  where job_id = $1::bigint and name = $2::text and seq < $3::bigint
)
delete from ofa.checkpoint using kept
where job_id = $1::bigint and name = $2::text and checkpoint.seq < kept.seq;

-- name: CheckpointLatest :many
-- The newest checkpoint of a job.
select seq, payload from ofa.checkpoint where job_id = $1::bigint and name = $2::text
order by seq desc limit 1;

-- name: CheckpointList :many
-- The checkpoints of a job, the newest first.
select seq, payload from ofa.checkpoint where job_id = $1::bigint and name = $2::text
order by seq desc;

-- name: CheckpointDrop :many
-- Forgets the checkpoints of a job before one; the blobs that they named, if any.
delete from ofa.checkpoint where job_id = $1::bigint and name = $2::text and seq < $3::bigint
returning payload ->> 'blob' as blob;

-- name: CheckpointForget :exec
-- Forgets one checkpoint of a job.
delete from ofa.checkpoint where job_id = $1::bigint and name = $2::text and seq = $3::bigint;

-- name: CheckpointReferences :many
-- Every checkpoint that names a blob, and whether its job has ended.
select checkpoint.job_id, checkpoint.name, checkpoint.seq, job.run_id, job.stage,
  payload ->> 'blob' as blob,
  exists (select from ofa.outcome where outcome.job_id = checkpoint.job_id) as ended
from ofa.checkpoint join ofa.job on job.id = checkpoint.job_id
where payload ->> 'blob' ~ '^[0-9a-f]{64}$'
order by checkpoint.job_id, checkpoint.name, checkpoint.seq;

-- name: ProgressSave :exec
-- Notes how far the newest attempt of a job is; the last word may come just after its end. While the attempt
-- runs and gets further, its time to stand still begins anew.
with further as materialized (
  select live.job_id from ofa.live left join ofa.progress using (job_id)
  where live.job_id = $1::bigint and live.token = $2::bigint and live.stall_at is not null
    and (progress.token, progress.fraction, progress.message)
      is distinct from ($2::bigint, $3::float8, $4::text)
), alive as (
  update ofa.live set stall_at = ofa.now() + job.stall from further join ofa.job on job.id = further.job_id
  where live.job_id = further.job_id and live.token = $2::bigint
)
insert into ofa.progress (job_id, token, fraction, message, updated_at)
select $1::bigint, $2::bigint, $3::float8, $4::text, ofa.now()
where exists (select from ofa.live where job_id = $1::bigint and token = $2::bigint)
  or $2::bigint = (select max(token) from ofa.attempt where job_id = $1::bigint)
    and not exists (select from ofa.live where job_id = $1::bigint and token > $2::bigint)
on conflict (job_id) do update
set token = excluded.token, fraction = excluded.fraction, message = excluded.message,
  updated_at = excluded.updated_at;

-- name: JobLogAdd :exec
-- Writes lines that a job said.
insert into ofa.job_log (job_id, token, logged_at, line)
select $1::bigint, $2::bigint, ofa.now(), line from unnest($3::text[]) with ordinality as said (line, place)
order by place;

-- name: JobLogNewest :many
-- The newest lines of a job, oldest first.
select id, logged_at, token, line from (
  select id, logged_at, token, line from ofa.job_log where job_id = $1::bigint order by id desc limit $2::int
) as newest order by id;

-- name: JobLogAfter :many
-- The lines of a job after one of them, oldest first.
select id, logged_at, token, line from ofa.job_log where job_id = $1::bigint and id > $2::bigint order by id limit $3::int;

-- name: JobLogCount :one
-- How many lines of a job come before one of them.
select count(*) as lines from ofa.job_log where job_id = $1::bigint and id < $2::bigint;
