-- Statements of Migrator: the record of applied migrations, functions and views.

-- name: MigrationLock :exec
-- Lets one migrator in at a time; the lock ends with the transaction.
select pg_advisory_xact_lock(7316291042);

-- name: MigrationPatience :exec
-- Lets a migration wait for a lock for half a second only: less than it takes the server to look for a deadlock
-- with those who work while it migrates. Its statements take as long as they take.
select set_config('lock_timeout', '500', true), set_config('statement_timeout', '0', true);

-- name: MigrationSchemaExists :one
-- Tells whether any migration was ever applied here; if none was, names some of what a schema ofa of others holds.
with record as (
  select count(*) = 4 as present from pg_attribute
  where attrelid = to_regclass('ofa.migration') and not attisdropped
    and attname in ('version', 'name', 'checksum', 'applied_at')
), held as (
  select relname as name from pg_class where relnamespace = to_regnamespace('ofa') and relkind <> 'i'
  union select proname from pg_proc where pronamespace = to_regnamespace('ofa')
  order by name limit 5
)
select record.present,
  case when not record.present then (select string_agg(held.name, ', ' order by held.name) from held) end
    as others
from record;

-- name: MigrationCreateSchema :exec
-- Creates the schema that everything lives in.
create schema if not exists ofa;

-- name: MigrationCreateAPI :exec
-- Creates the schema of the functions through which programs write.
create schema if not exists ofa_api_1;

-- name: MigrationCreateTable :exec
-- Creates the record of applied migrations.
create table if not exists ofa.migration (
  version int primary key check (version > 0),
  name text not null,
  checksum text not null check (checksum <> ''),
  -- The last migration that a program must at least know to go on with this database.
  serves int not null check (serves between 1 and version),
  applied_at timestamptz not null default now()
);

-- name: MigrationChecksum :one
-- The checksum of a migration's text.
select encode(sha256(convert_to(@text::text, 'UTF8')), 'hex') as checksum;

-- name: SchemaState :many
-- The applied migrations in order, then the functions and views with the edition of the set that each came with.
select version as number, name, checksum, serves, applied_at, true as is_migration from ofa.migration
union all
select edition, name, checksum, 0, applied_at, false from ofa.routine
order by is_migration desc, number;

-- name: MigrationList :many
-- The applied migrations in order; a database from before the baseline does not say whom they serve.
select version as number, name, checksum, coalesce((to_jsonb(migration) ->> 'serves')::int, version) as serves, applied_at
from ofa.migration order by version;

-- name: MigrationRecord :exec
-- Records a migration as applied.
insert into ofa.migration (version, name, checksum, serves)
values (@version::int, @name::text, @checksum::text, @serves::int);

-- name: RoutineCreateTable :exec
-- Creates the record of applied functions and views.
create table if not exists ofa.routine (
  name text primary key,
  checksum text not null check (checksum <> ''),
  edition int not null check (edition > 0),
  applied_at timestamptz not null default now()
);

-- name: RoutineList :many
-- The applied functions and views, each with the edition of the set that it came with.
select name, checksum, edition as number from ofa.routine;

-- name: RoutineRecord :exec
-- Records a function or view as applied.
insert into ofa.routine (name, checksum, edition) values (@name::text, @checksum::text, @edition::bigint)
on conflict (name) do update
set checksum = excluded.checksum, edition = excluded.edition, applied_at = excluded.applied_at;

-- name: RoutinesClose :exec
-- Leaves the functions of the schema ofa to its owner: who may use the API calls those of the API, which run as the owner.
revoke execute on all functions in schema ofa from public;

-- name: AccessGrant :exec
-- Lets a role read, or also work.
select ofa.grant_access(@role::text, @works::boolean);
