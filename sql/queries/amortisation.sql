-- Statements of CostLedger about the costs of stages, the networks that descend from them, and stages like them.

-- name: CostMoment :one
-- Returns `at`, or the time of the database's clock if `at` is NULL.
select coalesce(@at::timestamptz?, ofa.now()) as at;

-- name: StageCosts :many
-- Sums costs for each account (stage, kind of jobs and device of a run), zone, method and tier, over the rows of the
-- ledger that begin by `until`, or over all if that is NULL, with the carbon of ofa.priced_lines. An account without costs
-- has a row without zone. `all` includes all runs, otherwise the runs `runs` are included. A tier is NULL where energy is
-- unknown; `carbon_missing_uj` is energy without carbon.
select account.id as account_id, account.run_id, account.stage, account.kind, account.device,
  nullif(line.zone, '') as zone, nullif(line.method, '') as method,
  case when line.method not like 'gap: %' then nullif(line.tier, '') end as tier,
  coalesce(sum(line.attempts), 0)::bigint as attempts, coalesce(sum(line.gaps), 0)::bigint as gaps,
  coalesce(sum(line.gap_ns), 0)::bigint as gap_ns, coalesce(sum(line.wall_ns), 0)::bigint as wall_ns,
  coalesce(sum(line.cpu_ns), 0)::bigint as cpu_ns, coalesce(sum(line.energy_uj), 0)::bigint as energy_uj,
  coalesce(sum(line.energy_low_uj), 0)::bigint as energy_low_uj,
  coalesce(sum(line.energy_high_uj), 0)::bigint as energy_high_uj,
  coalesce(sum(line.emission_ug), 0)::bigint as emission_ug, sum(line.emission_ng) as emission,
  sum(line.pue_low) as pue_low, sum(line.pue_high) as pue_high, sum(line.intensity_low) as intensity_low,
  sum(line.intensity_high) as intensity_high, coalesce(sum(line.carbon_missing_uj), 0)::bigint as carbon_missing_uj
from ofa.account
left join ofa.priced_lines(
  case when @all::boolean then array(select id from ofa.run) else @runs::bigint[] end, null, null, @version::int, @type::text,
  @signal::text) as line on line.account_id = account.id
  and (@until::timestamptz? is null or line.hour <= @until::timestamptz?)
where @all::boolean or account.run_id = any (@runs::bigint[])
group by account.id, line.zone, line.method, line.tier
order by account.id;

-- name: StageFailures :many
-- Returns the part of StageCosts that failed and cancelled attempts have, as far as their pieces or meter rows are kept.
-- There is a day of tolerance between the clocks of machines and of the database.
with troubled as materialized (
  select distinct account.id as account_id from ofa.account join ofa.spent on spent.account_id = account.id
  where (@all::boolean or account.run_id = any (@runs::bigint[])) and spent.not_completed > 0
), pieced as materialized (
  select account_id, host_id, date_trunc('hour', started_at at time zone 'UTC') at time zone 'UTC' as hour, zone, method,
    tier, job_id, token, started_at, used_ns, cpu_ns, energy_uj, energy_low_uj, energy_high_uj
  from ofa.energy_piece where account_id in (select account_id from troubled)
), failed as materialized (
  select one.account_id, one.token from (select distinct account_id, job_id, token from pieced) as one
  join ofa.attempt on attempt.job_id = one.job_id and attempt.token = one.token
    and attempt.ended_at >= (select min(started_at) - interval '1 day' from pieced)
    and attempt.ended_at < (select max(started_at) + interval '1 day' from pieced)
  where attempt.outcome in ('failed', 'cancelled')
), part (account_id, zone, hour, attempts, gaps, gap_ns, wall_ns, cpu_ns, energy_uj, energy_low_uj, energy_high_uj) as (
  -- The groups are the rows of the ledger, so that no part has more carbon than its row.
  select pieced.account_id, zone, hour, 0, 0, coalesce(sum(used_ns) filter (where energy_uj is null), 0),
    sum(used_ns), sum(cpu_ns), coalesce(sum(energy_uj), 0), coalesce(sum(energy_low_uj), 0),
    coalesce(sum(energy_high_uj), 0)
  from pieced join failed using (token) group by pieced.account_id, host_id, hour, zone, method, tier
  union all
  select account_id, coalesce(zone, ''), date_trunc('day', ended_at at time zone 'UTC') at time zone 'UTC', count(*),
    count(*) filter (where energy_uj is null), 0, sum(wall_ns), sum(coalesce(cpu_ns, 0)), coalesce(sum(energy_uj), 0),
    coalesce(sum(energy_low_uj), 0), coalesce(sum(energy_high_uj), 0)
  from ofa.meter where account_id in (select account_id from troubled) and outcome in ('failed', 'cancelled')
    and method <> ''
  group by account_id, host_id, coalesce(zone, ''), date_trunc('day', ended_at at time zone 'UTC'), method, tier
)
select part.account_id,
  sum(part.attempts)::bigint + (select count(*) from failed where failed.account_id = part.account_id) as attempts,
  sum(part.gaps)::bigint as gaps,
  sum(part.gap_ns)::bigint as gap_ns, sum(part.wall_ns)::bigint as wall_ns, sum(part.cpu_ns)::bigint as cpu_ns,
  sum(part.energy_uj)::bigint as energy_uj, sum(part.energy_low_uj)::bigint as energy_low_uj,
  sum(part.energy_high_uj)::bigint as energy_high_uj
from part
where @until::timestamptz? is null or part.hour <= @until::timestamptz?
group by part.account_id;

-- name: DeviceNetworks :many
-- Returns the networks for devices that were made until `at` and descend from one of the runs `runs`, or all networks for
-- devices with `all`. Each has the runs and stages that it descends from, its own included; without `all` there are only
-- those of artifacts that are no older than the oldest of `runs`. A network that was trained further for its device is
-- left out, as the later one stands for it; of networks of a device with the same bytes the first is returned. Shards of
-- data sets are not followed: the stage that made them made their data set. An artifact has a larger number than what it
-- was made from, so nothing below `bound` leads to the runs.
with recursive bound as materialized (
  select case when @all::boolean then 0
    else coalesce((select min(id) from ofa.artifact where run_id = any (@runs::bigint[])), 9223372036854775807) end as id
), network as materialized (
  select artifact.id, artifact.name, artifact.digest, artifact.run_id, artifact.stage, made_for.device
  from ofa.artifact
  cross join lateral (
    select account.device from ofa.account
    where account.run_id = artifact.run_id and account.stage = artifact.stage and account.device is not null
    order by account.id limit 1
  ) as made_for
  where artifact.kind = 'subnet' and artifact.run_id is not null and artifact.created_at <= @at::timestamptz
    and artifact.id >= (select id from bound)
), target as materialized (
  select distinct on (device, digest) * from network
  where not exists (
    select from ofa.artifact_input as input
    join ofa.artifact as later on later.token = input.token and later.kind = 'subnet'
    where input.artifact_id = network.id and input.role = 'subnet' and later.created_at <= @at::timestamptz)
  order by device, digest, id
), reached (target, id) as (
  select id, id from target
  union
  select reached.target, input.artifact_id
  from reached
  cross join lateral (select token from ofa.artifact where artifact.id = reached.id limit 1) as made
  cross join lateral (
    select artifact_id from ofa.artifact_input
    where token = made.token and role <> 'dataset-shard' and artifact_id >= (select id from bound)
  ) as input
), origin as (
  select distinct reached.target, artifact.run_id, artifact.stage
  from reached join ofa.artifact on artifact.id = reached.id
  where artifact.run_id is not null
)
select target.id as artifact, target.name, target.device, target.run_id,
  array_agg(origin.run_id order by origin.run_id, origin.stage) as runs,
  array_agg(origin.stage order by origin.run_id, origin.stage) as stages
from target join origin on origin.target = target.id
group by target.id, target.name, target.device, target.run_id
having @all::boolean or bool_or(origin.run_id = any (@runs::bigint[]))
order by target.id;

-- name: LikeRuns :many
-- Returns the newest completed runs of the pipeline `name` without `run`: those with the same definition (`same`), then those
-- with the same name only; at most `most`.
select id, definition_hash = @definition_hash::text as same
from ofa.run
where id <> @run::bigint and state = 'completed' and (definition_hash = @definition_hash::text or name = @name::text)
order by same desc, id desc limit @most::int;

-- name: KindCosts :many
-- Returns for each kind of job the means and sample standard deviations of the logarithms of duration (seconds) and
-- energy (microjoules) over its stages with a completed attempt, among the newest 2,000 rows of ofa.account without those
-- of `run`. `stages` counts the durations, `metered` the energies; a deviation of one value is NULL. `meter_low` and
-- `meter_high` are the bounds of all their energy as factors of it.
select recent.kind, count(*) as stages, avg(ln(cost.wall_ns / 1e9))::float8 as log_seconds,
  stddev_samp(ln(cost.wall_ns / 1e9))::float8 as seconds_deviation,
  count(*) filter (where cost.energy_uj > 0) as metered,
  (avg(ln(cost.energy_uj)) filter (where cost.energy_uj > 0))::float8 as log_energy,
  (stddev_samp(ln(cost.energy_uj)) filter (where cost.energy_uj > 0))::float8 as energy_deviation,
  (sum(cost.energy_low_uj) / nullif(sum(cost.energy_uj), 0))::float8 as meter_low,
  (sum(cost.energy_high_uj) / nullif(sum(cost.energy_uj), 0))::float8 as meter_high
from (select id, kind from ofa.account where run_id <> @run::bigint order by id desc limit 2000) as recent
cross join lateral (
  select sum(wall_ns) as wall_ns, sum(energy_uj) as energy_uj, sum(energy_low_uj) as energy_low_uj,
    sum(energy_high_uj) as energy_high_uj, sum(attempts - not_completed) as completed
  from ofa.cost_row where cost_row.account_id = recent.id
) as cost
where cost.completed > 0 and cost.wall_ns > 0
group by recent.kind order by recent.kind;
