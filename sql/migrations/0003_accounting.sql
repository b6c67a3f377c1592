-- What every attempt used, and the factors that turn energy into carbon. See sql/README.md for the
-- why.

-- What an attempt used, as its worker metered it; written in the transaction that ends the attempt. An
-- attempt without a row (its worker was lost) or without energy (a counter failed) is a gap: never 0.
-- Energy is IT energy in microjoules; what a building adds to it is a factor.
create table ofa.meter (
  token bigint primary key references ofa.attempt,
  host text not null check (host <> ''),
  zone text not null check (zone <> ''),
  wall_ns bigint not null check (wall_ns >= 0),
  cpu_ns bigint not null check (cpu_ns >= 0),
  energy_uj bigint check (energy_uj >= 0),
  energy_low_uj bigint,
  energy_high_uj bigint,
  method text not null check (method <> ''),
  tier text not null check (tier in ('A', 'B', 'C', 'M', 'K', 'U')),
  check (num_nulls(energy_uj, energy_low_uj, energy_high_uj) in (0, 3)),
  check (energy_low_uj between 0 and energy_uj),
  check (energy_high_uj >= energy_uj)
);
create trigger meter_is_a_record before update or delete on ofa.meter
  for each row execute function ofa.refuse_change();

-- A set of factors under a version: figures are stated with it, and restated with another.
create table ofa.factor_set (
  version int primary key check (version > 0),
  note text not null,
  created_at timestamptz not null default ofa.now()
);
create trigger factor_set_is_a_record before update or delete on ofa.factor_set
  for each row execute function ofa.refuse_change();

-- One factor of a set. Where the source states no range, low and high are NULL. kind 'pue': energy
-- of the building over IT energy; 'intensity': g CO2e for each kWh of a zone. Figures of another
-- type (lifecycle, direct) or signal (average, marginal) are another factor, never mixed in.
create table ofa.factor (
  version int not null references ofa.factor_set,
  kind text not null check (kind in ('pue', 'intensity')),
  zone text not null check (zone <> ''),
  value numeric not null check (value > 0),
  low numeric check (low > 0 and low <= value),
  high numeric check (high >= value),
  unit text not null,
  type text not null check (type in ('lifecycle', 'direct', 'none')),
  signal text not null check (signal in ('average', 'marginal', 'none')),
  source text not null check (source <> ''),
  licence text not null,
  vintage text not null,
  primary key (version, kind, zone),
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

-- Every ended attempt with what it used, the gaps too: where meter rows meet the queue.
-- A lost attempt is charged until its worker's last sign of life. The device is the `name` in the `device`
-- of the job's arguments, wherever it stands; jobs without one serve all devices.
create view ofa.charged_attempt as
select attempt.token, attempt.attempt, attempt.outcome, attempt.started_at,
  job.id as job_id, job.kind, job.run_id, job_group.stage,
  jsonb_path_query_first(job.args::jsonb, '$.**.device.name') #>> '{}' as device,
  coalesce(meter.host, session.host) as host, meter.zone,
  coalesce(meter.wall_ns, (extract(epoch from
    case attempt.outcome when 'lost' then greatest(session.beat_at, attempt.started_at)
      else attempt.ended_at end - attempt.started_at) * 1000000000)::bigint) as wall_ns,
  meter.cpu_ns, meter.energy_uj, meter.energy_low_uj, meter.energy_high_uj,
  coalesce(meter.method, 'gap: ' || attempt.outcome || ' without a meter row') as method,
  case when meter.energy_uj is not null then meter.tier end as tier
from ofa.attempt
join ofa.session on session.id = attempt.session_id
join ofa.job on job.id = attempt.job_id
join ofa.job_group on job_group.id = job.group_id
left join ofa.meter on meter.token = attempt.token
where attempt.ended_at is not null;
