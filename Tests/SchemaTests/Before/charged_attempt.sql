-- Every ended attempt with what it used. An attempt without a meter row is a gap: its energy is NULL.
-- A lost attempt is charged until its worker's last sign of life. The device is the `name` in the `device`
-- of the job's arguments, wherever it stands; jobs without one serve all devices.
drop view if exists ofa.charged_attempt;
create or replace view ofa.charged_attempt as
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
  job.stage, jsonb_path_query_first(ofa.readable_json(job.args), '$.**.device.name') #>> '{}' as device,
  ended.host, ended.zone, ended.wall_ns, ended.cpu_ns, ended.energy_uj, ended.energy_low_uj,
  ended.energy_high_uj, ended.method, ended.tier
from ended join ofa.job on job.id = ended.job_id;
