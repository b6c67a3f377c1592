-- The audit checks invariants of the queue. They hold in every snapshot, also while workers run.

-- name: Audit :many
-- Recounts counters and checks invariants; each returned row is a violation.
select 'group ' || job_group.id || ' counters' as subject,
  format('pending %s ok %s bad %s expected %s, recounted %s %s %s %s',
    job_group.pending, job_group.ok, job_group.bad, job_group.expected,
    counted.pending, counted.ok, counted.bad, counted.expected) as problem
from ofa.job_group
cross join lateral (
  select count(*) as expected,
    count(*) filter (where outcome.job_id is null) as pending,
    count(*) filter (where outcome.state = 'completed') as ok,
    count(*) filter (where outcome.state <> 'completed') as bad
  from ofa.job left join ofa.outcome on outcome.job_id = job.id
  where job.group_id = job_group.id) as counted
where (job_group.pending, job_group.ok, job_group.bad, job_group.expected)
  is distinct from (counted.pending, counted.ok, counted.bad, counted.expected)
union all
select 'group ' || job_group.id || ' dependencies',
  format('deps_left %s, recounted %s', deps_left, counted.open)
from ofa.job_group
cross join lateral (
  select count(*) filter (where not told) as open from ofa.group_edge where child = job_group.id) as counted
where deps_left <> counted.open
union all
select 'group ' || id, 'its rule is met and it has not fired'
from ofa.job_group where fired_at is null and (pending = 0 or rule = 'quorum' and ok >= quorum)
union all
select 'group ' || child.id, 'was told of group ' || parent.id || ', which has not fired as it was to'
from ofa.group_edge join ofa.job_group as parent on parent.id = group_edge.parent
join ofa.job_group as child on child.id = group_edge.child
where group_edge.told and parent.good is null and group_edge.on_bad <> 'run'
  or not group_edge.told and (parent.good or not parent.good and group_edge.on_bad = 'run')
union all
select 'job ' || live.job_id, 'is live and has ended'
from ofa.live join ofa.outcome using (job_id)
union all
select 'job ' || job.id, 'is lost: released, and neither live nor ended'
from ofa.job join ofa.job_group on job_group.id = job.group_id
where job_group.released_at is not null
  and (job.waits_for is null or exists (
    select from ofa.job_group as awaited
    where awaited.id = job.waits_for and (awaited.good or not awaited.good and awaited.on_bad = 'run')))
  and not exists (select from ofa.live where live.job_id = job.id)
  and not exists (select from ofa.outcome where outcome.job_id = job.id)
union all
select 'job ' || live.job_id, 'is live before its turn'
from ofa.live join ofa.job on job.id = live.job_id
join ofa.job_group on job_group.id = job.group_id
where job_group.deps_left > 0 or exists (
  -- With on_bad = 'run', the job stays live when a retry reopens the awaited group.
  select from ofa.job_group as awaited
  where awaited.id = job.waits_for and awaited.fired_at is null and awaited.on_bad <> 'run')
union all
select 'job ' || live.job_id, 'differs from what was enqueued: run, month, group, account or lane'
from ofa.live left join ofa.job on job.id = live.job_id
where (live.run_id, live.month, live.group_id, live.account_id, live.lane_id)
  is distinct from (job.run_id, job.month, job.group_id, job.account_id, job.lane_id)
union all
select 'job ' || job.id, 'has the account of another run, stage or kind'
from ofa.job left join ofa.account on account.id = job.account_id
where (job.run_id, job.stage, job.kind) is distinct from (account.run_id, account.stage, account.kind)
union all
select 'job ' || job.id, 'lies in month ' || job.month || ', its run was made in ' || run.month
from ofa.job left join ofa.run on run.id = job.run_id where job.month is distinct from run.month
union all
select 'group ' || job_group.id, 'lies in month ' || job_group.month || ', its run was made in ' || run.month
from ofa.job_group left join ofa.run on run.id = job_group.run_id where job_group.month is distinct from run.month
union all
select 'group ' || group_edge.child, 'has an edge in month ' || group_edge.month
from ofa.group_edge join ofa.job_group on job_group.id = group_edge.child where group_edge.month <> job_group.month
union all
select 'job ' || job.id, 'has its end or its progress in another month'
from ofa.job left join ofa.outcome on outcome.job_id = job.id left join ofa.progress on progress.job_id = job.id
where outcome.month <> job.month or progress.month <> job.month
union all
select 'day ' || day || ' by ' || grain, 'its sums differ from the ledger'
from (
  select grain.name as grain, booked.day, sum(booked.attempts) as attempts, sum(booked.energy_uj) as energy_uj
  from ofa.cost_row as booked cross join (values ('stage'), ('device'), ('run')) as grain (name)
  where booked.account_id > 0 and booked.day <= (select max(day) from ofa.cost_day)
  group by 1, 2) as booked
full join (
  select grain, day, sum(attempts) as attempts, sum(energy_uj) as energy_uj from ofa.cost_day group by 1, 2) as folded
  using (grain, day)
where (folded.attempts, folded.energy_uj) is distinct from (booked.attempts, booked.energy_uj)
union all
select 'account ' || metered.account_id || ' on ' || metered.day, 'the ledger differs from what was metered'
from (
  select account_id, host_id, (ended_at at time zone 'UTC')::date as day, coalesce(zone, '') as zone, method,
    case when energy_uj is null then '' else tier end as tier, count(*) as attempts, sum(wall_ns) as wall_ns,
    coalesce(sum(energy_uj), 0) as energy_uj
  from ofa.meter group by 1, 2, 3, 4, 5, 6) as metered
left join ofa.spent using (account_id, host_id, day, zone, method, tier)
where (metered.attempts, metered.wall_ns, metered.energy_uj)
  is distinct from (spent.attempts, spent.wall_ns, spent.energy_uj)
union all
select 'machine ' || metered.host_id || ' at ' || metered.started_at, 'the pieces of its energy differ from the whole'
from ofa.energy_interval as metered join ofa.machine_meter using (host_id)
left join lateral (
  select sum(energy_uj) as energy_uj from ofa.energy_piece as piece
  where piece.host_id = metered.host_id and piece.started_at = metered.started_at) as cut on true
where metered.ended_at <= machine_meter.allocated_until
  and coalesce(cut.energy_uj, 0) <> coalesce(metered.idle_uj + metered.load_uj, 0)
union all
select 'account ' || summed.account_id || ' at ' || summed.hour, 'the ledger of energy differs from its pieces'
from (
  select case part when 'attempt' then account_id when 'other' then 0 else -1 end as account_id, host_id,
    date_trunc('hour', started_at at time zone 'UTC') at time zone 'UTC' as hour, zone, method, tier,
    sum(cpu_ns) as cpu_ns, coalesce(sum(energy_uj), 0) as energy_uj
  from ofa.energy_piece group by 1, 2, 3, 4, 5, 6) as summed
left join ofa.energy_hour as booked using (account_id, host_id, hour, zone, method, tier)
where (summed.cpu_ns, summed.energy_uj) is distinct from (booked.cpu_ns, booked.energy_uj)
union all
select 'job ' || live.job_id, 'runs with token ' || live.token || ', whose attempt has ended'
from ofa.live join ofa.attempt on attempt.job_id = live.job_id and attempt.token = live.token
union all
select 'job ' || live.job_id, 'runs for session ' || live.session_id || ', which is swept or unknown'
from ofa.live left join ofa.session on session.id = live.session_id
where live.state = 'running' and session.swept is distinct from false
union all
select 'permit ' || permit_key.name || ' ' || permit.slot, 'is held by job ' || permit.job_id || ', which does not run with it'
from ofa.permit join ofa.permit_key on permit_key.id = permit.key_id
left join ofa.live on live.job_id = permit.job_id and live.token = permit.token
where permit.token is not null and live.job_id is null
union all
select 'job ' || live.job_id, 'runs without the permit it needs'
from ofa.live join ofa.lane on lane.id = live.lane_id and lane.key_id is not null
left join ofa.permit on permit.job_id = live.job_id and permit.token = live.token
where live.state = 'running' and permit.slot is null
union all
select 'job ' || live.job_id, 'holds ' || count(*) || ' permits'
from ofa.live join ofa.permit on permit.job_id = live.job_id group by live.job_id having count(*) > 1
union all
select 'unique key ' || unique_job.key, 'is kept for job ' || unique_job.job_id || ', which has ended'
from ofa.unique_job join ofa.outcome on outcome.job_id = unique_job.job_id
union all
select 'job ' || job.id, 'is unfinished and does not hold its unique key ' || job.unique_key
from ofa.job
where job.unique_key is not null
  and not exists (select from ofa.outcome where outcome.job_id = job.id)
  and not exists (select from ofa.unique_job where unique_job.job_id = job.id)
union all
select 'job ' || outcome.job_id, 'ended as ' || outcome.state || ' with ' || count(attempt.token) || ' attempts that completed it'
from ofa.outcome left join ofa.attempt on attempt.job_id = outcome.job_id and attempt.outcome = 'completed'
where outcome.ended_at >= (select min(ended_at) from ofa.attempt)
group by outcome.job_id, outcome.state
having (outcome.state = 'completed') <> (count(attempt.token) = 1)
union all
select 'job ' || attempt.job_id, count(*) || ' attempts completed it'
from ofa.attempt where attempt.outcome = 'completed'
group by attempt.job_id having count(*) > 1
union all
select 'run ' || run.id, 'state ' || run.state || ' does not fit its stages'
from ofa.run
where (run.state = 'running') <> exists (
  select from ofa.job_group where run_id = run.id and (fired_at is null or pending > 0));
