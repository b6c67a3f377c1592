-- Statements of BlobStore and ArtifactStore.

-- name: BlobClaim :many
-- Inserts or locks the row of a digest to store its bytes, also if they were collected, or for any blob that is to be
-- replaced; returns its class. No row if the bytes exist or another transaction has just stored them.
select * from ofa_api_1.claim_blob(@digest::bytea, @blob_class::text, @store::text, @raw_bytes::bigint,
  @stored_bytes::bigint, @chunks::int, @filter::text, @codec::text, @anew::boolean);

-- name: BlobTouch :exec
-- Refreshes the row of stored bytes that were put again; does nothing if they were just collected.
select where ofa_api_1.touch_blob(@digest::bytea, @blob_class::text);

-- name: BlobPromote :exec
-- Moves the chunks of a blob to the lasting class.
select ofa_api_1.keep_chunks(@digest::bytea);

-- name: BlobSize :exec
-- Records a blob's stored size, once its chunks are stored.
select ofa_api_1.set_blob_size(@digest::bytea, @stored_bytes::bigint);

-- name: BlobChunkInsert :exec
-- Adds a chunk to a blob of this transaction; data is NULL if it is in the folder.
select ofa_api_1.put_chunk(@digest::bytea, @blob_class::text, @ordinal::int, @raw_bytes::int,
  @stored_bytes::int, @sha256::bytea, @data::bytea?);

-- name: BlobChunksDelete :exec
-- Deletes the chunks of a blob.
select ofa_api_1.remove_chunks(array[encode(@digest::bytea, 'hex')]);

-- name: BlobGet :many
-- The row of a blob.
select class, store, raw_bytes, stored_bytes, chunks, filter, codec, created_at, collected_at
from ofa.blob where digest = @digest::bytea;

-- name: BlobHold :many
-- Protects the bytes of a blob from collection until the transaction ends; no row if they are not stored.
select chunks from ofa_api_1.hold_blob(@digest::bytea) as chunks;

-- name: BlobChunkGet :many
-- One chunk of a blob.
select raw_bytes, stored_bytes, sha256, data from ofa.blob_chunk
where digest = @digest::bytea and ordinal = @ordinal::int;

-- name: ArtifactInsert :many
-- Records an artifact whose bytes are stored, and protects them from collection until the transaction ends; no row if
-- they are not stored or this attempt has already recorded this output.
select id from ofa_api_1.add_artifact(@kind::text, @name::text, @role::text, @digest::bytea, @metadata::jsonb,
  @run::bigint?, @job::bigint?, @token::bigint?, @stage::text?) as id;

-- name: ArtifactOfOutput :many
-- The artifact that an attempt recorded as this output.
select id, digest from ofa.artifact
where token = @token::bigint and role = @role::text and name = @name::text;

-- name: ArtifactInputInsert :exec
-- Records the inputs of an attempt.
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
-- Artifacts, oldest first; NULL means any run or kind.
select id, kind, name, role, digest, metadata, run_id, job_id, token, stage, created_at
from ofa.artifact
where (@run::bigint? is null or run_id = @run::bigint?) and (@kind::text? is null or kind = @kind::text?)
order by id;

-- name: ArtifactListStored :many
-- The artifacts of ArtifactList, each with the row of its blob.
select artifact.id, kind, name, role, artifact.digest, metadata, run_id, job_id, token, stage, artifact.created_at,
  blob.class, store, raw_bytes, stored_bytes, chunks, filter, codec, blob.created_at as blob_created_at, collected_at,
  pin.reason as pinned
from ofa.artifact
left join ofa.blob on blob.digest = artifact.digest
left join ofa.pin on pin.digest = artifact.digest
where (@run::bigint? is null or run_id = @run::bigint?) and (@kind::text? is null or kind = @kind::text?)
order by artifact.id;

-- name: ArtifactNewestMade :many
-- Artifacts of a kind made by stages, of one run or any, newest run first; optionally those after a given artifact, by
-- its run and number.
select id, kind, name, role, digest, metadata, run_id, job_id, token, stage, created_at
from ofa.artifact
where kind = @kind::text and run_id is not null and (@run::bigint? is null or run_id = @run::bigint?)
  and (@after_run::bigint? is null or (run_id, id) < (@after_run::bigint?, @after::bigint?))
order by run_id desc, id desc limit @most::int;

-- name: ArtifactsRecord :exec
-- Stores small blobs, then records the outputs and inputs of completed attempts; nothing for fenced ones. Every bind is
-- an array with one element per row, so that requests of many attempts can be merged.
select ofa_api_1.record_artifacts(@blobs::bytea[], @raw_bytes::bigint[], @stored_bytes::bigint[], @chunks::int[],
  @filters::text[], @codecs::text[], @chunk_blobs::bytea[], @ordinals::int[], @chunk_raw_bytes::int[],
  @sha256::bytea[], @data::bytea[], @kinds::text[], @names::text[], @roles::text[], @digests::bytea[],
  @metadata::jsonb[], @runs::bigint[], @jobs::bigint[], @tokens::bigint[], @stages::text[],
  @input_tokens::bigint[], @inputs::bigint[], @input_roles::text[]);
