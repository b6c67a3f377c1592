-- Statements of BlobStore and ArtifactStore.

-- name: BlobClaim :many
-- Inserts the row of a blob whose bytes are about to be stored in full (not as a recipe or a delta of another blob). If
-- the row exists, updates and locks it, provided that the blob's bytes were collected or `anew` says to replace them.
-- Returns the blob's class and whether its row was inserted (`fresh`); returns no row if the bytes are stored already
-- and are not to be replaced.
select * from ofa_api_1.claim_blob(@digest::bytea, @blob_class::text, @store::text, @raw_bytes::bigint,
  @stored_bytes::bigint, @chunks::int, @filter::text, @codec::text, @anew::boolean);

-- name: BlobClaimDerived :many
-- Inserts the row of a blob that is about to be stored as a recipe or a delta of the blob `parent`. If the row exists
-- and the blob's bytes were collected, updates and locks it. Protects the bytes of the parent from garbage collection
-- until the transaction ends. Returns the blob's class and whether its row was inserted (`fresh`); returns no row if
-- the blob's bytes are stored already, or if the parent's bytes are not stored.
select * from ofa_api_1.claim_derived_blob(@digest::bytea, @blob_class::text, @store::text, @raw_bytes::bigint,
  @stored_bytes::bigint, @chunks::int, @filter::text, @codec::text, @parent::bytea);

-- name: BlobTouch :exec
-- Sets `put_at` of a stored blob to now, because its bytes were put again, and makes the blob lasting if `blob_class`
-- is lasting; does nothing if the bytes were collected.
select where ofa_api_1.touch_blob(@digest::bytea, @blob_class::text);

-- name: BlobPromote :exec
-- Moves the chunks of a blob from class checkpoint to class lasting.
select ofa_api_1.keep_chunks(@digest::bytea);

-- name: BlobSize :exec
-- Records the stored size of a blob, after its chunks were stored.
select ofa_api_1.set_blob_size(@digest::bytea, @stored_bytes::bigint);

-- name: BlobChunkInsert :exec
-- Adds a chunk to a blob whose row this transaction has claimed (BlobClaim); `data` is NULL if the folder store has the
-- bytes.
select ofa_api_1.put_chunk(@digest::bytea, @blob_class::text, @ordinal::int, @raw_bytes::int,
  @stored_bytes::int, @sha256::bytea, @data::bytea?);

-- name: BlobChunksDelete :exec
-- Deletes the chunks of a blob.
select ofa_api_1.remove_chunks(array[encode(@digest::bytea, 'hex')]);

-- name: BlobGet :many
-- Returns the row of a blob.
select class, store, raw_bytes, stored_bytes, chunks, filter, codec, parent, created_at, collected_at
from ofa.blob where digest = @digest::bytea;

-- name: BlobHold :many
-- Protects the bytes of a blob from garbage collection until the transaction ends; returns the blob's number of chunks,
-- or no row if its bytes are not stored.
select chunks from ofa_api_1.hold_blob(@digest::bytea) as chunks;

-- name: BlobChunkGet :many
-- Returns one chunk of a blob.
select raw_bytes, stored_bytes, sha256, data from ofa.blob_chunk
where digest = @digest::bytea and ordinal = @ordinal::int;

-- name: BlobChunkDigests :many
-- Returns the digests of the stored chunks of a blob in order.
select sha256 from ofa.blob_chunk where digest = @digest::bytea order by ordinal;

-- name: ArtifactInsert :many
-- Records an artifact whose bytes are stored, and protects the bytes from garbage collection until the transaction
-- ends; returns the artifact's id. Returns no row if the bytes are not stored, or if the attempt `token` has already
-- recorded an output with this role and name.
select id from ofa_api_1.add_artifact(@kind::text, @name::text, @role::text, @digest::bytea, @metadata::jsonb,
  @run::bigint?, @job::bigint?, @token::bigint?, @stage::text?) as id;

-- name: ArtifactOfOutput :many
-- Returns the artifact that an attempt recorded as the output with this role and name.
select id, digest from ofa.artifact
where token = @token::bigint and role = @role::text and name = @name::text;

-- name: ArtifactInputInsert :exec
-- Records artifacts as inputs of an attempt, each with its role. Inputs that are recorded already are skipped.
select ofa_api_1.add_inputs(@token::bigint, @artifacts::bigint[], @roles::text[]);

-- name: ArtifactByID :many
-- Returns one artifact.
select id, kind, name, role, digest, metadata, run_id, job_id, token, stage, created_at
from ofa.artifact where id = @id::bigint;

-- name: ArtifactByName :many
-- Returns the newest artifacts that have this name, newest first.
select id, kind, name, role, digest, metadata, run_id, job_id, token, stage, created_at
from ofa.artifact where name = @name::text order by id desc limit @most::int;

-- name: ArtifactByDigest :many
-- Returns the newest artifacts whose digest lies between `first` and `last` (the lowest and the highest digest with a
-- prefix), newest first.
select id, kind, name, role, digest, metadata, run_id, job_id, token, stage, created_at
from ofa.artifact where digest between @first::bytea and @last::bytea order by id desc limit @most::int;

-- name: ArtifactList :many
-- Returns artifacts, oldest first; NULL means any run or kind.
select id, kind, name, role, digest, metadata, run_id, job_id, token, stage, created_at
from ofa.artifact
where (@run::bigint? is null or run_id = @run::bigint?) and (@kind::text? is null or kind = @kind::text?)
order by id;

-- name: ArtifactListStored :many
-- Returns the artifacts of ArtifactList, each with the row of its blob and the reason of its pin.
select artifact.id, kind, name, role, artifact.digest, metadata, run_id, job_id, token, stage, artifact.created_at,
  blob.class, store, raw_bytes, stored_bytes, chunks, filter, codec, parent, blob.created_at as blob_created_at, collected_at,
  pin.reason as pinned
from ofa.artifact
left join ofa.blob on blob.digest = artifact.digest
left join ofa.pin on pin.digest = artifact.digest
where (@run::bigint? is null or run_id = @run::bigint?) and (@kind::text? is null or kind = @kind::text?)
order by artifact.id;

-- name: ArtifactPage :many
-- Returns artifacts as ArtifactListStored does, without their metadata: newest first, those before the artifact `before`
-- (NULL: from the newest on), at most `most`.
select artifact.id, kind, name, role, artifact.digest, '{}'::jsonb as metadata, run_id, job_id, token, stage,
  artifact.created_at, blob.class, store, raw_bytes, stored_bytes, chunks, filter, codec, parent,
  blob.created_at as blob_created_at, collected_at, pin.reason as pinned
from ofa.artifact
left join ofa.blob on blob.digest = artifact.digest
left join ofa.pin on pin.digest = artifact.digest
where (@run::bigint? is null or run_id = @run::bigint?) and (@kind::text? is null or kind = @kind::text?)
  and artifact.id < coalesce(@before::bigint?, 9223372036854775807)
order by artifact.id desc limit @most::int;

-- name: NetworksOfDevice :many
-- Returns the newest networks that were cut for a device, newest run first, at most `most`; looks at the newest `among`
-- networks only.
select * from (
  select id, kind, name, role, digest, metadata, run_id, job_id, token, stage, created_at
  from ofa.artifact where kind = 'subnet' and run_id is not null order by run_id desc, id desc limit @among::int) as network
where metadata ->> 'device' = @device::text order by run_id desc, id desc limit @most::int;

-- name: NewestNetworks :many
-- Returns the newest network of each device, among the newest `among` networks.
select distinct on (metadata ->> 'device') * from (
  select id, kind, name, role, digest, metadata, run_id, job_id, token, stage, created_at
  from ofa.artifact where kind = 'subnet' and run_id is not null order by run_id desc, id desc limit @among::int) as network
order by metadata ->> 'device', run_id desc, id desc;

-- name: SupernetsWithPredictor :many
-- Returns the supernets on whose networks the newest `among` predictors that runs made were fitted, newest first.
select distinct supernet.id, supernet.kind, supernet.name, supernet.role, supernet.digest, supernet.metadata, supernet.run_id,
  supernet.job_id, supernet.token, supernet.stage, supernet.created_at
from (select token from ofa.artifact where kind = 'predictor' and run_id is not null
  order by run_id desc, id desc limit @among::int) as predictor
join ofa.artifact_input as fitted on fitted.token = predictor.token and fitted.role = 'accuracy-samples'
join ofa.artifact as samples on samples.id = fitted.artifact_id
join ofa.artifact_input as measured on measured.token = samples.token and measured.role = 'supernet'
join ofa.artifact as supernet on supernet.id = measured.artifact_id
order by supernet.id desc;

-- name: EvaluationsOfNetwork :many
-- Returns the evaluations of the network that a search chose, and from which the attempt `token` made its outputs: those of
-- the same search result, newest first, at most `most`.
select evaluation.id, evaluation.kind, evaluation.name, evaluation.role, evaluation.digest, evaluation.metadata,
  evaluation.run_id, evaluation.job_id, evaluation.token, evaluation.stage, evaluation.created_at
from ofa.artifact_input as own
join ofa.artifact_input as other on other.artifact_id = own.artifact_id and other.role = 'search-result'
join ofa.artifact as evaluation on evaluation.token = other.token and evaluation.kind = 'evaluation'
where own.token = @token::bigint and own.role = 'search-result' order by evaluation.id desc limit @most::int;

-- name: SavingsRuns :many
-- Returns the newest runs that evaluated a network that a search chose, newest first, at most `most`: only these may have
-- measured what a supernet saves.
select distinct artifact.run_id from ofa.artifact
join ofa.artifact_input on artifact_input.token = artifact.token and artifact_input.role = 'search-result'
where artifact.kind = 'evaluation' and artifact.run_id is not null order by artifact.run_id desc limit @most::int;

-- name: ArtifactNewestMade :many
-- Returns those artifacts of a kind that were made by runs, newest run first; `run` NULL means any run. With
-- `after_run` and `after`, the list begins after the artifact `after` of the run `after_run`.
select id, kind, name, role, digest, metadata, run_id, job_id, token, stage, created_at
from ofa.artifact
where kind = @kind::text and run_id is not null and (@run::bigint? is null or run_id = @run::bigint?)
  and (@after_run::bigint? is null or (run_id, id) < (@after_run::bigint?, @after::bigint?))
order by run_id desc, id desc limit @most::int;

-- name: ArtifactsRecord :exec
-- Stores small blobs, then records the outputs and inputs of completed attempts; records nothing for fenced attempts.
-- The binds are arrays with one element per blob, chunk, output or input, so that requests of many attempts can be
-- merged.
select ofa_api_1.record_artifacts(@blobs::bytea[], @raw_bytes::bigint[], @stored_bytes::bigint[], @chunks::int[],
  @filters::text[], @codecs::text[], @chunk_blobs::bytea[], @ordinals::int[], @chunk_raw_bytes::int[],
  @sha256::bytea[], @data::bytea[], @kinds::text[], @names::text[], @roles::text[], @digests::bytea[],
  @metadata::jsonb[], @runs::bigint[], @jobs::bigint[], @tokens::bigint[], @stages::text[],
  @input_tokens::bigint[], @inputs::bigint[], @input_roles::text[]);
