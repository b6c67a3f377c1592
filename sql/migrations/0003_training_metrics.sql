-- How trainings go: metrics of ranges of steps, and accuracies on held-out images.
-- Serves programs from migration 2 on.

-- A row has the metrics of the steps `first_step` to `last_step` of one attempt at a training job: means over the steps
-- that were not skipped, and the mean learning rate. `networks` are the subnets trained in these steps together, and
-- `images` the images of the steps. A mean is NULL if every step was skipped; the distillation loss, without its weight,
-- also if there is no distillation. Rows are appended and never changed. An attempt that resumes from a checkpoint trains
-- later steps again: queries then leave out the rows of earlier attempts beyond the first step of that attempt. Ranges
-- end at checkpoints, so no row lies on both sides.
create table ofa.training_metrics (
  job_id bigint not null,
  month int not null,
  token bigint not null,
  first_step int not null check (first_step > 0),
  last_step int not null,
  skipped int not null,
  networks bigint not null check (networks >= 0),
  images bigint not null check (images >= 0),
  seconds double precision not null check (seconds >= 0),
  learning_rate double precision not null,
  loss double precision,
  distillation_loss double precision,
  accuracy double precision,
  gradient_norm double precision,
  recorded_at timestamptz not null default ofa.now(),
  primary key (job_id, token, first_step, month),
  check (last_step >= first_step),
  check (skipped between 0 and last_step - first_step + 1)
) partition by range (month);

-- A row has the top-1 accuracy and the loss of one subnet on `images` held-out images after `step` steps, with batch-norm
-- statistics of its own. `network` says which: largest, middle or smallest of what is trained; `arch` has its genes. Rows
-- are appended and never changed; those of steps that were trained again are left out as above.
create table ofa.training_validation (
  job_id bigint not null,
  month int not null,
  token bigint not null,
  step int not null check (step > 0),
  network text not null check (network in ('largest', 'middle', 'smallest')),
  arch json not null check (octet_length(arch::text) <= 65536),
  accuracy double precision not null check (accuracy between 0 and 1),
  loss double precision not null,
  images int not null check (images > 0),
  recorded_at timestamptz not null default ofa.now(),
  primary key (job_id, token, step, network, month)
) partition by range (month);

-- Partitions for the months that have partitions of the other tables. ofa.open_month creates those of later months.
do $$
declare
  v_month text;
  v_next text;
  v_table text;
begin
  for v_month in
    select substr(relname, 10) from pg_inherits join pg_class on pg_class.oid = inhrelid
    where inhparent = 'ofa.progress'::regclass order by 1
  loop
    v_next := to_char(to_date(v_month, 'YYYYMM') + interval '1 month', 'YYYYMM');
    foreach v_table in array array['training_metrics', 'training_validation'] loop
      execute format('create table ofa.%I (like ofa.%I including all)', v_table || '_' || v_month, v_table);
      execute format('alter table ofa.%I attach partition ofa.%I for values from (%s) to (%s)', v_table,
        v_table || '_' || v_month, v_month, v_next);
    end loop;
  end loop;
end
$$;
