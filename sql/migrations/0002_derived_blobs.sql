-- Blobs that are stored in terms of another blob: as a recipe, or as a delta.
-- Programs of migration 1 cannot read such blobs, so they refuse a database with this migration.

-- `parent` is the blob from whose decoded bytes this blob's bytes are made: as a recipe (filter recipe: the chunks are
-- instructions for the program) or as a delta (filter xor: the chunks are XORed with those of the parent, then bit
-- shuffled). It is a reference: garbage collection keeps the parent. A tombstone has none. `raw_bytes` and the digest
-- are those of the bytes that are made.
alter table ofa.blob
  add column parent bytea references ofa.blob check (octet_length(parent) = 32 and parent <> digest),
  drop constraint blob_filter_check,
  add constraint blob_filter_check check (filter in ('none', 'bitshuffle', 'xor', 'recipe')),
  add constraint blob_parent_known check (
    (parent is not null) = (filter in ('xor', 'recipe') and collected_at is null));
create index blob_parent on ofa.blob (parent) where parent is not null;
