-- Statements of the folder beside the database, and of moving bytes between the two.

-- name: StoreGet :many
-- The folder, where one was set.
select id, path, from_bytes, kinds from ofa.store where name = 'folder';

-- name: StoreIsKnown :one
-- Whether the schema has a store: one of an earlier program has none.
select to_regclass('ofa.store') is not null as known;

-- name: StoreSet :exec
-- Sets the folder and what goes there from now on.
select ofa_api_1.set_store(@id::uuid, @path::text, @from_bytes::bigint, @kinds::text[]);

-- name: StoreRemove :exec
-- Takes the folder away while nothing lies there.
select where ofa_api_1.remove_store();

-- name: StoreUse :many
-- How many blobs lie where, and what they take.
select store, count(*) as blobs, coalesce(sum(stored_bytes), 0)::bigint as bytes from ofa.blob
where collected_at is null group by store order by store;

-- name: FileLock :exec
-- Lets one transaction at a time change the file of a digest.
select pg_advisory_xact_lock(@key::bigint);

-- name: FileOwners :many
-- Those of these digests whose bytes lie in the folder.
select encode(digest, 'hex') as digest from ofa.blob
where digest in (select decode(hex, 'hex') from unnest(@digests::text[]) as named (hex))
  and store = 'folder' and collected_at is null;

-- name: BlobMove :many
-- Says that the bytes of a blob lie elsewhere from now on; no row when they do not lie where they were.
select class from ofa_api_1.move_blob(@digest::bytea, @to::text) as class;

-- name: BlobChunksEmpty :exec
-- Takes the data out of the chunks of a blob that lies in the folder.
select ofa_api_1.empty_chunks(@digest::bytea);

-- name: BlobChunkFill :exec
-- Puts the data of a chunk into the database.
select ofa_api_1.fill_chunk(@digest::bytea, @ordinal::int, @data::bytea);
