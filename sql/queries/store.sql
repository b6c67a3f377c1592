-- Statements of the folder store, and of moving bytes between it and the database.

-- name: StoreGet :many
-- The folder store, if one is set.
select id, path, from_bytes, kinds from ofa.store where name = 'folder';

-- name: StoreIsKnown :one
-- Whether the schema supports a folder store, which earlier ones do not.
select to_regclass('ofa.store') is not null as known;

-- name: StoreSet :exec
-- Sets the folder store and its rule for new blobs.
select ofa_api_1.set_store(@id::uuid, @path::text, @from_bytes::bigint, @kinds::text[]);

-- name: StoreRemove :exec
-- Removes the folder store if it is empty.
select where ofa_api_1.remove_store();

-- name: StoreUse :many
-- The number and size of blobs by place.
select store, count(*) as blobs, coalesce(sum(stored_bytes), 0)::bigint as bytes from ofa.blob
where collected_at is null group by store order by store;

-- name: FileLock :exec
-- Serialises changes of a digest's file.
select pg_advisory_xact_lock(@key::bigint);

-- name: FileOwners :many
-- Those of these digests whose bytes are in the folder.
select encode(digest, 'hex') as digest from ofa.blob
where digest in (select decode(hex, 'hex') from unnest(@digests::text[]) as named (hex))
  and store = 'folder' and collected_at is null;

-- name: BlobMove :many
-- Records the new place of a blob's bytes; no row if they are no longer at the old place.
select class from ofa_api_1.move_blob(@digest::bytea, @to::text) as class;

-- name: BlobChunksEmpty :exec
-- Removes the data of a blob's chunks, whose bytes are now in the folder.
select ofa_api_1.empty_chunks(@digest::bytea);

-- name: BlobChunkFill :exec
-- Stores the data of a chunk in the database.
select ofa_api_1.fill_chunk(@digest::bytea, @ordinal::int, @data::bytea);
