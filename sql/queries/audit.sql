-- The recount: what must be true of the queue at every instant between transactions.

-- name: Audit :many
-- Recounts every counter and looks for jobs in two places; each row is a violation.
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
  select count(*) filter (where parent.fired_at is null or parent.bad > 0) as open
  from ofa.group_edge join ofa.job_group as parent on parent.id = group_edge.parent
  where group_edge.child = job_group.id) as counted
where deps_left <> counted.open
union all
select 'group ' || id, 'all its jobs have ended and it has not fired'
from ofa.job_group where pending = 0 and fired_at is null
union all
select 'job ' || live.job_id, 'is live and has ended'
from ofa.live join ofa.outcome using (job_id)
union all
select 'job ' || job.id, 'is lost: released, and neither live nor ended'
from ofa.job join ofa.job_group on job_group.id = job.group_id
where job_group.released_at is not null
  and (job.waits_for is null or exists (
    select from ofa.job_group as awaited
    where awaited.id = job.waits_for and awaited.fired_at is not null and awaited.bad = 0))
  and not exists (select from ofa.live where live.job_id = job.id)
  and not exists (select from ofa.outcome where outcome.job_id = job.id)
union all
select 'job ' || live.job_id, 'is live before its turn'
from ofa.live join ofa.job on job.id = live.job_id
join ofa.job_group on job_group.id = job.group_id
where job_group.deps_left > 0 or exists (
  select from ofa.job_group as awaited where awaited.id = job.waits_for and awaited.fired_at is null)
union all
select 'attempt ' || attempt.token, 'is open and its job does not run with it'
from ofa.attempt left join ofa.live on live.token = attempt.token
where attempt.outcome is null and live.job_id is null
union all
select 'job ' || live.job_id, 'runs without an open attempt'
from ofa.live left join ofa.attempt on attempt.token = live.token and attempt.outcome is null
where live.state = 'running' and attempt.token is null
union all
select 'job ' || attempt.job_id, count(*) || ' attempts completed it'
from ofa.attempt where attempt.outcome = 'completed'
group by attempt.job_id having count(*) > 1
union all
select 'run ' || run.id, 'state ' || run.state || ' does not fit its stages'
from ofa.run
where (run.state = 'running') <> exists (
  select from ofa.job_group where run_id = run.id and owner_job is null and fired_at is null);
