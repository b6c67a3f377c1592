-- Statements about the folder store, and about moving bytes between it and the database.

-- name: StoreGet :many
-- Returns the folder store, if there is one.
select id, path, from_bytes, kinds from ofa.store where name = 'folder';

-- name: StoreIsKnown :one
-- Returns whether the schema supports a folder store, which schemas of earlier versions do not.
select to_regclass('ofa.store') is not null as known;

-- name: StoreSet :exec
-- Sets the path of the folder store and the rule that chooses which new blobs are stored there. `id` becomes the id of
-- a new folder store; an existing store keeps its id.
select ofa_api_1.set_store(@id::uuid, @path::text, @from_bytes::bigint, @kinds::text[]);

-- name: StoreRemove :exec
-- Removes the folder store if it is empty.
select where ofa_api_1.remove_store();

-- name: StoreUse :many
-- Returns the number and the stored size of the blobs in each store.
select store, count(*) as blobs, coalesce(sum(stored_bytes), 0)::bigint as bytes from ofa.blob
where collected_at is null group by store order by store;

-- name: FileLock :exec
-- Serialises changes of a blob's file: takes a lock that lasts until the transaction ends.
select pg_advisory_xact_lock(@key::bigint);

-- name: FileOwners :many
-- Returns those of the given digests whose bytes the folder store has.
select encode(digest, 'hex') as digest from ofa.blob
where digest in (select decode(hex, 'hex') from unnest(@digests::text[]) as named (hex))
  and store = 'folder' and collected_at is null;

-- name: BlobMove :many
-- Records that the bytes of a blob are now in the store `to`. Returns the blob's class, or no row if the bytes are in
-- that store already or were collected.
select class from ofa_api_1.move_blob(@digest::bytea, @to::text) as class;

-- name: BlobChunksEmpty :exec
-- Sets the data of a blob's chunks to NULL, because the folder store now has the bytes.
select ofa_api_1.empty_chunks(@digest::bytea);

-- name: BlobChunkFill :exec
-- Stores the data of a chunk in the database.
select ofa_api_1.fill_chunk(@digest::bytea, @ordinal::int, @data::bytea);
