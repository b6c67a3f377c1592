-- Statements of running jobs: checkpoints, progress, log lines.

-- name: CheckpointSave :many
-- Saves a checkpoint and deletes all but the newest two; returns the blobs that the deleted ones referenced. The first
-- checkpoint of an attempt that exceeds all earlier progress forgives one crash.
select digest from ofa_api_1.save_checkpoint(@job::bigint, @token::bigint, @name::text, @seq::bigint, @payload::json,
  @digest::bytea?) as digest;

-- name: CheckpointList :many
-- The checkpoints of a job, newest first.
select seq, payload, digest from ofa.checkpoint where job_id = @job::bigint and name = @name::text
order by seq desc;

-- name: CheckpointDrop :many
-- Deletes all checkpoints of a job; returns the blobs they referenced.
select digest from ofa_api_1.drop_checkpoints(@job::bigint) as digest;

-- name: CheckpointForget :many
-- Deletes one checkpoint of a job; returns the blob it referenced.
select digest from ofa_api_1.forget_checkpoint(@job::bigint, @name::text, @seq::bigint) as digest;

-- name: CheckpointReferences :many
-- Every checkpoint with a blob.
select checkpoint.job_id, checkpoint.name, checkpoint.seq, job.run_id, job.stage, checkpoint.digest
from ofa.checkpoint join ofa.job on job.id = checkpoint.job_id
where digest is not null
order by checkpoint.job_id, checkpoint.name, checkpoint.seq;

-- name: CheckpointCollect :many
-- Deletes checkpoints of jobs that have completed, that ended otherwise longer ago than the grace period, or that are
-- unknown; returns the blobs they referenced.
select digest from ofa_api_1.collect_checkpoints(@grace_seconds::float8, @limit::int) as digest;

-- name: CheckpointsCollectable :one
-- How many checkpoints CheckpointCollect would delete.
select count(*) as checkpoints from ofa.checkpoint
where (select true from ofa.job where job.id = checkpoint.job_id) is null
  or exists (select from ofa.outcome where outcome.job_id = checkpoint.job_id
    and (outcome.state = 'completed'
      or outcome.ended_at < ofa.now() - make_interval(secs => @grace_seconds::float8)));

-- name: CheckpointSpace :exec
-- Vacuums the space of removed checkpoints for reuse; skipped while another session does, and not allowed within a
-- transaction.
vacuum (skip_locked, truncate false) ofa.blob_chunk_checkpoint;

-- name: ProgressSave :exec
-- Writes the progress of a running attempt. Progress restarts its stall timeout.
select where ofa_api_1.save_progress(@job::bigint, @token::bigint, @fraction::float8, @message::text);

-- name: ProgressSaveLast :exec
-- Writes the final progress of a job's newest attempt, which may arrive just after its end. A separate statement,
-- because it searches ended attempts.
select ofa_api_1.save_last_progress(@job::bigint, @token::bigint, @fraction::float8, @message::text);

-- name: JobLogAdd :exec
-- Appends log lines of a job.
select ofa_api_1.add_log_lines(@job::bigint, @token::bigint, @lines::text[]);

-- name: JobLogNewest :many
-- The newest log lines of a job, in order.
select id, logged_at, token, line from (
  select id, logged_at, token, line from ofa.job_log where job_id = @job::bigint order by id desc limit @most::int
) as newest order by id;

-- name: JobLogAfter :many
-- The log lines of a job after one of them, in order.
select id, logged_at, token, line from ofa.job_log where job_id = @job::bigint and id > @after::bigint order by id limit @most::int;

-- name: JobLogCount :one
-- How many log lines of a job precede one of them.
select count(*) as lines from ofa.job_log where job_id = @job::bigint and id < @before::bigint;
