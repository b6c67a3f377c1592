-- Blobs, artifacts and lineage. See sql/README.md for the why.

-- Rows that are records, not state, refuse to be changed.
create function ofa.refuse_change() returns trigger language plpgsql as $$
begin
  raise exception 'rows of ofa.% never change', tg_table_name
    using errcode = 'restrict_violation', hint = 'Insert a new row instead.';
end
$$;

-- Bytes, named by the SHA-256 of what they are decoded. Written in one transaction with its chunks.
create table ofa.blob (
  digest bytea primary key check (octet_length(digest) = 32),
  raw_bytes bigint not null check (raw_bytes >= 0),
  chunks int not null check (chunks >= 0),
  filter text not null check (filter in ('none', 'bitshuffle')),
  codec text not null check (codec in ('none', 'lz4')),
  created_at timestamptz not null default ofa.now(),
  check (filter = 'none' or codec <> 'none')
);

-- A blob's stored bytes in pieces; put together in order they are the stream that `lz4 -d` reads.
-- `sha256` is over `data`, so that the server alone can tell a damaged chunk: sha256(data) <>
-- sha256.
create table ofa.blob_chunk (
  digest bytea not null references ofa.blob on delete cascade,
  ordinal int not null check (ordinal >= 0),
  raw_bytes int not null check (raw_bytes between 0 and 1048576),
  sha256 bytea not null check (octet_length(sha256) = 32),
  data bytea not null,
  primary key (digest, ordinal)
);
-- The bytes are compressed already: keep TOAST from trying again.
alter table ofa.blob_chunk alter column data set storage external;

-- A thing that a stage made or a person brought: immutable, its bytes may be collected, the row
-- stays. The attempt is named without a foreign key: the queue's history may be pruned, lineage may
-- not.
create table ofa.artifact (
  id bigint generated always as identity primary key,
  kind text not null check (kind <> ''),
  name text not null check (name <> ''),
  role text not null check (role <> ''),
  digest bytea not null check (octet_length(digest) = 32),
  metadata jsonb not null default '{}' check (jsonb_typeof(metadata) = 'object'),
  run_id bigint,
  job_id bigint,
  token bigint,
  stage text check (stage <> ''),
  created_at timestamptz not null default ofa.now(),
  check (num_nulls(run_id, job_id, token, stage) in (0, 4)),
  unique (token, role, name)
);
create index artifact_digest on ofa.artifact (digest);
create index artifact_name on ofa.artifact (name);
create index artifact_run on ofa.artifact (run_id, kind);
create trigger artifact_is_a_record before update or delete on ofa.artifact
  for each row execute function ofa.refuse_change();

-- What an attempt read to make its artifacts; the edge to what it made is artifact.token.
create table ofa.artifact_input (
  token bigint not null,
  artifact_id bigint not null references ofa.artifact,
  role text not null check (role <> ''),
  primary key (token, artifact_id, role)
);
create index artifact_input_artifact on ofa.artifact_input (artifact_id);
create trigger artifact_input_is_a_record before update or delete on ofa.artifact_input
  for each row execute function ofa.refuse_change();
