-- Statements of Adoption: a database with the migrations that the baseline was folded from.

-- name: AdoptionWorkers :one
-- Workers that beat within the last minute.
select count(*) as workers from ofa.session where state = 'alive' and beat_at > ofa.now() - interval '1 minute';

-- name: AdoptionForget :exec
-- Forgets the folded migrations.
delete from ofa.migration;

-- name: AdoptionServes :exec
-- The record of migrations says from the baseline on whom they serve.
alter table ofa.migration add column serves int not null check (serves between 1 and version);
