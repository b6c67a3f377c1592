-- The queue at scale: lanes, permits, rules of groups, attempts as append-only history by day. See sql/README.md.

alter table ofa.session add column version text not null default '';
-- True when a session that is over holds no lease any more.
alter table ofa.session add column swept boolean not null default false;
create index session_over on ofa.session (id) where state <> 'alive' and not swept;

-- Who asked for a run: asked again, because the first answer did not arrive, the run is there already.
alter table ofa.run add column request uuid unique;

-- Something that only so many jobs may use at once: a device, a licence, a GPU.
create table ofa.permit_key (
  id int generated always as identity primary key,
  name text not null unique check (name <> ''),
  slots int not null default 1 check (slots >= 0)
);

-- One use of a key; taken and freed in the statements that start and end attempts.
create table ofa.permit (
  key_id int not null references ofa.permit_key,
  slot int not null check (slot > 0),
  job_id bigint,
  token bigint,
  primary key (key_id, slot),
  check ((job_id is null) = (token is null))
) with (fillfactor = 70);
create index permit_held on ofa.permit (token) where token is not null;

-- What a claim chooses by: jobs that are alike in it form one line, oldest first.
create table ofa.lane (
  id int generated always as identity primary key,
  kind text not null check (kind <> ''),
  queue text not null check (queue <> ''),
  priority int not null,
  key_id int references ofa.permit_key,
  threads int not null default 0 check (threads >= 0),
  memory_mb int not null default 0 check (memory_mb >= 0)
);
create unique index lane_of on ofa.lane
  (kind, queue, priority, coalesce(key_id, 0), threads, memory_mb);

insert into ofa.lane (kind, queue, priority) select distinct kind, queue, priority from ofa.job;

-- A job's lane; its stage, because a claim that asked the group for it would pass by a version of the group's row for
-- every end there was while an old snapshot keeps them; the earliest time of its start; how long it may stand still;
-- what only one unfinished job has.
alter table ofa.job
  add column lane_id int references ofa.lane,
  add column stage text,
  add column not_before timestamptz,
  add column stall interval check (stall > interval '0'),
  add column unique_key text check (unique_key <> '');
update ofa.job set lane_id = lane.id from ofa.lane
where (lane.kind, lane.queue, lane.priority) = (job.kind, job.queue, job.priority);
update ofa.job set stage = job_group.stage from ofa.job_group where job_group.id = job.group_id;
alter table ofa.job
  alter column lane_id set not null, alter column stage set not null,
  drop column queue, drop column priority,
  -- Children come in tens of thousands: what the functions below write is checked by the audit, not row by row.
  drop constraint job_run_id_fkey, drop constraint job_group_id_fkey, drop constraint job_lane_id_fkey;

-- The unfinished jobs that nobody may enqueue again meanwhile.
create table ofa.unique_job (
  key text primary key,
  job_id bigint not null unique
);

-- A group fires by its rule; `good` is what it then says to those that wait for it. `on_bad` is what a bad end
-- of a fan-out means to the job after it.
alter table ofa.job_group
  add column rule text not null default 'all_ok' check (rule in ('all_ok', 'all_done', 'quorum')),
  add column quorum int check (quorum > 0),
  add column on_bad text not null default 'cancel' check (on_bad in ('cancel', 'run', 'block')),
  add column good boolean,
  drop constraint job_group_check2;
update ofa.job_group set good = (bad = 0) where fired_at is not null;
alter table ofa.job_group
  add check ((rule = 'quorum') = (quorum is not null)),
  add check ((fired_at is null) = (good is null)),
  add check (fired_at is null or pending = 0 or rule <> 'all_ok');
-- What a bad end of the parent means to the child; `told` once the child has heard.
alter table ofa.group_edge
  add column on_bad text not null default 'cancel' check (on_bad in ('cancel', 'run', 'block')),
  add column told boolean not null default false;
update ofa.group_edge set told = job_group.good from ofa.job_group
where job_group.id = group_edge.parent and job_group.good;

-- Jobs that can run, will run, or run: narrow, and what a claim or an end looks at is one of its indexes.
-- `seq` is new whenever a job becomes available, so that a lane is read from where it was left.
create sequence ofa.live_seq;
alter table ofa.live rename to live_before;
alter table ofa.live_before rename constraint live_pkey to live_before_pkey;
drop index ofa.live_ready, ofa.live_due, ofa.live_owner, ofa.live_run;
create table ofa.live (
  job_id bigint primary key,
  run_id bigint not null,
  group_id bigint not null,
  seq bigint not null default nextval('ofa.live_seq'),
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
insert into ofa.live (job_id, run_id, group_id, lane_id, attempt, max_attempts, crashes, max_crashes, state,
  cancel, token, session_id, due_at, started_at, deadline_at)
select old.job_id, old.run_id, job.group_id, job.lane_id, old.attempt, old.max_attempts, old.crashes,
  old.max_crashes, old.state, old.cancel, old.token, old.session_id, old.due_at, old.started_at, old.deadline_at
from ofa.live_before as old join ofa.job on job.id = old.job_id order by old.job_id;
create index live_ready on ofa.live (lane_id, seq) where state = 'available' and crashes = 0;
create index live_quarantine on ofa.live (lane_id, seq) where state = 'available' and crashes > 0;
create index live_run on ofa.live (run_id, lane_id, seq) where state <> 'running';
create index live_due on ofa.live (due_at) where state in ('scheduled', 'retryable');
create index live_owner on ofa.live (session_id) where state = 'running';
create index live_limit on ofa.live (least(deadline_at, stall_at))
  where state = 'running' and least(deadline_at, stall_at) is not null;

-- Attempts that have ended, by day; one that runs is a row of live.
alter table ofa.checkpoint drop constraint checkpoint_token_fkey;
alter table ofa.meter drop constraint meter_token_fkey;
drop view ofa.charged_attempt;
alter table ofa.attempt rename to attempt_before;
alter table ofa.attempt_before rename constraint attempt_pkey to attempt_before_pkey;
drop index ofa.attempt_job;
create table ofa.attempt (
  token bigint not null,
  job_id bigint not null,
  attempt int not null check (attempt > 0),
  session_id bigint not null,
  started_at timestamptz not null,
  ended_at timestamptz not null,
  outcome text not null check (outcome in ('completed', 'failed', 'cancelled', 'released', 'lost')),
  error text,
  check (outcome <> 'failed' or error is not null)
) partition by range (ended_at);
create table ofa.attempt_default partition of ofa.attempt default;
create index attempt_job on ofa.attempt (job_id, token);
insert into ofa.attempt select * from ofa.attempt_before where ended_at is not null order by token;

alter table ofa.job_log rename to job_log_before;
alter table ofa.job_log_before rename constraint job_log_pkey to job_log_before_pkey;
drop index ofa.job_log_job;
create sequence ofa.job_log_id;
create table ofa.job_log (
  id bigint not null default nextval('ofa.job_log_id'),
  job_id bigint not null,
  token bigint not null,
  logged_at timestamptz not null,
  line text not null
) partition by range (logged_at);
create table ofa.job_log_default partition of ofa.job_log default;
create index job_log_job on ofa.job_log (job_id, id);
insert into ofa.job_log (job_id, token, logged_at, line)
select job_id, token, logged_at, line from ofa.job_log_before order by id;

drop table ofa.live_before, ofa.attempt_before, ofa.job_log_before;

-- How jobs ended: written in batches, so without a check for each row; found by the job, bad ones by the group.
alter table ofa.outcome drop constraint outcome_job_id_fkey, drop constraint outcome_group_id_fkey;
drop index ofa.outcome_group;
create index outcome_bad on ofa.outcome (group_id) where state <> 'completed';

-- A meter row says by itself which attempt it is of: the ledger outlives the history.
drop trigger meter_is_a_record on ofa.meter;
alter table ofa.meter
  add column job_id bigint, add column attempt int, add column outcome text, add column started_at timestamptz,
  alter column zone drop not null, alter column cpu_ns drop not null;
update ofa.meter set job_id = attempt.job_id, attempt = attempt.attempt, outcome = attempt.outcome,
  started_at = attempt.started_at
from ofa.attempt where attempt.token = meter.token;
alter table ofa.meter
  alter column job_id set not null, alter column attempt set not null,
  alter column outcome set not null, alter column started_at set not null;
create trigger meter_is_a_record before update or delete on ofa.meter
  for each row execute function ofa.refuse_change();

-- Every ended attempt with what it used. One that nobody metered is a gap: a row without energy.
-- A lost attempt is charged until its worker's last sign of life. The device is the `name` in the `device`
-- of the job's arguments, wherever it stands; jobs without one serve all devices.
create view ofa.charged_attempt as
with ended as (
  select token, job_id, attempt, outcome, started_at, host, zone, wall_ns, cpu_ns, energy_uj, energy_low_uj,
    energy_high_uj, method, case when energy_uj is not null then tier end as tier
  from ofa.meter
  union all
  select attempt.token, attempt.job_id, attempt.attempt, attempt.outcome, attempt.started_at, session.host, null,
    (extract(epoch from case attempt.outcome when 'lost' then greatest(session.beat_at, attempt.started_at)
      else attempt.ended_at end - attempt.started_at) * 1000000000)::bigint,
    null, null, null, null, 'gap: ' || attempt.outcome || ' without a meter row', null
  from ofa.attempt join ofa.session on session.id = attempt.session_id
  where not exists (select from ofa.meter where meter.token = attempt.token)
)
select ended.token, ended.attempt, ended.outcome, ended.started_at, job.id as job_id, job.kind, job.run_id,
  job.stage, jsonb_path_query_first(job.args::jsonb, '$.**.device.name') #>> '{}' as device,
  ended.host, ended.zone, ended.wall_ns, ended.cpu_ns, ended.energy_uj, ended.energy_low_uj,
  ended.energy_high_uj, ended.method, ended.tier
from ended join ofa.job on job.id = ended.job_id;

-- Runs that are enqueued again and again.
create table ofa.recurring (
  name text primary key check (name <> ''),
  spec json not null,
  every interval not null check (every >= interval '1 second'),
  next_at timestamptz not null,
  last_run bigint
);

-- When housekeeping was last done, so that one worker does it.
create table ofa.housekeeping (
  name text primary key,
  done_at timestamptz not null
);
insert into ofa.housekeeping (name, done_at) values ('history', '-infinity');
