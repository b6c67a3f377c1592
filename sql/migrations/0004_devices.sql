-- Device targets: what networks are cut for. See sql/README.md for the why.

create table ofa.device (
  name text primary key check (name <> ''),
  -- Kind, limits, batch and bytes a number, as Search.DeviceTarget writes them.
  target jsonb not null check (jsonb_typeof(target) = 'object'),
  -- The latency table that searches for it use; measured on first use when it is missing.
  latency_table bigint references ofa.artifact,
  created_at timestamptz not null default ofa.now(),
  updated_at timestamptz not null default ofa.now()
);
