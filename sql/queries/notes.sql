-- Statements of what a running job leaves behind: checkpoints, progress, log lines.

-- name: CheckpointSave :exec
-- Saves a checkpoint. One that gets further than all before it, the first of its attempt, takes a crash back.
with forgiven as (
  update ofa.live set crashes = crashes - 1
  where job_id = @job::bigint and token = @token::bigint and crashes > 0
    and not exists (
      select from ofa.checkpoint where checkpoint.job_id = @job::bigint
        and (checkpoint.token = @token::bigint or checkpoint.name = @name::text and checkpoint.seq >= @seq::bigint))
)
insert into ofa.checkpoint (job_id, name, seq, token, payload, digest, saved_at)
values (@job::bigint, @name::text, @seq::bigint, @token::bigint, @payload::json, @digest::bytea?, ofa.now())
on conflict (job_id, name, seq) do update
set token = excluded.token, payload = excluded.payload, digest = excluded.digest, saved_at = excluded.saved_at;

-- name: CheckpointSupersede :many
-- Forgets the checkpoints of a job before the one before this; the blobs that they named.
with kept as materialized (
  select coalesce(max(seq), @seq::bigint) as seq from ofa.checkpoint
  where job_id = @job::bigint and name = @name::text and seq < @seq::bigint
)
delete from ofa.checkpoint using kept
where job_id = @job::bigint and name = @name::text and checkpoint.seq < kept.seq
returning checkpoint.digest;

-- name: CheckpointList :many
-- The checkpoints of a job, the newest first.
select seq, payload, digest from ofa.checkpoint where job_id = @job::bigint and name = @name::text
order by seq desc;

-- name: CheckpointDrop :many
-- Forgets all checkpoints of a job; the blobs that they named.
delete from ofa.checkpoint where job_id = @job::bigint returning digest;

-- name: CheckpointForget :many
-- Forgets one checkpoint of a job; the blob that it named.
delete from ofa.checkpoint where job_id = @job::bigint and name = @name::text and seq = @seq::bigint
returning digest;

-- name: CheckpointReferences :many
-- Every checkpoint with a blob.
select checkpoint.job_id, checkpoint.name, checkpoint.seq, job.run_id, job.stage, checkpoint.digest
from ofa.checkpoint join ofa.job on job.id = checkpoint.job_id
where digest is not null
order by checkpoint.job_id, checkpoint.name, checkpoint.seq;

-- name: CheckpointCollect :many
-- Forgets checkpoints of jobs that have completed, that ended otherwise so long ago that they will not be retried, or
-- that are no longer known; the blobs that they named.
delete from ofa.checkpoint using (
  select job_id, name, seq from ofa.checkpoint
  where (select true from ofa.job where job.id = checkpoint.job_id) is null
    or exists (select from ofa.outcome where outcome.job_id = checkpoint.job_id
      and (outcome.state = 'completed'
        or outcome.ended_at < ofa.now() - make_interval(secs => @grace_seconds::float8)))
  limit @limit::int) as ended
where checkpoint.job_id = ended.job_id and checkpoint.name = ended.name and checkpoint.seq = ended.seq
returning checkpoint.digest;

-- name: CheckpointsCollectable :one
-- How many checkpoints CheckpointCollect would forget.
select count(*) as checkpoints from ofa.checkpoint
where (select true from ofa.job where job.id = checkpoint.job_id) is null
  or exists (select from ofa.outcome where outcome.job_id = checkpoint.job_id
    and (outcome.state = 'completed'
      or outcome.ended_at < ofa.now() - make_interval(secs => @grace_seconds::float8)));

-- name: CheckpointSpace :exec
-- Makes the room of removed checkpoints that of the next one; not while another does, and not within a transaction.
vacuum (skip_locked, truncate false) ofa.blob_chunk_checkpoint;

-- name: ProgressSave :exec
-- Notes how far an attempt that runs is. When it gets further, its time to stand still begins anew.
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
on conflict (job_id) do update
set token = excluded.token, fraction = excluded.fraction, message = excluded.message,
  updated_at = excluded.updated_at;

-- name: ProgressSaveLast :exec
-- The last word of the newest attempt of a job, which may come just after its end. Apart, because attempts lie in many
-- partitions.
insert into ofa.progress (job_id, token, fraction, message, updated_at)
select $1::bigint, $2::bigint, $3::float8, $4::text, ofa.now()
where $2::bigint = (select max(token) from ofa.attempt where job_id = $1::bigint)
  and not exists (select from ofa.live where job_id = $1::bigint and token > $2::bigint)
on conflict (job_id) do update
set token = excluded.token, fraction = excluded.fraction, message = excluded.message,
  updated_at = excluded.updated_at;

-- name: JobLogAdd :exec
-- Writes lines that a job said.
select ofa.add_log_lines($1::bigint, $2::bigint, $3::text[]);

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
