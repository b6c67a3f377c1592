-- Statements of what a running job leaves behind: checkpoints, progress, log lines.

-- name: CheckpointSave :many
-- Saves a checkpoint and forgets those before the one before it; the blobs that they named. One that gets further than
-- all before it, the first of its attempt, takes a crash back.
select digest from ofa_api_1.save_checkpoint(@job::bigint, @token::bigint, @name::text, @seq::bigint, @payload::json,
  @digest::bytea?) as digest;

-- name: CheckpointList :many
-- The checkpoints of a job, the newest first.
select seq, payload, digest from ofa.checkpoint where job_id = @job::bigint and name = @name::text
order by seq desc;

-- name: CheckpointDrop :many
-- Forgets all checkpoints of a job; the blobs that they named.
select digest from ofa_api_1.drop_checkpoints(@job::bigint) as digest;

-- name: CheckpointForget :many
-- Forgets one checkpoint of a job; the blob that it named.
select digest from ofa_api_1.forget_checkpoint(@job::bigint, @name::text, @seq::bigint) as digest;

-- name: CheckpointReferences :many
-- Every checkpoint with a blob.
select checkpoint.job_id, checkpoint.name, checkpoint.seq, job.run_id, job.stage, checkpoint.digest
from ofa.checkpoint join ofa.job on job.id = checkpoint.job_id
where digest is not null
order by checkpoint.job_id, checkpoint.name, checkpoint.seq;

-- name: CheckpointCollect :many
-- Forgets checkpoints of jobs that have completed, that ended otherwise so long ago that they will not be retried, or
-- that are no longer known; the blobs that they named.
select digest from ofa_api_1.collect_checkpoints(@grace_seconds::float8, @limit::int) as digest;

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
select where ofa_api_1.save_progress(@job::bigint, @token::bigint, @fraction::float8, @message::text);

-- name: ProgressSaveLast :exec
-- The last word of the newest attempt of a job, which may come just after its end. Apart, because ended attempts are
-- looked for.
select ofa_api_1.save_last_progress(@job::bigint, @token::bigint, @fraction::float8, @message::text);

-- name: JobLogAdd :exec
-- Writes lines that a job said.
select ofa_api_1.add_log_lines(@job::bigint, @token::bigint, @lines::text[]);

-- name: JobLogNewest :many
-- The newest lines of a job, oldest first.
select id, logged_at, token, line from (
  select id, logged_at, token, line from ofa.job_log where job_id = @job::bigint order by id desc limit @most::int
) as newest order by id;

-- name: JobLogAfter :many
-- The lines of a job after one of them, oldest first.
select id, logged_at, token, line from ofa.job_log where job_id = @job::bigint and id > @after::bigint order by id limit @most::int;

-- name: JobLogCount :one
-- How many lines of a job come before one of them.
select count(*) as lines from ofa.job_log where job_id = @job::bigint and id < @before::bigint;
