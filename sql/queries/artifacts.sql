-- Statements of BlobStore and ArtifactStore.

-- name: BlobInsert :exec
-- Claims a digest; no row when the blob is there already (or another transaction has just put it).
insert into ofa.blob (digest, raw_bytes, chunks, filter, codec)
values ($1::bytea, $2::bigint, $3::int, $4::text, $5::text)
on conflict (digest) do nothing;

-- name: BlobChunkInsert :exec
-- Adds a chunk to a blob of this transaction.
insert into ofa.blob_chunk (digest, ordinal, raw_bytes, sha256, data)
values ($1::bytea, $2::int, $3::int, $4::bytea, $5::bytea);

-- name: BlobGet :many
-- What is known of a blob, and what it takes in the database.
select blob.raw_bytes, blob.chunks, blob.filter, blob.codec, blob.created_at,
  (select coalesce(sum(octet_length(chunk.data)), 0)::bigint from ofa.blob_chunk chunk
    where chunk.digest = blob.digest) as stored_bytes
from ofa.blob where blob.digest = $1::bytea;

-- name: BlobRemove :exec
-- Removes a blob with its chunks, for one that is damaged to be put again.
delete from ofa.blob where digest = $1::bytea;

-- name: BlobHold :many
-- Locks a blob against removal until the transaction ends; no row when it is not here.
select chunks from ofa.blob where digest = $1::bytea for key share;

-- name: BlobLock :many
-- Locks blobs that may be removed. Who refers to a blob holds it in the transaction that does (BlobHold), so that the
-- next statement sees every reference.
select digest from ofa.blob
where digest in (select decode(hex, 'hex') from unnest($1::text[]) as named (hex))
order by digest for update;

-- name: BlobRemoveUnreferenced :exec
-- Removes those of these blobs that neither an artifact nor a checkpoint names.
delete from ofa.blob
where digest in (select decode(hex, 'hex') from unnest($1::text[]) as named (hex))
  and not exists (select from ofa.artifact where artifact.digest = blob.digest)
  and not exists (
    select from ofa.checkpoint where checkpoint.payload ->> 'blob' = encode(blob.digest, 'hex'));

-- name: BlobChunkGet :many
-- One chunk of a blob.
select raw_bytes, sha256, data from ofa.blob_chunk where digest = $1::bytea and ordinal = $2::int;

-- name: ArtifactInsert :many
-- Records an artifact; no row when this attempt has recorded this output already.
insert into ofa.artifact (kind, name, role, digest, metadata, run_id, job_id, token, stage)
values ($1::text, $2::text, $3::text, $4::bytea, $5::jsonb, $6::bigint, $7::bigint, $8::bigint,
  $9::text)
on conflict (token, role, name) do nothing
returning id;

-- name: ArtifactOfOutput :one
-- The artifact that an attempt recorded as this output.
select id, digest from ofa.artifact
where token = $1::bigint and role = $2::text and name = $3::text;

-- name: ArtifactInputInsert :exec
-- Records what an attempt read.
insert into ofa.artifact_input (token, artifact_id, role)
select $1::bigint, input.artifact_id, input.role
from unnest($2::bigint[], $3::text[]) as input (artifact_id, role)
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

-- name: ArtifactNewestMade :many
-- Artifacts of a kind that stages made, of one run or any, the newest run first; those after an artifact, by its
-- run and number, where one is given.
select id, kind, name, role, digest, metadata, run_id, job_id, token, stage, created_at
from ofa.artifact
where kind = $1::text and run_id is not null and ($2::bigint is null or run_id = $2::bigint)
  and ($3::bigint is null or (run_id, id) < ($3::bigint, $4::bigint))
order by run_id desc, id desc limit $5::int;
