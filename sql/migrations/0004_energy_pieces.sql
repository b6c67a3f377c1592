-- The energy of machines in intervals, and how it is divided among attempts, other programs and unreserved processors.
-- Serves programs from migration 2 on.

-- A process that meters attempts on a machine, and the time up to which it has reported them. Deleted when it ends, or by
-- another process of the machine that finds it dead; one that has not reported for half a minute is not waited for.
create table ofa.metering_process (
  uuid uuid primary key,
  host_id int not null references ofa.host,
  -- Its number with that of its namespace, so that only processes that see each other's numbers compare them.
  pid text not null check (pid <> ''),
  reported_until timestamptz not null,
  seen_at timestamptz not null default ofa.now()
) with (fillfactor = 70);

create index metering_process_host on ofa.metering_process (host_id);

-- One meter a machine: the process that states what the machine used, the end of its last interval, and the time up to
-- which intervals are allocated. Another process takes over when this one has ended, or been silent for half a minute. What
-- adds intervals or allocates them holds this row.
create table ofa.machine_meter (
  host_id int primary key references ofa.host,
  process uuid not null,
  seen_at timestamptz not null default ofa.now(),
  metered_until timestamptz not null,
  allocated_until timestamptz not null
) with (fillfactor = 70);

-- What a machine used in an interval, in microjoules of IT energy with lower and upper bounds: idle energy, which is
-- shared by reserved processors, and load energy, shared by used processor time. Unknown energy is NULL, never 0.
-- `capacity_ns` is its processors × the interval, `busy_ns` the processor time used by all programs, `others_ns` the
-- processor time reserved by programs that work for other databases. Appended, never changed. No two intervals of a
-- machine overlap: an exclusion constraint of each partition (ofa.open_partition), of ranges because those need no
-- extension.
create table ofa.energy_interval (
  host_id int not null,
  started_at timestamptz not null,
  ended_at timestamptz not null,
  zone text not null check (zone <> ''),
  method text not null check (method <> ''),
  tier text not null check (tier in ('A', 'B', 'C', 'M', 'K', 'U')),
  capacity_ns bigint not null check (capacity_ns >= 0),
  busy_ns bigint not null check (busy_ns >= 0),
  others_ns bigint not null check (others_ns >= 0),
  idle_uj bigint check (idle_uj >= 0),
  idle_low_uj bigint check (idle_low_uj between 0 and idle_uj),
  idle_high_uj bigint check (idle_high_uj >= idle_uj),
  load_uj bigint check (load_uj >= 0),
  load_low_uj bigint check (load_low_uj between 0 and load_uj),
  load_high_uj bigint check (load_high_uj >= load_uj),
  check (ended_at > started_at),
  check (num_nulls(idle_uj, idle_low_uj, idle_high_uj, load_uj, load_low_uj, load_high_uj) in (0, 6))
) partition by range (started_at);

-- What an attempt reserved and used of a machine's processors between two reports of its process. Appended, never
-- changed. A row that comes after its time was allocated has no share of the energy, and is a gap.
create table ofa.energy_use (
  host_id int not null,
  job_id bigint not null,
  token bigint not null,
  account_id bigint not null,
  used_from timestamptz not null,
  used_until timestamptz not null,
  reserved_ns bigint not null check (reserved_ns >= 0),
  cpu_ns bigint not null check (cpu_ns >= 0),
  primary key (token, used_from, used_until),
  check (used_until >= used_from)
) partition by range (used_until);
create index energy_use_host on ofa.energy_use (host_id, used_until);

-- The pieces of an interval: of attempts, of other programs, and of processors that were not reserved. Pieces of an
-- interval add up to it exactly. Without a number the energy is unknown: a gap of the attempt, not 0.
create table ofa.energy_piece (
  host_id int not null,
  started_at timestamptz not null,
  part text not null check (part in ('attempt', 'other', 'unallocated')),
  job_id bigint,
  token bigint,
  account_id bigint,
  zone text not null,
  method text not null,
  tier text not null,
  used_ns bigint not null check (used_ns >= 0),
  cpu_ns bigint not null check (cpu_ns >= 0),
  energy_uj bigint,
  energy_low_uj bigint,
  energy_high_uj bigint,
  check (num_nulls(job_id, token, account_id) = case part when 'attempt' then 0 else 3 end),
  check (num_nulls(energy_uj, energy_low_uj, energy_high_uj) in (0, 3))
) partition by range (started_at);
create index energy_piece_token on ofa.energy_piece (token);
create index energy_piece_account on ofa.energy_piece (account_id, token);

-- The ledger of energy: pieces summed by account, machine and hour (UTC, of the intervals' starts), kept for good.
-- `account_id` is 0 for other programs and −1 for what was not reserved. `gap_ns` is the time of attempts whose energy is
-- unknown. Only the machine's meter adds to the rows of a machine.
create table ofa.energy_hour (
  account_id bigint not null,
  host_id int not null,
  hour timestamptz not null,
  zone text not null,
  method text not null,
  tier text not null,
  used_ns bigint not null,
  gap_ns bigint not null,
  cpu_ns bigint not null,
  energy_uj bigint not null,
  energy_low_uj bigint not null,
  energy_high_uj bigint not null,
  primary key (account_id, host_id, hour, zone, method, tier)
) with (fillfactor = 70);
create index energy_hour_of_hour on ofa.energy_hour using brin (hour) with (pages_per_range = 16);

do $$
declare
  v_table text;
begin
  foreach v_table in array array['energy_interval', 'energy_use', 'energy_piece'] loop
    execute format('create trigger %I before update or delete on ofa.%I for each row execute function ofa.refuse_change()',
      v_table || '_is_a_record', v_table);
  end loop;
end
$$;
