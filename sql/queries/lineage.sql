-- Statements of Lineage, which follow artifacts and the attempts that read and made them.

-- name: LineageUp :many
-- Returns the artifact and its nearest ancestors, at most `most` artifacts in all.
with recursive reached (id) as (
  select @artifact::bigint
  union
  select input.artifact_id
  from reached
  join ofa.artifact made on made.id = reached.id
  join ofa.artifact_input input on input.token = made.token
)
select artifact.id, kind, name, role, digest, metadata, run_id, job_id, token, stage, created_at
from (select id from reached limit @most::int) as bounded
join ofa.artifact on artifact.id = bounded.id;

-- name: LineageDown :many
-- Returns the artifact and its nearest descendants, at most `most` artifacts in all.
with recursive reached (id) as (
  select @artifact::bigint
  union
  select made.id
  from reached
  join ofa.artifact_input input on input.artifact_id = reached.id
  join ofa.artifact made on made.token = input.token
)
select artifact.id, kind, name, role, digest, metadata, run_id, job_id, token, stage, created_at
from (select id from reached limit @most::int) as bounded
join ofa.artifact on artifact.id = bounded.id;

-- name: LineageEdges :many
-- Returns the edges among the given artifacts: output, input and role.
select made.id as output_id, input.artifact_id as input_id, input.role
from ofa.artifact made
join ofa.artifact_input input on input.token = made.token
where made.id = any (@artifacts::bigint[]) and input.artifact_id = any (@artifacts::bigint[])
order by made.id, input.artifact_id, input.role;
