-- Statements of BlobStore and ArtifactStore.

-- name: BlobClaim :many
-- Claims a digest for its bytes, also one whose bytes were collected, or any where they are stored anew; its class. No
-- row when the bytes are there already, or another transaction has just put them.
select * from ofa_api_1.claim_blob(@digest::bytea, @blob_class::text, @store::text, @raw_bytes::bigint,
  @stored_bytes::bigint, @chunks::int, @filter::text, @codec::text, @anew::boolean);

-- name: BlobTouch :exec
-- Notes that bytes which are here were put again; nothing when they were just collected.
select where ofa_api_1.touch_blob(@digest::bytea, @blob_class::text);

-- name: BlobPromote :exec
-- Moves the chunks of a blob to those that last.
select ofa_api_1.keep_chunks(@digest::bytea);

-- name: BlobSize :exec
-- Notes what a blob takes, once its chunks are stored.
select ofa_api_1.set_blob_size(@digest::bytea, @stored_bytes::bigint);

-- name: BlobChunkInsert :exec
-- Adds a chunk to a blob of this transaction; without data where it lies in the folder.
select ofa_api_1.put_chunk(@digest::bytea, @blob_class::text, @ordinal::int, @raw_bytes::int,
  @stored_bytes::int, @sha256::bytea, @data::bytea?);

-- name: BlobChunksDelete :exec
-- Removes the chunks of a blob.
select ofa_api_1.remove_chunks(array[encode(@digest::bytea, 'hex')]);

-- name: BlobGet :many
-- What is known of a blob.
select class, store, raw_bytes, stored_bytes, chunks, filter, codec, created_at, collected_at
from ofa.blob where digest = @digest::bytea;

-- name: BlobHold :many
-- Keeps the bytes of a blob from being collected until the transaction ends; no row when they are not here.
select chunks from ofa_api_1.hold_blob(@digest::bytea) as chunks;

-- name: BlobChunkGet :many
-- One chunk of a blob.
select raw_bytes, stored_bytes, sha256, data from ofa.blob_chunk
where digest = @digest::bytea and ordinal = @ordinal::int;

-- name: ArtifactInsert :many
-- Records an artifact whose bytes are here, and keeps them from being collected until the transaction ends; no row
-- when they are not, or when this attempt has recorded this output already.
select id from ofa_api_1.add_artifact(@kind::text, @name::text, @role::text, @digest::bytea, @metadata::jsonb,
  @run::bigint?, @job::bigint?, @token::bigint?, @stage::text?) as id;

-- name: ArtifactOfOutput :many
-- The artifact that an attempt recorded as this output.
select id, digest from ofa.artifact
where token = @token::bigint and role = @role::text and name = @name::text;

-- name: ArtifactInputInsert :exec
-- Records what an attempt read.
select ofa_api_1.add_inputs(@token::bigint, @artifacts::bigint[], @roles::text[]);

-- name: ArtifactByID :many
-- One artifact.
select id, kind, name, role, digest, metadata, run_id, job_id, token, stage, created_at
from ofa.artifact where id = @id::bigint;

-- name: ArtifactByName :many
-- The artifacts of a name, newest first.
select id, kind, name, role, digest, metadata, run_id, job_id, token, stage, created_at
from ofa.artifact where name = @name::text order by id desc limit @most::int;

-- name: ArtifactByDigest :many
-- The artifacts whose digest lies between two (the ends of a prefix), newest first.
select id, kind, name, role, digest, metadata, run_id, job_id, token, stage, created_at
from ofa.artifact where digest between @first::bytea and @last::bytea order by id desc limit @most::int;

-- name: ArtifactList :many
-- Artifacts, oldest first; NULL for any run, any kind.
select id, kind, name, role, digest, metadata, run_id, job_id, token, stage, created_at
from ofa.artifact
where (@run::bigint? is null or run_id = @run::bigint?) and (@kind::text? is null or kind = @kind::text?)
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
where kind = @kind::text and run_id is not null and (@run::bigint? is null or run_id = @run::bigint?)
  and (@after_run::bigint? is null or (run_id, id) < (@after_run::bigint?, @after::bigint?))
order by run_id desc, id desc limit @most::int;

-- name: ArtifactsRecord :exec
-- Stores small blobs, then records artifacts and what their attempts read, once these have completed; of one that was
-- fenced, nothing. Every bind has an element a row, so that those of many attempts are put together.
select ofa_api_1.record_artifacts(@blobs::bytea[], @raw_bytes::bigint[], @stored_bytes::bigint[], @chunks::int[],
  @filters::text[], @codecs::text[], @chunk_blobs::bytea[], @ordinals::int[], @chunk_raw_bytes::int[],
  @sha256::bytea[], @data::bytea[], @kinds::text[], @names::text[], @roles::text[], @digests::bytea[],
  @metadata::jsonb[], @runs::bigint[], @jobs::bigint[], @tokens::bigint[], @stages::text[],
  @input_tokens::bigint[], @inputs::bigint[], @input_roles::text[]);
