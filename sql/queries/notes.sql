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

-- name: ProgressSave :exec
-- Notes how far the newest attempt of a job is; the last word may come just after its end.
insert into ofa.progress (job_id, token, fraction, message, updated_at)
select attempt.job_id, attempt.token, $3::float8, $4::text, ofa.now() from ofa.attempt
where attempt.token = $2::bigint and attempt.job_id = $1::bigint
  and attempt.token = (select max(newest.token) from ofa.attempt as newest where newest.job_id = $1::bigint)
on conflict (job_id) do update
set token = excluded.token, fraction = excluded.fraction, message = excluded.message,
  updated_at = excluded.updated_at;

-- name: JobLogAdd :exec
-- Writes lines that a job said.
insert into ofa.job_log (job_id, token, logged_at, line)
select $1::bigint, $2::bigint, ofa.now(), line from unnest($3::text[]) with ordinality as said (line, place)
order by place;

-- name: JobLogRead :many
-- What a job said, oldest first.
select logged_at, token, line from ofa.job_log where job_id = $1::bigint order by id limit $2::int;
