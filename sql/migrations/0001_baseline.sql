-- The baseline: every table, index and trigger of the schema, each with its why; sql/README.md has the rules that span
-- them. Functions are files of their own in sql/functions, but for the three that the tables below are made with.

-- The clock of every rule of the queue. In a database with the table ofa.test_clock, which no migration makes, a
-- session may shift it: that is how tests make time pass. Elsewhere the setting does nothing.
create function ofa.now() returns timestamptz language sql stable parallel safe as $$
  select case when nullif(current_setting('ofa.clock_offset', true), '') is null
      or to_regclass('ofa.test_clock') is null
    then statement_timestamp()
    else statement_timestamp() + current_setting('ofa.clock_offset')::interval end
$$;

-- The month (UTC) of a moment, such as 202611: what belongs to runs is partitioned by that of the run.
create function ofa.month(p_at timestamptz) returns int language sql immutable parallel safe as $$
  select (extract(year from p_at at time zone 'UTC') * 100 + extract(month from p_at at time zone 'UTC'))::int
$$;

-- Rows that are records, not state, refuse to be changed.
create function ofa.refuse_change() returns trigger language plpgsql as $$
begin
  raise exception 'rows of ofa.% never change', tg_table_name
    using errcode = 'restrict_violation', hint = 'Insert a new row instead.';
end
$$;

-- Texts: the programs check them first (names of at most 200 characters in NFC, 500 where a name is made of names;
-- arguments of at most 64 KiB, results of at most 1 MiB, JSON that jsonb can read). The checks of the columns are the
-- second line; they are in bytes, because bytes bound an index entry (2,704).

-- Partitions: attempts and log lines lie in that of their day, what was metered in that of its month (UTC), and what
-- belongs to a run in that of the month the run was made in, so that old ones are dropped as a whole. There is no
-- default partition, because `detach … concurrently` is refused beside one: a write opens what is missing
-- (ofa.open_day, ofa.open_month). Tables partitioned by time have no foreign keys: children come in tens of
-- thousands, and dropping a partition would lock what they refer to. The audit checks what the functions write. Their
-- numbers come from sequences, and their keys are those of each partition (ofa.open_partition): a key of the whole
-- table would have to contain the month, and with bad statistics the planner would look up the month alone in it.

------------------------------------------------------------------------------------------------------------------------
-- Machines and people

-- A machine that workers run on. Its name is no identity: a container gets a new one at each start, and two boards may
-- share one. `identity` is OFA_HOST, else the machine's id; in a container it is the boot, which it shares with its
-- machine.
create table ofa.host (
  id int generated always as identity primary key,
  identity text not null unique check (identity <> '' and octet_length(identity) <= 1024),
  name text not null check (name <> '' and octet_length(name) <= 1024),
  first_seen_at timestamptz not null default ofa.now()
);

-- Who did what by hand: enqueued, cancelled, retried, paused, added. Written in the transaction that does it, shown by
-- `ofa actions`.
create table ofa.action (
  id bigint generated always as identity primary key,
  done_at timestamptz not null default ofa.now(),
  -- OFA_ACTOR, else user@host; and the role of the database session.
  actor text not null check (actor <> '' and octet_length(actor) <= 1024),
  role text not null default session_user,
  verb text not null check (verb <> ''),
  subject text not null check (subject <> '' and octet_length(subject) <= 2500),
  detail jsonb not null default '{}' check (jsonb_typeof(detail) = 'object')
);
create index action_subject on ofa.action (subject, id);
create trigger action_is_a_record before update or delete on ofa.action
  for each row execute function ofa.refuse_change();

------------------------------------------------------------------------------------------------------------------------
-- Runs and their jobs

-- One execution of a pipeline. It stays when the jobs of its month are dropped: costs and lineage name it.
create table ofa.run (
  id bigint generated always as identity primary key,
  name text not null check (name <> '' and octet_length(name) <= 1024),
  definition text not null check (octet_length(definition) <= 1048576),
  definition_hash text not null check (definition_hash <> '' and octet_length(definition_hash) <= 1024),
  -- Who asked for it: asked again, because the first answer did not arrive, the run is there already.
  request uuid unique,
  state text not null default 'running'
    check (state in ('running', 'completed', 'failed', 'cancelled')),
  created_at timestamptz not null default ofa.now(),
  month int not null generated always as (ofa.month(created_at)) stored,
  cancel_requested_at timestamptz,
  ended_at timestamptz,
  check ((state = 'running') = (ended_at is null)),
  check (state <> 'cancelled' or cancel_requested_at is not null)
);
-- Enqueuing the same pipeline again while it is unfinished finds it instead of doubling it.
create unique index run_unfinished on ofa.run (name, definition_hash) where state = 'running';
create index run_month on ofa.run (month);

-- A month whose runs have all ended, and whose jobs are or will be dropped: none of them is retried. A retry takes the
-- month's advisory lock before it looks here (ofa_api_1.hold_month, close_month), so that it and a drop see each other.
create table ofa.closed_month (
  month int primary key,
  closed_at timestamptz not null default ofa.now()
);

-- A stage of a run (owner_job is null), or the children of one job's fan-out that a later job waits for. The
-- transaction that ends a job changes its group's counters, so expected = pending + ok + bad always. A group fires
-- once, by its rule; `good` is what it then says to those that wait for it. `on_bad` is what a bad end of a fan-out
-- means to the job after it.
create sequence ofa.job_group_id;
create table ofa.job_group (
  id bigint not null default nextval('ofa.job_group_id'),
  month int not null,
  run_id bigint not null,
  stage text not null check (stage <> '' and octet_length(stage) <= 2500),
  owner_job bigint,
  deps_left int not null default 0 check (deps_left >= 0),
  expected int not null default 0 check (expected >= 0),
  pending int not null default 0 check (pending >= 0),
  ok int not null default 0 check (ok >= 0),
  bad int not null default 0 check (bad >= 0),
  rule text not null default 'all_ok' check (rule in ('all_ok', 'all_done', 'quorum')),
  quorum int check (quorum > 0),
  on_bad text not null default 'cancel' check (on_bad in ('cancel', 'run', 'block')),
  good boolean,
  released_at timestamptz,
  fired_at timestamptz,
  check (pending + ok + bad = expected),
  check (released_at is null or deps_left = 0),
  check ((rule = 'quorum') = (quorum is not null)),
  check ((fired_at is null) = (good is null)),
  check (fired_at is null or pending = 0 or rule <> 'all_ok')
) partition by range (month);
create index job_group_run on ofa.job_group (run_id);

-- Stage `child` starts when stage `parent` has fired, so a fan-out of any width is one edge and one counter. `on_bad`
-- is what a bad end of the parent means to the child; `told` is true once the child has counted down, so that it
-- counts once though the parent fires again after a retry.
create table ofa.group_edge (
  month int not null,
  parent bigint not null,
  child bigint not null,
  on_bad text not null default 'cancel' check (on_bad in ('cancel', 'run', 'block')),
  told boolean not null default false,
  check (parent <> child)
) partition by range (month);
create index group_edge_parent on ofa.group_edge (parent);

-- How many jobs of a group have just ended, for the functions that count.
create type ofa.end_count as (group_id bigint, month int, ok int, bad int);

-- Something that only so many jobs may use at once: a device, a licence, a GPU. A lowered limit deletes free permits at
-- once (ofa_api_1.set_permits); used ones beyond it count until their jobs end.
create table ofa.permit_key (
  id int generated always as identity primary key,
  name text not null unique check (name <> '' and octet_length(name) <= 1024),
  slots int not null default 1 check (slots >= 0)
);

-- One use of a key; taken and freed in the transactions that start and end attempts. The rows are the limit, so there
-- is no counter that could drift.
create table ofa.permit (
  key_id int not null references ofa.permit_key,
  slot int not null check (slot > 0),
  job_id bigint,
  token bigint,
  primary key (key_id, slot),
  check ((job_id is null) = (token is null))
) with (fillfactor = 70);
create index permit_held on ofa.permit (token) where token is not null;

-- What a claim chooses by: jobs that are alike in it form one line, oldest first. There are dozens of lanes and
-- millions of jobs, so a claim evaluates its filters once a lane.
create table ofa.lane (
  id int generated always as identity primary key,
  kind text not null check (kind <> '' and octet_length(kind) <= 1024),
  queue text not null check (queue <> '' and octet_length(queue) <= 1024),
  priority int not null,
  key_id int references ofa.permit_key,
  threads int not null default 0 check (threads >= 0),
  memory_mb int not null default 0 check (memory_mb >= 0),
  -- What a worker must offer, sorted: such as gpu, or device:my-board.
  requires text[] not null default '{}'
);
create unique index lane_of on ofa.lane
  (kind, queue, priority, coalesce(key_id, 0), threads, memory_mb, requires);

-- What costs are booked to: a stage of a run, a kind of its jobs, and the device they are for, where there is one.
-- Jobs, their live rows and the ledger name it. It outlives the jobs, so costs need nothing of the queue. What a job
-- adds is for the job's device; jobs without one serve all.
create table ofa.account (
  id bigint generated always as identity primary key,
  run_id bigint not null,
  pipeline text not null,
  stage text not null,
  kind text not null,
  device text check (device <> ''),
  check (octet_length(stage) + octet_length(kind) + octet_length(coalesce(device, '')) <= 2600)
);
create unique index account_of on ofa.account (run_id, stage, kind, coalesce(device, ''));
create index account_device on ofa.account (run_id) where device is not null;

-- What is to be done; never changed after it was written. `path` (the place in the stage, then in each fan-out) orders
-- results. Its stage is its group's, copied because every end of a job writes a new version of the group's row, and
-- under an old snapshot a claim would have to step over all of them.
create sequence ofa.job_id;
create table ofa.job (
  id bigint not null default nextval('ofa.job_id'),
  month int not null,
  run_id bigint not null,
  group_id bigint not null,
  lane_id int not null,
  account_id bigint not null,
  stage text not null,
  ordinal int not null check (ordinal >= 0),
  path int[] not null check (cardinality(path) > 0),
  waits_for bigint,
  is_inner boolean not null default false,
  kind text not null check (kind <> ''),
  args json not null check (octet_length(args::text) <= 1048576),
  max_attempts int not null check (max_attempts > 0),
  max_crashes int not null check (max_crashes >= 0),
  timeout interval check (timeout > interval '0'),
  stall interval check (stall > interval '0'),
  not_before timestamptz,
  unique_key text check (unique_key <> ''),
  backoff json not null,
  created_at timestamptz not null default ofa.now(),
  check (ordinal = path[cardinality(path)])
) partition by range (month);
create index job_run on ofa.job (run_id);
create index job_waits_for on ofa.job (waits_for) where waits_for is not null;

-- What made artifacts whose jobs were dropped (ofa_api_1.close_month): they can be made again.
create table ofa.recipe (
  job_id bigint primary key,
  kind text not null,
  args json not null
);

-- Unfinished jobs with a unique key: a second job with that key is not added. Inserted with the job, deleted with its
-- end.
create table ofa.unique_job (
  key text primary key check (octet_length(key) <= 1024),
  job_id bigint not null unique
);

-- A worker: one process, alive as long as it beats. One small update a heartbeat keeps all its leases. `swept` when its
-- session is over and it holds no lease any more.
create table ofa.session (
  id bigint generated always as identity primary key,
  uuid uuid not null unique default gen_random_uuid(),
  name text not null,
  host_id int not null references ofa.host,
  process int not null,
  version text not null default '',
  -- How many jobs it was to run at once, and how many of its slots work.
  slots int not null default 1 check (slots > 0),
  working_slots int not null default 1 check (working_slots >= 0),
  -- The kinds it takes, and what it has for lanes that require it.
  kinds text[] not null default '{}',
  offers text[] not null default '{}',
  ttl interval not null check (ttl > interval '0'),
  opened_at timestamptz not null default ofa.now(),
  beat_at timestamptz not null default ofa.now(),
  state text not null default 'alive' check (state in ('alive', 'closed', 'dead')),
  swept boolean not null default false
) with (fillfactor = 70);
create index session_alive on ofa.session (id) where state = 'alive';
create index session_over on ofa.session (id) where state <> 'alive' and not swept;

-- The fencing token: new at every claim, never used twice.
create sequence ofa.lease_token;
-- New whenever a job becomes available, so that a lane is read from where it was left.
create sequence ofa.live_seq;

-- The jobs that can run, will run, or run now: as small as the work in hand. Narrow, and what a claim or an end looks
-- at is one of its indexes; a row leaves at the job's end.
create table ofa.live (
  job_id bigint primary key,
  run_id bigint not null,
  group_id bigint not null,
  account_id bigint not null,
  seq bigint not null default nextval('ofa.live_seq'),
  -- That of its run.
  month int not null,
  lane_id int not null,
  attempt int not null default 0 check (attempt >= 0),
  max_attempts int not null,
  crashes int not null default 0 check (crashes >= 0),
  max_crashes int not null,
  state text not null check (state in ('available', 'scheduled', 'retryable', 'running')),
  cancel boolean not null default false,
  token bigint,
  session_id bigint,
  due_at timestamptz,
  started_at timestamptz,
  deadline_at timestamptz,
  stall_at timestamptz,
  check (attempt <= max_attempts),
  check (crashes <= max_crashes),
  check ((state in ('scheduled', 'retryable')) = (due_at is not null)),
  check ((state = 'running') = (token is not null)),
  check ((state = 'running') = (session_id is not null)),
  check ((state = 'running') = (started_at is not null)),
  check (state = 'running' or deadline_at is null and stall_at is null and not cancel)
) with (fillfactor = 70,
  -- Every job leaves three dead rows here: they are taken away as soon as there are some hundreds.
  autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 500, autovacuum_vacuum_cost_delay = 0,
  autovacuum_analyze_scale_factor = 0.2);
create index live_ready on ofa.live (lane_id, seq) where state = 'available' and crashes = 0;
create index live_quarantine on ofa.live (lane_id, seq) where state = 'available' and crashes > 0;
create index live_run on ofa.live (run_id, lane_id, seq) where state <> 'running';
create index live_due on ofa.live (due_at) where state in ('scheduled', 'retryable');
create index live_owner on ofa.live (session_id) where state = 'running';
create index live_limit on ofa.live (least(deadline_at, stall_at))
  where state = 'running' and least(deadline_at, stall_at) is not null;

-- How a job ended; the key (job_id) is the second line of defence against ending twice. Found by the job, bad ones by
-- the group. A result that is no valid JSON fails its own job only: the worker then ends the batch one by one.
create table ofa.outcome (
  job_id bigint not null,
  month int not null,
  group_id bigint not null,
  state text not null check (state in ('completed', 'cancelled', 'discarded')),
  result json check (octet_length(result::text) <= 1048576),
  -- True when the jobs it added speak for it.
  fanned_out boolean not null default false,
  reason text,
  ended_at timestamptz not null default ofa.now(),
  check ((state = 'completed') = (result is not null)),
  check ((state = 'completed') = (reason is null))
) partition by range (month);
create index outcome_bad on ofa.outcome (group_id) where state <> 'completed';

-- What a job saved of its state; the next attempt continues from the newest. The newest two of a name stay: one may be
-- read while the next is written. The blob of one goes with it.
create table ofa.checkpoint (
  job_id bigint not null,
  name text not null check (name <> '' and octet_length(name) <= 1024),
  seq bigint not null,
  token bigint not null,
  payload json not null check (octet_length(payload::text) <= 1048576),
  -- The blob of its bytes, where there are any: a reference that keeps it from being collected.
  digest bytea check (octet_length(digest) = 32),
  saved_at timestamptz not null default ofa.now(),
  primary key (job_id, name, seq)
);
create index checkpoint_digest on ofa.checkpoint (digest) where digest is not null;

-- How far the newest attempt of a job is; apart from `live`, so that chatter does not bloat it.
create table ofa.progress (
  job_id bigint not null,
  month int not null,
  token bigint not null,
  fraction double precision not null check (fraction between 0 and 1),
  message text not null,
  updated_at timestamptz not null default ofa.now(),
  primary key (job_id, month)
) partition by range (month);

-- Queues that are paused; one that is not here runs.
create table ofa.paused_queue (
  name text primary key check (name <> '' and octet_length(name) <= 1024),
  paused_at timestamptz not null default ofa.now()
);

-- Runs that are enqueued again and again; times that passed without a worker count as one.
create table ofa.recurring (
  name text primary key check (name <> '' and octet_length(name) <= 1024),
  spec json not null,
  every interval not null check (every >= interval '1 second'),
  next_at timestamptz not null,
  last_run bigint
);

-- Maintenance: which session does a duty until when, and when it was last done. One worker of the fleet holds a duty
-- and renews it with its heartbeats (ofa.beat).
create table ofa.duty (
  name text primary key check (name <> '' and octet_length(name) <= 1024),
  session_id bigint,
  held_until timestamptz not null default '-infinity',
  done_at timestamptz not null default '-infinity'
) with (fillfactor = 70);

-- How long things are kept, by what they are. What is not here is kept for good.
create table ofa.retention (
  what text primary key check (what in ('history', 'jobs', 'meter')),
  keep interval not null check (keep >= interval '1 day')
);

------------------------------------------------------------------------------------------------------------------------
-- History, by the day of its end (UTC)

-- Attempts that have ended, by their fencing tokens; one that runs is a row of live. Appended, never changed. One that
-- was given back `unbegun` is neither counted nor charged. A look-up by job bounds the days where it can, or it opens
-- every partition.
create table ofa.attempt (
  token bigint not null,
  job_id bigint not null,
  attempt int not null check (attempt > 0),
  session_id bigint not null,
  started_at timestamptz not null,
  ended_at timestamptz not null,
  outcome text not null check (outcome in ('completed', 'failed', 'cancelled', 'released', 'unbegun', 'lost')),
  error text,
  check (outcome <> 'failed' or error is not null)
) partition by range (ended_at);
create index attempt_job on ofa.attempt (job_id, token);

-- What jobs said, a line cut at 4,000 characters. Appended, never changed.
create sequence ofa.job_log_id;
create table ofa.job_log (
  id bigint not null default nextval('ofa.job_log_id'),
  job_id bigint not null,
  token bigint not null,
  logged_at timestamptz not null,
  line text not null
) partition by range (logged_at);
create index job_log_job on ofa.job_log (job_id, id);

------------------------------------------------------------------------------------------------------------------------
-- Blobs, artifacts, lineage

-- Where bytes go besides the database: one folder that all workers reach, each perhaps by a path of its own
-- (OFA_STORE). The rule is the database's, so that all workers agree. `id` is also in the folder, so that one that is
-- not mounted is not taken for one that lost its files.
--
-- There the chunks of a blob are one file, sha256/ab/cdef…: written beside, flushed, renamed, its folder flushed, then
-- the row written. A file is renamed or removed only under an advisory lock on its digest, after a look at the row. A
-- collection changes the row before the file: a kill leaves at most a file without a row, which `ofa gc` finds.
create table ofa.store (
  name text primary key check (name = 'folder'),
  id uuid not null default gen_random_uuid(),
  path text not null check (path <> ''),
  -- Blobs of these kinds (none: of any kind) from this size on go there; the others go into the database.
  from_bytes bigint not null check (from_bytes >= 0),
  kinds text[] not null default '{}',
  changed_at timestamptz not null default ofa.now()
);

-- Bytes, named by the SHA-256 of what they are decoded, so another filter or codec keeps the name. In the database they
-- are written in one transaction with this row, in the folder before it. A second put of the same bytes finds the row
-- and only notes when (`put_at`). Where the bytes were collected though an artifact names them, the row stays as a
-- tombstone (`collected_at`).
create table ofa.blob (
  digest bytea primary key check (octet_length(digest) = 32),
  -- What is short-lived lies apart, so that a vacuum after it never walks through weights. A blob of both classes is
  -- lasting: putting a checkpoint's bytes as anything else moves its chunks (ofa_api_1.touch_blob, keep_chunks).
  class text not null default 'lasting' check (class in ('lasting', 'checkpoint')),
  store text not null default 'database' check (store in ('database', 'folder')),
  raw_bytes bigint not null check (raw_bytes >= 0),
  stored_bytes bigint not null default 0 check (stored_bytes >= 0),
  chunks int not null check (chunks >= 0),
  filter text not null check (filter in ('none', 'bitshuffle')),
  codec text not null check (codec in ('none', 'lz4')),
  created_at timestamptz not null default ofa.now(),
  -- When these bytes were last put: the attempt that did may still be running.
  put_at timestamptz not null default ofa.now(),
  collected_at timestamptz,
  check (filter = 'none' or codec <> 'none')
);

-- A blob's stored bytes in pieces of up to 1 MiB, so that a blob of any size passes through a few megabytes of memory.
-- With codec lz4 each is a complete LZ4 frame, the last a skippable frame of JSON (filter, element size, digest); in
-- order they are one stream, which `lz4 -d` turns into the filtered bytes (string_agg(data, '' order by ordinal)), with
-- filter none the bytes themselves. With codec none the chunks are the bytes. `data` is null where they lie in the
-- folder. `sha256` is over the stored bytes, so that the server alone can tell a damaged chunk: sha256(data) <> sha256.
create table ofa.blob_chunk (
  digest bytea not null references ofa.blob on delete cascade,
  class text not null,
  ordinal int not null check (ordinal >= 0),
  raw_bytes int not null check (raw_bytes between 0 and 1048576),
  stored_bytes int not null check (stored_bytes >= 0),
  sha256 bytea not null check (octet_length(sha256) = 32),
  data bytea,
  primary key (digest, ordinal, class)
) partition by list (class);
create table ofa.blob_chunk_lasting partition of ofa.blob_chunk for values in ('lasting');
-- Vacuumed by those who remove from it.
create table ofa.blob_chunk_checkpoint partition of ofa.blob_chunk for values in ('checkpoint');
-- The bytes are compressed already: keep TOAST from trying again.
alter table ofa.blob_chunk_lasting alter column data set storage external;
alter table ofa.blob_chunk_checkpoint alter column data set storage external;

-- Blobs that are never collected, and why.
create table ofa.pin (
  digest bytea primary key references ofa.blob,
  reason text not null check (reason <> '' and octet_length(reason) <= 1024),
  pinned_at timestamptz not null default ofa.now()
);

-- A thing that a stage made or a person brought: immutable, its bytes may be collected, the row stays, because
-- lineage must still answer. Any worker may put a blob; this row is the fact, written in the fenced transaction that
-- completes the job, and unique in (attempt, role, name), so that the same transaction run twice writes it once. Run,
-- job and attempt are named without foreign keys: the queue's history may be pruned, lineage may not.
create table ofa.artifact (
  id bigint generated always as identity primary key,
  kind text not null check (kind <> '' and octet_length(kind) <= 1024),
  name text not null check (name <> ''),
  role text not null check (role <> ''),
  digest bytea not null check (octet_length(digest) = 32),
  metadata jsonb not null default '{}'
    check (jsonb_typeof(metadata) = 'object' and octet_length(metadata::text) <= 2097152),
  run_id bigint,
  job_id bigint,
  token bigint,
  stage text check (stage <> ''),
  created_at timestamptz not null default ofa.now(),
  check (num_nulls(run_id, job_id, token, stage) in (0, 4)),
  check (octet_length(role) + octet_length(name) <= 2600),
  unique (token, role, name)
);
create index artifact_digest on ofa.artifact (digest);
create index artifact_name on ofa.artifact (name);
create index artifact_run on ofa.artifact (run_id, kind);
-- The newest of a kind among any number of artifacts, without reading the others.
create index artifact_made on ofa.artifact (kind, run_id, id) where run_id is not null;
create trigger artifact_is_a_record before update or delete on ofa.artifact
  for each row execute function ofa.refuse_change();

-- What an attempt read to make its artifacts, and as what; the edge to what it made is artifact.token. So lineage is
-- artifact → attempt → artifact, indexed both ways.
create table ofa.artifact_input (
  token bigint not null,
  artifact_id bigint not null references ofa.artifact,
  role text not null check (role <> ''),
  primary key (token, artifact_id, role)
);
create index artifact_input_artifact on ofa.artifact_input (artifact_id);
create trigger artifact_input_is_a_record before update or delete on ofa.artifact_input
  for each row execute function ofa.refuse_change();

-- What networks are cut for. The target is kind, limits, batch and bytes a number, as Search.DeviceTarget writes them.
-- Limits may change at any time: a run carries the device it was given.
--
-- The tables are artifacts: a stage measured them (with lineage and cost) or a person brought them. Their bytes hold
-- the entries, and for a measured one percentiles and the correction fitted on whole networks; `metadata` says what
-- the table was checked against and what the machine did meanwhile, or which table it was calibrated from. A table
-- belongs to a batch: both go when the batch changes (ofa_api_1.save_device), and one measured for another batch than
-- the device now has stays an artifact only (set_device_table).
create table ofa.device (
  name text primary key check (name <> '' and octet_length(name) <= 1024),
  target jsonb not null check (jsonb_typeof(target) = 'object'),
  -- What searches for it use; measured on first use when it is missing.
  latency_table bigint references ofa.artifact,
  -- Millijoules of every part; without one, energy is modelled.
  energy_table bigint references ofa.artifact,
  created_at timestamptz not null default ofa.now(),
  updated_at timestamptz not null default ofa.now()
);

------------------------------------------------------------------------------------------------------------------------
-- Costs

-- What an attempt used, as its worker metered it; written in the transaction that ends the attempt, failed and
-- cancelled ones too, by the month of its end. May be dropped: its sums are in `spent`. Whole numbers, so that sums
-- are exact. Energy is IT energy in microjoules; what a building adds to it is a factor. One without energy (a
-- counter failed) is a gap: never 0.
create table ofa.meter (
  token bigint not null,
  account_id bigint not null,
  host_id int not null,
  job_id bigint not null,
  attempt int not null,
  outcome text not null,
  started_at timestamptz not null,
  ended_at timestamptz not null,
  zone text check (zone <> ''),
  wall_ns bigint not null check (wall_ns >= 0),
  cpu_ns bigint check (cpu_ns >= 0),
  energy_uj bigint check (energy_uj >= 0),
  energy_low_uj bigint,
  energy_high_uj bigint,
  method text not null check (method <> ''),
  tier text not null check (tier in ('A', 'B', 'C', 'M', 'K', 'U')),
  check (num_nulls(energy_uj, energy_low_uj, energy_high_uj) in (0, 3)),
  check (energy_low_uj between 0 and energy_uj),
  check (energy_high_uj >= energy_uj)
) partition by range (ended_at);
create index meter_account on ofa.meter (account_id, token);
create trigger meter_is_a_record before update or delete on ofa.meter
  for each row execute function ofa.refuse_change();

-- The ledger: sums over all ended attempts that had begun, metered or not, of an account on a host in a day (UTC, of
-- their ends). Kept for good: every question about costs is answered from here. Written in the transaction that ends
-- the attempts, under their run's lock, one upsert a batch and account. An attempt that nothing metered is a gap:
-- its time counts (a lost one's up to its worker's last heartbeat), its energy is missing, not zero. Zone and tier
-- are empty where unknown.
create table ofa.spent (
  account_id bigint not null,
  host_id int not null,
  day date not null,
  zone text not null,
  method text not null,
  tier text not null,
  attempts bigint not null,
  not_completed bigint not null,
  -- Among those: failed, and lost with their worker.
  failed bigint not null,
  lost bigint not null,
  gaps bigint not null,
  wall_ns bigint not null,
  cpu_ns bigint not null,
  energy_uj bigint not null,
  energy_low_uj bigint not null,
  energy_high_uj bigint not null,
  first_started_at timestamptz not null,
  first_token bigint not null,
  primary key (account_id, host_id, day, zone, method, tier)
) with (fillfactor = 70);
-- Rows come in the order of their days.
create index spent_of_day on ofa.spent using brin (day) with (pages_per_range = 16);

-- The ledger's days that are over, summed over all runs, a day once it has been over for a day (ofa.fold_days): what is
-- asked of all runs does not read millions of accounts.
create table ofa.spent_day (
  day date not null,
  stage text not null,
  kind text not null,
  device text not null,
  host_id int not null,
  zone text not null,
  method text not null,
  tier text not null,
  attempts bigint not null,
  not_completed bigint not null,
  gaps bigint not null,
  wall_ns bigint not null,
  cpu_ns bigint not null,
  energy_uj bigint not null,
  energy_low_uj bigint not null,
  energy_high_uj bigint not null,
  first_started_at timestamptz not null,
  first_token bigint not null
);
create index spent_day_day on ofa.spent_day (day);

-- A set of factors under a version: figures are stated with it, and restated with another.
create table ofa.factor_set (
  version int primary key check (version > 0),
  note text not null,
  created_at timestamptz not null default ofa.now()
);
create trigger factor_set_is_a_record before update or delete on ofa.factor_set
  for each row execute function ofa.refuse_change();

-- One factor of a set. Where the source states no range, low and high are NULL. kind 'pue': energy of the building over
-- IT energy; 'intensity': g CO2e for each kWh of a zone. Figures of another type (lifecycle, direct) or signal
-- (average, marginal) are another factor, never mixed in.
create table ofa.factor (
  version int not null references ofa.factor_set,
  -- Prices and water are not used yet.
  kind text not null check (kind in ('pue', 'intensity', 'price', 'water')),
  zone text not null check (zone <> ''),
  -- When it holds; periods of a kind and zone do not overlap.
  valid_from timestamptz not null default '-infinity',
  valid_until timestamptz not null default 'infinity' check (valid_until > valid_from),
  value numeric not null check (value > 0),
  low numeric check (low > 0 and low <= value),
  high numeric check (high >= value),
  unit text not null,
  type text not null check (type in ('lifecycle', 'direct', 'none')),
  signal text not null check (signal in ('average', 'marginal', 'none')),
  source text not null check (source <> ''),
  licence text not null,
  vintage text not null,
  primary key (version, kind, zone, valid_from),
  check (num_nulls(low, high) in (0, 2))
);
create trigger factor_is_a_record before update or delete on ofa.factor
  for each row execute function ofa.refuse_change();

insert into ofa.factor_set (version, note)
values (1, 'country averages of electricity, lifecycle; one PUE');

insert into ofa.factor
  (version, kind, zone, value, low, high, unit, type, signal, source, licence, vintage)
values (1, 'pue', 'default', 1.3, 1.1, 1.58, '1', 'none', 'none',
  'between large operators'' best (1.10) and a survey by Uptime Institute (1.58)', 'facts', '2018');

insert into ofa.factor (version, kind, zone, value, unit, type, signal, source, licence, vintage)
select 1, 'intensity', zone, value, 'g/kWh', 'lifecycle', 'average',
  'Ember and Our World in Data, through CodeCarbon', 'CC-BY 4.0', 'as in CodeCarbon'
from (values
  ('USA', 369.473), ('DEU', 380.95), ('FRA', 56.039), ('GBR', 237.589), ('CHN', 582.317),
  ('IND', 713.441), ('POL', 661.926), ('SWE', 40.695), ('NOR', 30.08), ('ESP', 174.05),
  ('BRA', 98.348), ('AUS', 548.692)
) as country (zone, value);

insert into ofa.factor (version, kind, zone, value, unit, type, signal, source, licence, vintage)
values (1, 'intensity', 'world', 475, 'g/kWh', 'lifecycle', 'average',
  'International Energy Agency, Global Energy & CO2 Status Report', 'facts', '2019');
