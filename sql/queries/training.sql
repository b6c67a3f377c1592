-- Statements about the metrics of training jobs.

-- name: TrainingMetricsAdd :exec
-- Appends the metrics of ranges of steps of a job.
select ofa_api_1.add_training_metrics(@job::bigint, @token::bigint, @first_steps::int[], @last_steps::int[],
  @skipped::int[], @networks::bigint[], @images::bigint[], @seconds::float8[], @learning_rates::float8[],
  @losses::float8?[], @distillation_losses::float8?[], @accuracies::float8?[], @gradient_norms::float8?[]);

-- name: TrainingValidationAdd :exec
-- Appends accuracies of a job's subnets on held-out images.
select ofa_api_1.add_training_validation(@job::bigint, @token::bigint, @steps::int[], @networks::text[],
  @archs::text[], @accuracies::float8[], @losses::float8[], @images::int[]);

-- name: TrainingAttempts :many
-- Returns the attempts that have trained or validated in a run, each with the last step that a later attempt did not train
-- again (`until`), in the order of stages and attempts. An attempt that only validated goes on after the step of its first
-- validation. A training stage has one job. The statement reads some index entries of each attempt, not the metrics.
with recursive stage as materialized (
  select job_group.id, job_group.stage, job_group.month, (
    select job.id from ofa.job where job.month = job_group.month and job.group_id = job_group.id
    order by job.ordinal limit 1) as job_id
  from ofa.job_group where job_group.run_id = @run::bigint and job_group.owner_job is null
), tried as (
  select stage.id, stage.stage, stage.month, stage.job_id, least((
    select token from ofa.training_metrics as metrics
    where metrics.month = stage.month and metrics.job_id = stage.job_id order by token limit 1), (
    select token from ofa.training_validation as measured
    where measured.month = stage.month and measured.job_id = stage.job_id order by token limit 1)) as token
  from stage
  union all
  select tried.id, tried.stage, tried.month, tried.job_id, least((
    select metrics.token from ofa.training_metrics as metrics
    where metrics.month = tried.month and metrics.job_id = tried.job_id and metrics.token > tried.token
    order by metrics.token limit 1), (
    select measured.token from ofa.training_validation as measured
    where measured.month = tried.month and measured.job_id = tried.job_id and measured.token > tried.token
    order by measured.token limit 1))
  from tried where tried.token is not null
), spans as materialized (
  select tried.*, coalesce((
    select metrics.first_step from ofa.training_metrics as metrics
    where metrics.month = tried.month and metrics.job_id = tried.job_id and metrics.token = tried.token
    order by metrics.first_step limit 1), (
    select measured.step + 1 from ofa.training_validation as measured
    where measured.month = tried.month and measured.job_id = tried.job_id and measured.token = tried.token
    order by measured.step limit 1)) as first_step, greatest((
    select metrics.last_step from ofa.training_metrics as metrics
    where metrics.month = tried.month and metrics.job_id = tried.job_id and metrics.token = tried.token
    order by metrics.first_step desc limit 1), (
    select measured.step from ofa.training_validation as measured
    where measured.month = tried.month and measured.job_id = tried.job_id and measured.token = tried.token
    order by measured.step desc limit 1)) as last_step
  from tried where tried.token is not null
)
select stage, month, job_id, token, least(last_step,
  min(first_step) over (partition by job_id order by token desc rows between unbounded preceding and 1 preceding) - 1
) as until
from spans order by id, token;

-- name: TrainingCurve :many
-- Returns the metrics of attempts up to the step `untils` of each, thinned out: a row for every `widths` steps of a job,
-- in order. Means are weighted by the steps that were not skipped, the learning rate by all steps.
select given.job as job_id, min(metrics.first_step) as first_step, max(metrics.last_step) as last_step,
  sum(metrics.skipped)::bigint as skipped, sum(metrics.networks)::bigint as networks, sum(metrics.images)::bigint as images,
  sum(metrics.seconds) as seconds,
  sum(metrics.learning_rate * (last_step - first_step + 1)) / sum(last_step - first_step + 1) as learning_rate,
  sum(loss * (last_step - first_step + 1 - skipped))
    / nullif(sum(last_step - first_step + 1 - skipped) filter (where loss is not null), 0) as loss,
  sum(distillation_loss * (last_step - first_step + 1 - skipped))
    / nullif(sum(last_step - first_step + 1 - skipped) filter (where distillation_loss is not null), 0) as distillation_loss,
  sum(accuracy * (last_step - first_step + 1 - skipped))
    / nullif(sum(last_step - first_step + 1 - skipped) filter (where accuracy is not null), 0) as accuracy,
  sum(gradient_norm * (last_step - first_step + 1 - skipped))
    / nullif(sum(last_step - first_step + 1 - skipped) filter (where gradient_norm is not null), 0) as gradient_norm
from unnest(@jobs::bigint[], @tokens::bigint[], @untils::int[], @widths::int[]) as given (job, token, until, width)
join ofa.training_metrics as metrics on metrics.month = @month::int and metrics.job_id = given.job
  and metrics.token = given.token and metrics.last_step <= given.until
group by given.job, (metrics.first_step - 1) / given.width
order by given.job, (metrics.first_step - 1) / given.width;

-- name: TrainingValidations :many
-- Returns the accuracies on held-out images of attempts up to the step `untils` of each; of the same step and subnet,
-- that of the latest attempt.
select distinct on (given.job, measured.step, measured.network) given.job as job_id, measured.step, measured.network,
  measured.arch, measured.accuracy, measured.loss, measured.images
from unnest(@jobs::bigint[], @tokens::bigint[], @untils::int[]) as given (job, token, until)
join ofa.training_validation as measured on measured.month = @month::int and measured.job_id = given.job
  and measured.token = given.token and measured.step <= given.until
order by given.job, measured.step, measured.network, measured.token desc;
