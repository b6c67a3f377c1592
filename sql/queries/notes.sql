-- Statements about running jobs: checkpoints, progress, log lines.

-- name: CheckpointSave :many
-- Saves a checkpoint. Of the job's checkpoints with the same name and a lower `seq`, only the newest is kept. Returns,
-- for each deleted checkpoint, the digest of its blob, or NULL if it has none. The first checkpoint of an attempt
-- forgives the job one crash if `seq` exceeds the `seq` of all earlier checkpoints of the job with that name.
select digest from ofa_api_1.save_checkpoint(@job::bigint, @token::bigint, @name::text, @seq::bigint, @payload::json,
  @digest::bytea?) as digest;

-- name: CheckpointList :many
-- Returns the checkpoints of a job that have this name, newest first.
select seq, payload, digest from ofa.checkpoint where job_id = @job::bigint and name = @name::text
order by seq desc;

-- name: CheckpointDrop :many
-- Deletes all checkpoints of a job. Returns, for each, the digest of its blob, or NULL if it has none.
select digest from ofa_api_1.drop_checkpoints(@job::bigint) as digest;

-- name: CheckpointForget :many
-- Deletes one checkpoint of a job. Returns the digest of its blob, NULL if it has none, or no row if there is no such
-- checkpoint.
select digest from ofa_api_1.forget_checkpoint(@job::bigint, @name::text, @seq::bigint) as digest;

-- name: CheckpointReferences :many
-- Returns all checkpoints that have a blob, with the run and stage of their job.
select checkpoint.job_id, checkpoint.name, checkpoint.seq, job.run_id, job.stage, checkpoint.digest
from ofa.checkpoint join ofa.job on job.id = checkpoint.job_id
where digest is not null
order by checkpoint.job_id, checkpoint.name, checkpoint.seq;

-- name: CheckpointCollect :many
-- Deletes up to `limit` checkpoints of jobs that completed, that were discarded or cancelled more than `grace_seconds`
-- ago, or that do not exist. Returns, for each deleted checkpoint, the digest of its blob, or NULL if it has none.
select digest from ofa_api_1.collect_checkpoints(@grace_seconds::float8, @limit::int) as digest;

-- name: CheckpointsCollectable :one
-- Returns how many checkpoints CheckpointCollect would delete without a limit.
select count(*) as checkpoints from ofa.checkpoint
where (select true from ofa.job where job.id = checkpoint.job_id) is null
  or exists (select from ofa.outcome where outcome.job_id = checkpoint.job_id
    and (outcome.state = 'completed'
      or outcome.ended_at < ofa.now() - make_interval(secs => @grace_seconds::float8)));

-- name: CheckpointSpace :exec
-- Vacuums the chunks of checkpoints, so that the space of removed chunks is reused; does nothing while another session
-- vacuums them. This statement cannot run within a transaction.
vacuum (skip_locked, truncate false) ofa.blob_chunk_checkpoint;

-- name: ProgressSave :exec
-- Writes the progress of a running attempt. If the progress has changed, the attempt's stall timeout restarts.
select where ofa_api_1.save_progress(@job::bigint, @token::bigint, @fraction::float8, @message::text);

-- name: ProgressSaveLast :exec
-- Writes the final progress of a job's newest attempt, if that progress arrives after the attempt has ended. Unlike
-- ProgressSave, this statement searches ended attempts.
select ofa_api_1.save_last_progress(@job::bigint, @token::bigint, @fraction::float8, @message::text);

-- name: JobLogAdd :exec
-- Appends lines to the log of a job.
select ofa_api_1.add_log_lines(@job::bigint, @token::bigint, @lines::text[]);

-- name: JobLogNewest :many
-- Returns the newest log lines of a job, in order.
select id, logged_at, token, line from (
  select id, logged_at, token, line from ofa.job_log where job_id = @job::bigint order by id desc limit @most::int
) as newest order by id;

-- name: JobLogAfter :many
-- Returns the first log lines of a job after the line `after`, in order.
select id, logged_at, token, line from ofa.job_log where job_id = @job::bigint and id > @after::bigint order by id limit @most::int;

-- name: JobLogCount :one
-- Returns how many log lines of a job precede the line `before`.
select count(*) as lines from ofa.job_log where job_id = @job::bigint and id < @before::bigint;
