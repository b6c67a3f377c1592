-- The queue: runs, groups (stages and fan-outs), jobs, leases, outcomes. See sql/README.md for the why.

-- The clock of every rule below. A session may shift it, which is how tests make time pass.
create function ofa.now() returns timestamptz language sql stable parallel safe as $$
  select statement_timestamp()
    + coalesce(nullif(current_setting('ofa.clock_offset', true), ''), '0')::interval
$$;

-- One execution of a pipeline.
create table ofa.run (
  id bigint generated always as identity primary key,
  name text not null check (name <> ''),
  definition text not null,
  definition_hash text not null check (definition_hash <> ''),
  state text not null default 'running'
    check (state in ('running', 'completed', 'failed', 'cancelled')),
  created_at timestamptz not null default ofa.now(),
  cancel_requested_at timestamptz,
  ended_at timestamptz,
  check ((state = 'running') = (ended_at is null)),
  check (state <> 'cancelled' or cancel_requested_at is not null)
);
-- Enqueuing the same pipeline again while it is unfinished finds it instead of doubling it.
create unique index run_unfinished on ofa.run (name, definition_hash) where state = 'running';

-- A stage of a run (owner_job is null), or the children of one job's fan-out that a later job waits for.
create table ofa.job_group (
  id bigint generated always as identity primary key,
  run_id bigint not null references ofa.run,
  stage text not null check (stage <> ''),
  owner_job bigint,
  deps_left int not null default 0 check (deps_left >= 0),
  expected int not null default 0 check (expected >= 0),
  pending int not null default 0 check (pending >= 0),
  ok int not null default 0 check (ok >= 0),
  bad int not null default 0 check (bad >= 0),
  released_at timestamptz,
  fired_at timestamptz,
  check (pending + ok + bad = expected),
  check (released_at is null or deps_left = 0),
  check (fired_at is null or pending = 0)
) with (fillfactor = 70);
create unique index job_group_stage on ofa.job_group (run_id, stage) where owner_job is null;
create unique index job_group_owner on ofa.job_group (owner_job);
create index job_group_run on ofa.job_group (run_id);

-- Stage `child` starts when stage `parent` has fired with success.
create table ofa.group_edge (
  parent bigint not null references ofa.job_group,
  child bigint not null references ofa.job_group,
  primary key (child, parent),
  check (parent <> child)
);
create index group_edge_parent on ofa.group_edge (parent);

-- What is to be done; never changed after it was written.
create table ofa.job (
  id bigint generated always as identity primary key,
  run_id bigint not null references ofa.run,
  group_id bigint not null references ofa.job_group,
  ordinal int not null check (ordinal >= 0),
  path int[] not null check (cardinality(path) > 0),
  waits_for bigint references ofa.job_group,
  is_inner boolean not null default false,
  kind text not null check (kind <> ''),
  args json not null,
  queue text not null check (queue <> ''),
  priority int not null,
  max_attempts int not null check (max_attempts > 0),
  max_crashes int not null check (max_crashes >= 0),
  timeout interval check (timeout > interval '0'),
  backoff json not null,
  created_at timestamptz not null default ofa.now(),
  unique (group_id, ordinal),
  check (ordinal = path[cardinality(path)])
);
create index job_run on ofa.job (run_id);
create index job_waits_for on ofa.job (waits_for) where waits_for is not null;
alter table ofa.job_group add foreign key (owner_job) references ofa.job;

-- A worker, alive as long as it beats.
create table ofa.session (
  id bigint generated always as identity primary key,
  uuid uuid not null unique default gen_random_uuid(),
  name text not null,
  host text not null,
  process int not null,
  ttl interval not null check (ttl > interval '0'),
  opened_at timestamptz not null default ofa.now(),
  beat_at timestamptz not null default ofa.now(),
  state text not null default 'alive' check (state in ('alive', 'closed', 'dead'))
) with (fillfactor = 70);
create index session_alive on ofa.session (id) where state = 'alive';

-- The fencing token: new at every claim, never used twice.
create sequence ofa.lease_token;

-- The jobs that can run, will run again, or run now. Narrow; a row leaves at the job's end.
create table ofa.live (
  job_id bigint primary key references ofa.job,
  run_id bigint not null,
  kind text not null,
  queue text not null,
  priority int not null,
  state text not null check (state in ('available', 'retryable', 'running')),
  attempt int not null default 0 check (attempt >= 0),
  max_attempts int not null,
  crashes int not null default 0 check (crashes >= 0),
  max_crashes int not null,
  due_at timestamptz,
  token bigint unique,
  session_id bigint references ofa.session,
  started_at timestamptz,
  deadline_at timestamptz,
  cancel boolean not null default false,
  check (attempt <= max_attempts),
  check (crashes <= max_crashes),
  check ((state = 'retryable') = (due_at is not null)),
  check ((state = 'running') = (token is not null)),
  check ((state = 'running') = (session_id is not null)),
  check ((state = 'running') = (started_at is not null)),
  check (state = 'running' or deadline_at is null),
  check (state = 'running' or not cancel)
) with (fillfactor = 70);
create index live_ready on ofa.live (priority, job_id) where state = 'available';
create index live_due on ofa.live (due_at) where state = 'retryable';
create index live_owner on ofa.live (session_id) where state = 'running';
create index live_run on ofa.live (run_id);

-- How a job ended; its primary key is the second line of defence against ending twice.
create table ofa.outcome (
  job_id bigint primary key references ofa.job,
  group_id bigint not null references ofa.job_group,
  state text not null check (state in ('completed', 'cancelled', 'discarded')),
  result json,
  -- True when the jobs it added speak for it.
  fanned_out boolean not null default false,
  reason text,
  ended_at timestamptz not null default ofa.now(),
  check ((state = 'completed') = (result is not null)),
  check ((state = 'completed') = (reason is null))
);
create index outcome_group on ofa.outcome (group_id);

-- One row for every claim, kept for good: what was tried, by whom, and how it ended.
create table ofa.attempt (
  token bigint primary key,
  job_id bigint not null references ofa.job,
  attempt int not null check (attempt > 0),
  session_id bigint not null references ofa.session,
  started_at timestamptz not null,
  ended_at timestamptz,
  outcome text check (outcome in ('completed', 'failed', 'cancelled', 'released', 'lost')),
  error text,
  check ((ended_at is null) = (outcome is null)),
  check (outcome is distinct from 'failed' or error is not null)
);
create index attempt_job on ofa.attempt (job_id);

-- What a job saved of its state; the next attempt continues from the newest.
create table ofa.checkpoint (
  job_id bigint not null references ofa.job,
  name text not null check (name <> ''),
  seq bigint not null,
  token bigint not null references ofa.attempt,
  payload json not null,
  saved_at timestamptz not null default ofa.now(),
  primary key (job_id, name, seq)
);

-- How far the newest attempt of a job is.
create table ofa.progress (
  job_id bigint primary key references ofa.job,
  token bigint not null,
  fraction double precision not null check (fraction between 0 and 1),
  message text not null,
  updated_at timestamptz not null default ofa.now()
) with (fillfactor = 70);

-- What a job said.
create table ofa.job_log (
  id bigint generated always as identity primary key,
  job_id bigint not null references ofa.job,
  token bigint not null,
  logged_at timestamptz not null,
  line text not null
);
create index job_log_job on ofa.job_log (job_id, id);

-- Queues that are paused.
create table ofa.paused_queue (
  name text primary key check (name <> ''),
  paused_at timestamptz not null default ofa.now()
);
