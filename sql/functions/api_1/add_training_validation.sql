-- Appends what was measured of a training job's subnets on held-out images: an element of each array for each subnet and
-- step. Rows that are there are not changed.
create or replace function ofa_api_1.add_training_validation(p_job bigint, p_token bigint, p_steps int[],
  p_networks text[], p_archs text[], p_accuracies float8[], p_losses float8[], p_images int[])
returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  v_month int := coalesce((select month from ofa.live where job_id = p_job), (select month from ofa.job where id = p_job));
begin
  if v_month is null then return; end if;
  insert into ofa.training_validation (job_id, month, token, step, network, arch, accuracy, loss, images, recorded_at)
  select p_job, v_month, p_token, step, network, arch::json, accuracy, loss, images, ofa.now()
  from unnest(p_steps, p_networks, p_archs, p_accuracies, p_losses, p_images)
    as one (step, network, arch, accuracy, loss, images)
  on conflict do nothing;
end
$$;
