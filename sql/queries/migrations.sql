-- Statements of Migrator: the record of applied migrations, functions and views.

-- name: MigrationLock :exec
-- Serialises migrators: takes a lock that lasts until the transaction ends.
select pg_advisory_xact_lock(7316291042);

-- name: MigrationPatience :exec
-- Limits the lock waits of a migration to half a second, less than the server's deadlock timeout (1 s by default), so
-- that no running worker is chosen as the victim of a deadlock. Removes the time limit of the migration's statements.
select set_config('lock_timeout', '500', true), set_config('statement_timeout', '0', true);

-- name: MigrationSchemaExists :one
-- Returns whether the record of applied migrations (ofa.migration) exists. If it does not, any objects in schema ofa
-- belong to another program; `others` then has the names of up to five of them, or is NULL if there are none.
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
-- Creates the schema of the tables.
create schema if not exists ofa;

-- name: MigrationCreateAPI :exec
-- Creates the schema of the API functions, through which programs write.
create schema if not exists ofa_api_1;

-- name: MigrationCreateTable :exec
-- Creates the record of applied migrations.
create table if not exists ofa.migration (
  version int primary key check (version > 0),
  name text not null,
  checksum text not null check (checksum <> ''),
  -- After this migration, programs still work with the database if their own last migration is `serves` or later.
  serves int not null check (serves between 1 and version),
  applied_at timestamptz not null default now()
);

-- name: MigrationChecksum :one
-- Returns the checksum of a migration's text.
select encode(sha256(convert_to(@text::text, 'UTF8')), 'hex') as checksum;

-- name: SchemaState :many
-- Returns the applied migrations in order, then the applied functions and views. `number` is the version of a
-- migration, or the edition of the set that a function or view came from.
select version as number, name, checksum, serves, applied_at, true as is_migration from ofa.migration
union all
select edition, name, checksum, 0, applied_at, false from ofa.routine
order by is_migration desc, number;

-- name: MigrationList :many
-- Returns the applied migrations in order. After a migration, programs still work if their own last migration is
-- `serves` or later. A database from before the baseline does not record `serves`; then `serves` is `version`.
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
-- Returns the applied functions and views, each with the edition of the set that it came from.
select name, checksum, edition as number from ofa.routine;

-- name: RoutineRecord :exec
-- Records a function or view as applied.
insert into ofa.routine (name, checksum, edition) values (@name::text, @checksum::text, @edition::bigint)
on conflict (name) do update
set checksum = excluded.checksum, edition = excluded.edition, applied_at = excluded.applied_at;

-- name: RoutinesClose :exec
-- Revokes the right of other roles to execute the functions of schema ofa. Other roles call the API functions, which
-- run as the owner.
revoke execute on all functions in schema ofa from public;

-- name: RoutinesGrant :many
-- Lets roles that were granted access before also execute the functions that this version reads with. Those are the roles
-- that may execute ofa.attempts_of by a grant of their own: to use the schema is less, and their other rights stay as they are.
select ofa.grant_reading(role.rolname)
from pg_proc cross join aclexplode(proacl) as granted join pg_roles as role on role.oid = granted.grantee
where pronamespace = 'ofa'::regnamespace and proname = 'attempts_of' and granted.privilege_type = 'EXECUTE'
  and granted.grantee <> proowner
group by role.rolname order by role.rolname;

-- name: AccessGrant :exec
-- Lets a role read all tables. If `works` is true, the role may also write through the API; otherwise this privilege is
-- revoked.
select ofa.grant_access(@role::text, @works::boolean);
