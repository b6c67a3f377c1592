-- Appends the metrics of ranges of steps of a training job: an element of each array for each range. Rows that are there
-- are not changed, so the same rows may be written again. A token that has lost its lease may append too: queries leave
-- out what a later attempt has trained again.
create or replace function ofa_api_1.add_training_metrics(p_job bigint, p_token bigint, p_first_steps int[],
  p_last_steps int[], p_skipped int[], p_networks bigint[], p_images bigint[], p_seconds float8[],
  p_learning_rates float8[], p_losses float8[], p_distillation_losses float8[], p_accuracies float8[],
  p_gradient_norms float8[])
returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  v_month int := coalesce((select month from ofa.live where job_id = p_job), (select month from ofa.job where id = p_job));
begin
  -- A job without a row was dropped with its month.
  if v_month is null then return; end if;
  insert into ofa.training_metrics (job_id, month, token, first_step, last_step, skipped, networks, images, seconds,
    learning_rate, loss, distillation_loss, accuracy, gradient_norm, recorded_at)
  select p_job, v_month, p_token, one.*, ofa.now()
  from unnest(p_first_steps, p_last_steps, p_skipped, p_networks, p_images, p_seconds, p_learning_rates, p_losses,
    p_distillation_losses, p_accuracies, p_gradient_norms) as one
  on conflict do nothing;
end
$$;
