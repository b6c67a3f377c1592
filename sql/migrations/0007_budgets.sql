-- Limits on the energy and carbon of runs, and the runs that such limits hold.
-- Serves programs from migration 2 on.

-- A limit on what a run may use, or on what all runs of a name may use together from the hour of `since` on: IT energy in
-- microjoules, carbon in micrograms of CO2e by the newest factors. NULL: no such limit. `used_uj` and `used_ug` are what was
-- used at `checked_at`; energy that no meter saw does not count, and energy in a zone without a factor has no carbon. A run
-- that reaches a limit is held, or, with `is_soft`, only reported; `reason` says what was reached. A new limit of the same
-- run or name replaces the last one, which is then lifted.
create table ofa.budget (
  id bigint generated always as identity primary key,
  run_id bigint references ofa.run,
  pipeline text check (pipeline <> '' and octet_length(pipeline) <= 1024),
  since timestamptz not null,
  max_uj bigint check (max_uj > 0),
  max_ug bigint check (max_ug > 0),
  is_soft boolean not null,
  set_at timestamptz not null default ofa.now(),
  checked_at timestamptz not null default '-infinity',
  used_uj bigint not null default 0,
  used_ug bigint not null default 0,
  reached_at timestamptz,
  reason text,
  lifted_at timestamptz,
  check (num_nonnulls(run_id, pipeline) = 1),
  check (num_nonnulls(max_uj, max_ug) > 0),
  check ((reached_at is null) = (reason is null))
) with (fillfactor = 50);
create unique index budget_of_run on ofa.budget (run_id) where lifted_at is null and run_id is not null;
create unique index budget_of_pipeline on ofa.budget (pipeline) where lifted_at is null and pipeline is not null;

-- Runs that are held: no job of them is claimed, and workers release those that run, with a checkpoint. Their waiting
-- jobs are scheduled for ofa.never().
create table ofa.run_hold (
  run_id bigint primary key references ofa.run,
  budget_id bigint not null references ofa.budget,
  held_at timestamptz not null default ofa.now()
);

create index account_pipeline on ofa.account (pipeline);
