-- Statements of the dashboard's pages about runs, jobs, workers and queues.

-- name: RunOverview :many
-- Returns the newest runs before the run `before` (NULL: of all), newest first, each with the number of its stages and of
-- those that have ended, and, of a failed one, why a job of it ended badly. `state` NULL means any state.
select run.id, run.name, run.state, run.created_at, run.ended_at, run.cancel_requested_at is not null as cancel_requested,
  staged.stages, staged.ended,
  case when run.state = 'failed' then (
    select outcome.reason from ofa.job_group join ofa.outcome on outcome.group_id = job_group.id
      and outcome.month = job_group.month and outcome.state <> 'completed'
    where job_group.run_id = run.id and job_group.month = run.month and job_group.bad > 0
    order by outcome.state desc, outcome.ended_at limit 1) end as problem, ofa.now() as as_of
from (
  select * from ofa.run where (@before::bigint? is null or id < @before::bigint?)
    and (@state::text? is null or state = @state::text?)
  order by id desc limit @most::int) as run
cross join lateral (
  select count(*) as stages, count(*) filter (where fired_at is not null) as ended from ofa.job_group
  where job_group.run_id = run.id and job_group.month = run.month and job_group.owner_job is null) as staged
order by run.id desc;

-- name: RunStateCounts :many
-- Returns how many runs are in each state.
select state, count(*) as runs from ofa.run group by state order by state;

-- name: RunErrors :many
-- Returns the newest errors of a run: of jobs that were discarded, and of attempts at jobs that are tried again. Of these
-- only 200 jobs are looked at.
with grouped as materialized (
  select id, month, stage, bad from ofa.job_group where run_id = @run::bigint
), tried as materialized (
  (select job_id, group_id from ofa.live where run_id = @run::bigint and state <> 'running' and attempt + crashes > 0
    order by job_id limit 100)
  union all
  (select job_id, group_id from ofa.live where run_id = @run::bigint and state = 'running' and attempt + crashes > 1
    order by job_id limit 100)
)
select * from (
  (select outcome.job_id, grouped.stage, outcome.state, outcome.reason as error, outcome.ended_at as at
    from grouped join ofa.outcome on outcome.month = grouped.month and outcome.group_id = grouped.id
      and outcome.state <> 'completed'
    where grouped.bad > 0 and outcome.state = 'discarded' order by outcome.ended_at desc limit @most::int)
  union all
  (select failed.job_id, grouped.stage, failed.outcome, failed.error, failed.ended_at
    from ofa.attempts_of(array(select job_id from tried), (select created_at from ofa.run where id = @run::bigint),
      ofa.now()) as failed
    join tried on tried.job_id = failed.job_id join grouped on grouped.id = tried.group_id
    where failed.error is not null and failed.outcome in ('failed', 'lost') order by failed.ended_at desc limit @most::int)
) as found order by at desc limit @most::int;

-- name: StageAttempts :many
-- Returns the attempts at the jobs of some stages of a run, also those that run, in the order of their begins.
with one as materialized (
  select job.id, job.stage from ofa.job_group join ofa.job on job.month = job_group.month and job.group_id = job_group.id
  where job_group.run_id = @run::bigint and job_group.stage = any (@stages::text[])
)
select one.stage, tried.* from (
  select job_id, attempt, started_at, ended_at, outcome
  from ofa.attempts_of(array(select id from one), (select created_at from ofa.run where id = @run::bigint), ofa.now())
  where outcome <> 'unbegun'
  union all
  select job_id, attempt, started_at, null, null from ofa.live
  where run_id = @run::bigint and state = 'running' and job_id in (select id from one)
) as tried join one on one.id = tried.job_id
order by tried.started_at, tried.job_id limit @most::int;

-- name: StageJobNumbers :many
-- Returns the ids of jobs of a stage of a run in order, after the first `skip`; `state` NULL means any state, and then the
-- states are not read.
select job.id from ofa.job_group join ofa.job on job.month = job_group.month and job.group_id = job_group.id
where job_group.run_id = @run::bigint and job_group.stage = @stage::text
  and (@state::text? is null or @state::text? = coalesce(
    (select outcome.state from ofa.outcome where outcome.month = job.month and outcome.job_id = job.id),
    (select live.state from ofa.live where live.job_id = job.id), 'blocked'))
order by job.path, job.id limit @most::int offset @skip::int;

-- name: AttemptEnergies :many
-- Returns the IT energy of attempts that was metered so far, with its bounds; attempts without any are left out.
select token, sum(energy_uj)::bigint as energy_uj, sum(energy_low_uj)::bigint as energy_low_uj,
  sum(energy_high_uj)::bigint as energy_high_uj
from (
  select token, energy_uj, energy_low_uj, energy_high_uj from ofa.energy_piece where token = any (@tokens::bigint[])
  union all
  select meter.token, meter.energy_uj, meter.energy_low_uj, meter.energy_high_uj
  from ofa.job join ofa.meter on meter.account_id = job.account_id and meter.token = any (@tokens::bigint[])
  where job.id = @job::bigint and meter.energy_uj is not null
) as part
group by token having sum(energy_uj) is not null order by token;

-- name: ArtifactsOfJob :many
-- Returns the artifacts that a job made, oldest first.
select id, kind, name, role, digest, metadata, run_id, job_id, token, stage, created_at
from ofa.artifact where run_id = @run::bigint and job_id = @job::bigint order by id;

-- name: CostOfRuns :many
-- Sums the ledgers of each of some runs, in each zone and currency, as CostBy does.
select key as label, nullif(zone, '') as zone, currency, sum(attempts)::bigint as attempts,
  sum(not_completed)::bigint as not_completed, sum(gaps)::bigint as gaps, sum(wall_ns)::bigint as wall_ns,
  sum(cpu_ns)::bigint as cpu_ns, sum(gap_ns)::bigint as gap_ns, sum(energy_uj)::bigint as energy_uj,
  sum(energy_low_uj)::bigint as energy_low_uj, sum(energy_high_uj)::bigint as energy_high_uj,
  round(sum(building_uj)) as building_uj, coalesce(sum(emission_ug), 0)::bigint as emission_ug,
  round(sum(emission)) as emission, round(sum(pue_low)) as pue_low, round(sum(pue_high)) as pue_high,
  round(sum(intensity_low)) as intensity_low, round(sum(intensity_high)) as intensity_high,
  sum(carbon_missing_uj)::bigint as carbon_missing_uj, sum(stand_in_uj)::bigint as stand_in_uj,
  sum(water_ul)::bigint as water_ul, round(sum(water_low)) as water_low, round(sum(water_high)) as water_high,
  sum(water_missing_uj)::bigint as water_missing_uj, sum(money_u)::bigint as money_u, round(sum(money_low)) as money_low,
  round(sum(money_high)) as money_high, sum(money_missing_ns)::bigint as money_missing_ns,
  sum(embodied_ug)::bigint as embodied_ug, round(sum(embodied_low)) as embodied_low,
  round(sum(embodied_high)) as embodied_high, sum(embodied_missing_ns)::bigint as embodied_missing_ns,
  coalesce(array_agg(distinct method order by method) filter (where method <> ''), '{}') as methods,
  coalesce(array_agg(distinct tier order by tier) filter (where tier <> '' and method not like 'gap: %'), '{}') as tiers
from ofa.cost_sums('run', @runs::bigint[], null, null, @version::int, @type::text, @signal::text)
group by 1, 2, 3 order by 1, 2, 3;

-- name: QueueDepth :many
-- Returns the live jobs by queue, kind and state, each with the time since which the first of them could have run (`since`,
-- of running ones the begin of the oldest attempt), and the next time at which one is due. Jobs of held runs are counted
-- apart.
with counted as materialized (
  select lane_id, state, month, group_id, run_id, count(*) as jobs, min(started_at) as started_at, min(due_at) as due_at
  from ofa.live group by 1, 2, 3, 4, 5
)
select lane.queue, lane.kind, counted.state, sum(counted.jobs)::bigint as jobs,
  coalesce(sum(counted.jobs) filter (where run_hold.run_id is not null), 0)::bigint as held,
  min(coalesce(counted.started_at, job_group.released_at)) as since, min(counted.due_at) as due_at, ofa.now() as as_of
from counted join ofa.lane on lane.id = counted.lane_id
left join ofa.job_group on job_group.month = counted.month and job_group.id = counted.group_id
left join ofa.run_hold on run_hold.run_id = counted.run_id and counted.state <> 'running'
group by 1, 2, 3 order by 1, 2, 3;

-- name: AttemptHours :many
-- Counts the attempts of the last 24 hours by the hour of their end; returns no row if the attempts of these days take more
-- than 64 MB, because the statement reads all of them.
select date_trunc('hour', ended_at) as hour, count(*) filter (where outcome = 'completed') as completed,
  count(*) filter (where outcome = 'failed') as failed, count(*) filter (where outcome = 'lost') as lost,
  count(*) filter (where outcome in ('cancelled', 'released')) as stopped
from ofa.attempt
where ended_at >= date_trunc('hour', ofa.now() - interval '23 hours') and ended_at < ofa.now() + interval '1 hour'
  and (select coalesce(sum(pg_relation_size(to_regclass('ofa.attempt_' || to_char(day at time zone 'UTC', 'YYYYMMDD')))), 0)
    from generate_series(ofa.now() - interval '1 day', ofa.now(), interval '1 day') as day) < 67108864
group by 1 order by 1;

-- name: DutyList :many
-- Returns the duties: who holds each, and when it was last done.
select duty.name, session.name as worker, host.name as host,
  case when duty.held_until > ofa.now() then duty.held_until end as held_until,
  nullif(duty.done_at, '-infinity') as done_at
from ofa.duty left join ofa.session on session.id = duty.session_id and duty.held_until > ofa.now()
left join ofa.host on host.id = session.host_id order by duty.name;

-- name: RunningJobs :many
-- Returns the jobs that run, of each worker the longest first.
select live.session_id, live.job_id, live.run_id, job_group.stage, lane.kind, live.started_at,
  case when progress.token = live.token then progress.fraction end as fraction,
  case when progress.token = live.token then progress.message end as message, live.cancel
from ofa.live join ofa.lane on lane.id = live.lane_id
join ofa.job_group on job_group.month = live.month and job_group.id = live.group_id
left join ofa.progress on progress.month = live.month and progress.job_id = live.job_id
where live.state = 'running' order by live.session_id, live.started_at, live.job_id limit @most::int;
