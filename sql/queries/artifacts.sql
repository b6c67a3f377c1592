-- Statements of BlobStore and ArtifactStore.

-- name: BlobClaim :many
-- Claims a digest for its bytes, also one whose bytes were collected, or any where they are stored anew; its class. No
-- row when the bytes are there already, or another transaction has just put them.
insert into ofa.blob (digest, class, store, raw_bytes, stored_bytes, chunks, filter, codec)
values (@digest::bytea, @blob_class::text, @store::text, @raw_bytes::bigint, @stored_bytes::bigint, @chunks::int,
  @filter::text, @codec::text)
on conflict (digest) do update
set class = case when excluded.class = 'lasting' or blob.class = 'lasting' and blob.collected_at is null
    then 'lasting' else 'checkpoint' end,
  store = excluded.store, raw_bytes = excluded.raw_bytes, stored_bytes = excluded.stored_bytes, chunks = excluded.chunks, filter = excluded.filter, codec = excluded.codec,
  put_at = ofa.now(), collected_at = null
where blob.collected_at is not null or @anew::boolean
returning class, xmax = 0 as fresh;

-- name: BlobTouch :exec
-- Notes that somebody put bytes that are here; nothing when they were just collected.
update ofa.blob set put_at = ofa.now(), class = case @blob_class::text when 'lasting' then 'lasting' else class end
where digest = @digest::bytea and collected_at is null;

-- name: BlobPromote :exec
-- Moves the chunks of a blob to those that last.
update ofa.blob_chunk set class = 'lasting' where digest = @digest::bytea and class = 'checkpoint';

-- name: BlobSize :exec
-- Notes what a blob takes, once its chunks are stored.
update ofa.blob set stored_bytes = @stored_bytes::bigint where digest = @digest::bytea;

-- name: BlobChunkInsert :exec
-- Adds a chunk to a blob of this transaction; without data where it lies in the folder.
insert into ofa.blob_chunk (digest, class, ordinal, raw_bytes, stored_bytes, sha256, data)
values (@digest::bytea, @blob_class::text, @ordinal::int, @raw_bytes::int, @stored_bytes::int, @sha256::bytea,
  @data::bytea?);

-- name: BlobChunksDelete :exec
-- Removes the chunks of a blob.
delete from ofa.blob_chunk where digest = @digest::bytea;

-- name: BlobGet :many
-- What is known of a blob.
select class, store, raw_bytes, stored_bytes, chunks, filter, codec, created_at, collected_at
from ofa.blob where digest = @digest::bytea;

-- name: BlobHold :many
-- Keeps the bytes of a blob from being collected until the transaction ends; no row when they are not here.
select chunks from ofa.blob where digest = @digest::bytea and collected_at is null for key share;

-- name: BlobChunkGet :many
-- One chunk of a blob.
select raw_bytes, stored_bytes, sha256, data from ofa.blob_chunk
where digest = @digest::bytea and ordinal = @ordinal::int;

-- name: ArtifactInsert :many
-- Records an artifact whose bytes are here, and keeps them from being collected until the transaction ends; no row
-- when they are not, or when this attempt has recorded this output already.
with held as (
  select digest from ofa.blob where digest = @digest::bytea and collected_at is null for key share
)
insert into ofa.artifact (kind, name, role, digest, metadata, run_id, job_id, token, stage)
select @kind::text, @name::text, @role::text, held.digest, @metadata::jsonb, @run::bigint?, @job::bigint?,
  @token::bigint?, @stage::text?
from held
on conflict (token, role, name) do nothing
returning id;

-- name: ArtifactOfOutput :many
-- The artifact that an attempt recorded as this output.
select id, digest from ofa.artifact
where token = @token::bigint and role = @role::text and name = @name::text;

-- name: ArtifactInputInsert :exec
-- Records what an attempt read.
insert into ofa.artifact_input (token, artifact_id, role)
select @token::bigint, input.artifact_id, input.role
from unnest(@artifacts::bigint[], @roles::text[]) as input (artifact_id, role)
on conflict do nothing;

-- name: ArtifactByID :many
-- One artifact.
select id, kind, name, role, digest, metadata, run_id, job_id, token, stage, created_at
from ofa.artifact where id = $1::bigint;

-- name: ArtifactByName :many
-- The artifacts of a name, newest first.
select id, kind, name, role, digest, metadata, run_id, job_id, token, stage, created_at
from ofa.artifact where name = $1::text order by id desc limit $2::int;

-- name: ArtifactByDigest :many
-- The artifacts whose digest lies between two (the ends of a prefix), newest first.
select id, kind, name, role, digest, metadata, run_id, job_id, token, stage, created_at
from ofa.artifact where digest between $1::bytea and $2::bytea order by id desc limit $3::int;

-- name: ArtifactList :many
-- Artifacts, oldest first; NULL for any run, any kind.
select id, kind, name, role, digest, metadata, run_id, job_id, token, stage, created_at
from ofa.artifact
where ($1::bigint is null or run_id = $1::bigint) and ($2::text is null or kind = $2::text)
order by id;

-- name: ArtifactListStored :many
-- Artifacts as ArtifactList has them, each with what is known of its blob.
select artifact.id, kind, name, role, artifact.digest, metadata, run_id, job_id, token, stage, artifact.created_at,
  blob.class, store, raw_bytes, stored_bytes, chunks, filter, codec, blob.created_at as blob_created_at, collected_at,
  pin.reason as pinned
from ofa.artifact
left join ofa.blob on blob.digest = artifact.digest
left join ofa.pin on pin.digest = artifact.digest
where (@run::bigint? is null or run_id = @run::bigint?) and (@kind::text? is null or kind = @kind::text?)
order by artifact.id;

-- name: ArtifactNewestMade :many
-- Artifacts of a kind that stages made, of one run or any, the newest run first; those after an artifact, by its
-- run and number, where one is given.
select id, kind, name, role, digest, metadata, run_id, job_id, token, stage, created_at
from ofa.artifact
where kind = $1::text and run_id is not null and ($2::bigint is null or run_id = $2::bigint)
  and ($3::bigint is null or (run_id, id) < ($3::bigint, $4::bigint))
order by run_id desc, id desc limit $5::int;

-- name: ArtifactRecord :exec
-- Records an artifact and what its attempt read, once the attempt has completed; when it was fenced, nothing.
select ofa.record_artifact(@kind::text, @name::text, @role::text, @digest::bytea, @metadata::jsonb, @run::bigint,
  @job::bigint, @token::bigint, @stage::text, @inputs::bigint[], @input_roles::text[]);
