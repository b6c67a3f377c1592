-- Each job with its state, attempts and times. An attempt is counted if it ended between a day before the creation of
-- the job and a day from now: a day of tolerance, because clocks can be changed.
drop view if exists ofa.job_state;
create or replace view ofa.job_state as
select job.id, job.run_id, job.group_id, job.stage, job.ordinal, job.path, job.kind, account.device, job.args, lane.queue,
  coalesce(outcome.state, live.state, 'blocked') as state, coalesce(live.attempt, 0) as attempt,
  tried.attempts + case when live.state = 'running' then 1 else 0 end as attempts, tried.lost,
  job.max_attempts, live.due_at, live.started_at, live.cancel, outcome.result, outcome.reason,
  outcome.ended_at, progress.fraction, progress.message, job.created_at, lane.priority,
  permit_key.name as key, lane.threads, lane.memory_mb, extract(epoch from job.timeout)::float8 as timeout_seconds,
  extract(epoch from job.stall)::float8 as stall_seconds, live.deadline_at, live.stall_at,
  coalesce(live.crashes, 0) as crashes
from ofa.job
join ofa.lane on lane.id = job.lane_id
join ofa.account on account.id = job.account_id
left join ofa.permit_key on permit_key.id = lane.key_id
left join ofa.live on live.job_id = job.id
left join ofa.outcome on outcome.month = job.month and outcome.job_id = job.id
left join ofa.progress on progress.month = job.month and progress.job_id = job.id
cross join lateral (
  select count(*) filter (where attempt.outcome <> 'unbegun') as attempts,
    count(*) filter (where attempt.outcome = 'lost') as lost from ofa.attempt
  where attempt.job_id = job.id and attempt.ended_at >= job.created_at - interval '1 day'
    and attempt.ended_at < ofa.now() + interval '1 day') as tried;
