-- Statements of Lineage, which follow artifacts and the attempts that read and made them. Each step of a walk is a
-- lateral subquery with a limit, so a walk reads one index entry per edge and stops at its limit, whatever the
-- planner's statistics say. `hidden` is a role and kind of artifacts that a walk neither returns nor passes; NULL hides
-- nothing.

-- name: LineagePlan :exec
-- Makes index look-ups the only plan of the walks in this transaction.
select set_config('enable_seqscan', 'off', true), set_config('enable_bitmapscan', 'off', true),
  set_config('enable_hashjoin', 'off', true), set_config('enable_mergejoin', 'off', true);

-- name: LineageUp :many
-- Returns the artifacts and their nearest ancestors, nearest first, at most `most` artifacts in all, each with the time
-- when its bytes were collected. Without `detailed` only user-supplied artifacts have their metadata.
with recursive reached (id) as (
  select unnest(@artifacts::bigint[])
  union
  select input.artifact_id
  from reached
  cross join lateral (select token from ofa.artifact where artifact.id = reached.id limit 1) as made
  cross join lateral (
    select artifact_id from ofa.artifact_input
    where token = made.token and role is distinct from @hidden::text?
    order by artifact_id limit @most::int
  ) as input
)
select artifact.id, kind, name, role, artifact.digest,
  case when @detailed::boolean or run_id is null then metadata else '{}'::jsonb end as metadata, run_id, job_id, token, stage,
  artifact.created_at, collected_at
from (select id from reached limit @most::int) as bounded
join ofa.artifact on artifact.id = bounded.id
left join ofa.blob on blob.digest = artifact.digest;

-- name: LineageDown :many
-- Returns the artifacts and their nearest descendants, in the form of LineageUp.
with recursive reached (id) as (
  select unnest(@artifacts::bigint[])
  union
  select made.id
  from reached
  cross join lateral (
    select token from ofa.artifact_input where artifact_id = reached.id limit @most::int
  ) as input
  cross join lateral (
    select id from ofa.artifact where token = input.token and kind is distinct from @hidden::text? limit @most::int
  ) as made
)
select artifact.id, kind, name, role, artifact.digest,
  case when @detailed::boolean or run_id is null then metadata else '{}'::jsonb end as metadata, run_id, job_id, token, stage,
  artifact.created_at, collected_at
from (select id from reached limit @most::int) as bounded
join ofa.artifact on artifact.id = bounded.id
left join ofa.blob on blob.digest = artifact.digest;

-- name: LineageArtifacts :many
-- Returns the given artifacts in the form of LineageUp, in the order of their numbers.
select artifact.id, kind, name, role, artifact.digest,
  case when @detailed::boolean or run_id is null then metadata else '{}'::jsonb end as metadata, run_id, job_id, token, stage,
  artifact.created_at, collected_at
from ofa.artifact
left join ofa.blob on blob.digest = artifact.digest
where artifact.id = any (@artifacts::bigint[])
order by artifact.id;

-- name: LineageEdges :many
-- Returns the edges among the given artifacts: output, input and role. The inputs of an attempt are read in order if
-- there are at most `most`; otherwise each given artifact is looked up among them.
select made.id as output_id, input.artifact_id as input_id, input.role
from (select id, token from ofa.artifact where id = any (@artifacts::bigint[]) offset 0) as made
cross join lateral (
  select artifact_id, role from ofa.artifact_input where token = made.token limit @most::int
) as input
where input.artifact_id = any (@artifacts::bigint[]) and input.role is distinct from @hidden::text?
union
select made.id, input.artifact_id, input.role
from (
  select id, token from ofa.artifact as wide
  where id = any (@artifacts::bigint[])
    and exists (select from ofa.artifact_input where token = wide.token offset @most::int)
  offset 0
) as made
cross join unnest(@artifacts::bigint[]) as given (id)
cross join lateral (
  select artifact_id, role from ofa.artifact_input
  where token = made.token and artifact_id = given.id limit @most::int
) as input
where input.role is distinct from @hidden::text?
order by output_id, input_id, role;

-- name: LineageHidden :one
-- Returns how many artifacts the given attempts read in the role `hidden`.
select count(distinct artifact_id) as hidden from ofa.artifact_input
where token = any (@tokens::bigint[]) and role = @hidden::text;

-- name: LineageStepUp :many
-- Returns the inputs of the given artifacts and of their nearest ancestors, of up to `ahead` artifacts in all. Each row
-- has an artifact (`id`), one of its inputs (`next_id`) and the role of the input; an artifact without inputs has a row
-- with NULLs. Inputs with a number below `bound` are left out. Returns at most `most` rows.
with recursive reached (id) as (
  select unnest(@artifacts::bigint[])
  union
  select input.artifact_id
  from reached
  cross join lateral (select token from ofa.artifact where artifact.id = reached.id limit 1) as made
  cross join lateral (
    select artifact_id from ofa.artifact_input
    where token = made.token and artifact_id >= @bound::bigint
    order by artifact_id limit @most::int
  ) as input
)
select bounded.id, input.artifact_id as next_id, input.role
from (select id from reached limit @ahead::int) as bounded
left join lateral (select token from ofa.artifact where artifact.id = bounded.id limit 1) as made on true
left join lateral (
  select artifact_id, role from ofa.artifact_input
  where token = made.token and artifact_id >= @bound::bigint
  order by artifact_id limit @most::int
) as input on true
limit @most::int;

-- name: LineageStepDown :many
-- Returns what LineageStepUp returns, but for descendants: each row has an artifact (`id`), an output of an attempt
-- that read the artifact (`next_id`), and the role in which it was read. Outputs with a number above `bound` are left
-- out.
with recursive reached (id) as (
  select unnest(@artifacts::bigint[])
  union
  select made.id
  from reached
  cross join lateral (
    select token from ofa.artifact_input where artifact_id = reached.id limit @most::int
  ) as input
  cross join lateral (
    select id from ofa.artifact where token = input.token and id <= @bound::bigint limit @most::int
  ) as made
)
select bounded.id, made.id as next_id, made.role
from (select id from reached limit @ahead::int) as bounded
left join lateral (
  select output.id, input.role
  from (
    select token, role from ofa.artifact_input where artifact_id = bounded.id limit @most::int
  ) as input
  cross join lateral (
    select id from ofa.artifact where token = input.token and id <= @bound::bigint limit @most::int
  ) as output
  limit @most::int
) as made on true
limit @most::int;

-- name: LineageMeeting :many
-- Returns at most `most` artifacts (`id`) that were made from one of `above` (`input_id`, in `input_role`) and read to
-- make one of `below` (`output_id`, in `output_role`). Reads at most `most` inputs of `below`, in the order of their
-- numbers, so there may be others.
select middle.id, source.artifact_id as input_id, source.role as input_role, input.output_id,
  input.role as output_role
from (
  select made.id as output_id, one.artifact_id, one.role
  from (select id, token from ofa.artifact where id = any (@below::bigint[]) offset 0) as made
  cross join lateral (
    select artifact_id, role from ofa.artifact_input
    where token = made.token and artifact_id >= @bound::bigint
    order by artifact_id limit @most::int
  ) as one
  limit @most::int
) as input
cross join lateral (
  select id, token from ofa.artifact where artifact.id = input.artifact_id limit 1
) as middle
cross join lateral (
  select artifact_id, role from ofa.artifact_input where token = middle.token order by artifact_id limit @most::int
) as source
where source.artifact_id = any (@above::bigint[])
limit @most::int;

-- name: LineageEdge :many
-- Returns the roles in which the attempt that made `output` read `input`.
select input.role from ofa.artifact made
join ofa.artifact_input input on input.token = made.token
where made.id = @output::bigint and input.artifact_id = @input::bigint
order by input.role;

-- name: LineageInputs :many
-- Returns at most `most` artifacts that an attempt read, each with its role as `input_role`; `hidden` is a role to
-- leave out, or NULL.
select artifact.id, kind, name, artifact.role, digest, metadata, run_id, job_id, artifact.token, stage, created_at,
  input.role as input_role
from ofa.artifact_input input
join ofa.artifact on artifact.id = input.artifact_id
where input.token = @token::bigint and input.role is distinct from @hidden::text?
order by input.role, artifact.id limit @most::int;
