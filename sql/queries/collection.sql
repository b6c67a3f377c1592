-- Statements of BlobCollection: garbage collection and pins.

-- name: BlobLock :many
-- Locks blobs before their removal. A transaction that adds a reference to a blob locks the blob too (BlobHold), so
-- that the caller's next statement sees all references to the blobs locked here.
select digest from ofa_api_1.lock_blobs(@digests::text[], false) as digest;

-- name: BlobLockFree :many
-- Locks blobs as BlobLock does, but skips blobs that another transaction has locked.
select digest from ofa_api_1.lock_blobs(@digests::text[], true) as digest;

-- name: CheckpointBlobsRemove :many
-- Deletes those of the given blobs that are of class checkpoint and not referenced, then those of their parents that no
-- other reference keeps and no other transaction has locked; returns the deleted blobs. All given blobs must be locked.
select * from ofa_api_1.remove_checkpoint_blobs(@digests::text[]);

-- name: BlobOrphans :many
-- Returns blobs that are not referenced and were last put more than `grace_seconds` ago and before the oldest running
-- attempt began. Returns at most `limit` blobs, ordered by digest, with digests greater than `after`.
select encode(digest, 'hex') as digest from ofa.blob
where digest > decode(@after::text, 'hex')
  and put_at < ofa.now() - make_interval(secs => @grace_seconds::float8)
  and put_at < coalesce((select min(started_at) from ofa.live where state = 'running'), 'infinity')
  and not exists (select from ofa.artifact where artifact.digest = blob.digest)
  and not exists (select from ofa.checkpoint where checkpoint.digest = blob.digest)
  and not exists (select from ofa.pin where pin.digest = blob.digest)
  and not exists (select from ofa.blob as derived where derived.parent = blob.digest)
order by blob.digest limit @limit::int;

-- name: BlobOrphansCount :one
-- Returns the number and the stored size of the blobs that repeated calls of BlobOrphansRemove with the same
-- `grace_seconds` would delete. A blob that is referenced only by such blobs is counted too.
with recursive loose as (
  select digest, stored_bytes from ofa.blob
  where put_at < ofa.now() - make_interval(secs => @grace_seconds::float8)
    and put_at < coalesce((select min(started_at) from ofa.live where state = 'running'), 'infinity')
    and not exists (select from ofa.artifact where artifact.digest = blob.digest)
    and not exists (select from ofa.checkpoint where checkpoint.digest = blob.digest)
    and not exists (select from ofa.pin where pin.digest = blob.digest)
), needed (digest) as (
  select parent from ofa.blob where parent is not null and digest not in (select digest from loose)
  union
  select blob.parent from needed join ofa.blob on blob.digest = needed.digest where blob.parent is not null
)
select count(*) as blobs, coalesce(sum(stored_bytes), 0)::bigint as bytes
from loose where digest not in (select digest from needed);

-- name: BlobOrphansRemove :many
-- Deletes those of the given blobs that are not referenced and were last put more than `grace_seconds` ago and before
-- the oldest running attempt began; returns the deleted blobs. All given blobs must be locked.
select * from ofa_api_1.remove_orphans(@digests::text[], @grace_seconds::float8);

-- name: ArtifactsNamed :many
-- Returns artifacts that were made by runs, have stored bytes, and match the filter: `run`, `kind`, minimum age and,
-- unless empty, `digests`. `needed` lists the artifacts that unfinished runs read. `kept` is the reason to keep the
-- bytes, or NULL. Bytes put after the oldest running attempt began are also kept: that attempt may have put them, and
-- adds its reference only when it ends.
with named as (
  select artifact.id, artifact.kind, artifact.name, artifact.digest, artifact.run_id, blob.store, blob.stored_bytes,
    blob.put_at
  from ofa.artifact join ofa.blob on blob.digest = artifact.digest and blob.collected_at is null
  where artifact.run_id is not null
    and (@run::bigint? is null or artifact.run_id = @run::bigint?)
    and (@kind::text? is null or artifact.kind = @kind::text?)
    and artifact.created_at <= ofa.now() - make_interval(secs => @older_than_seconds::float8)
    and (cardinality(@digests::text[]) = 0
      or artifact.digest in (select decode(hex, 'hex') from unnest(@digests::text[]) as given (hex)))
)
select named.id, named.kind, named.name, encode(named.digest, 'hex') as digest, named.store, named.stored_bytes,
  case
    when exists (select from ofa.pin where pin.digest = named.digest) then 'it is pinned'
    when exists (select from ofa.blob as derived where derived.parent = named.digest)
      then 'a recipe needs it'
    when exists (select from ofa.run where run.id = named.run_id and run.state = 'running')
      then 'its run is unfinished'
    when named.id = any (@needed::bigint[]) then 'an unfinished run reads it'
    when exists (select from ofa.checkpoint where checkpoint.digest = named.digest) then 'a checkpoint has its bytes'
    when put_at >= (select min(started_at) from ofa.live where state = 'running') then 'a running attempt may have put it'
    when exists (select from ofa.device join ofa.artifact held on held.id in (latency_table, energy_table)
      where held.digest = named.digest) then 'a device uses it'
    when exists (select from ofa.artifact other where other.digest = named.digest
      and other.id not in (select id from named)) then 'another artifact has its bytes'
  end as kept
from named order by named.id;

-- name: BlobCollect :many
-- Marks blobs as collected: their rows remain as tombstones, without bytes. The blobs must be locked. Returns the
-- marked blobs, each with the store that held its bytes.
select * from ofa_api_1.collect_blobs(@digests::text[]);

-- name: BlobsChunksDelete :exec
-- Deletes the chunks of blobs.
select ofa_api_1.remove_chunks(@digests::text[]);

-- name: InputsOfUnfinished :many
-- Returns the references to inputs in the arguments of unfinished jobs of unfinished runs.
select distinct job.args ->> 'inputs' as inputs
from ofa.run join ofa.job on job.run_id = run.id
where run.state = 'running' and job.args ->> 'inputs' is not null
  and not exists (select from ofa.outcome where outcome.job_id = job.id);

-- name: PinSet :exec
-- Pins a blob, or replaces the reason of its pin.
select ofa_api_1.set_pin(@digest::bytea, @reason::text);

-- name: PinRemove :exec
-- Removes the pin of a blob.
select where ofa_api_1.remove_pin(@digest::bytea);

-- name: PinGet :many
-- Returns the reason why a blob is pinned; no row if it is not.
select reason from ofa.pin where digest = @digest::bytea;
