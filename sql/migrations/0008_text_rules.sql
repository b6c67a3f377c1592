-- Lengths of texts, and queries that no stored text stops. See sql/README.md for the why.

-- JSON of a job as jsonb, whatever it holds: the json type accepts `\u0000`, half a surrogate pair and numbers
-- beyond numeric, which jsonb refuses (22P05, 22003), and one such row would stop every sum. NULL where nothing can
-- be made of it. Not parallel: it has subtransactions, which cost microseconds and take no transaction id here.
create function ofa.readable_json(p_json json) returns jsonb language plpgsql immutable as $$
begin
  return p_json::jsonb;
exception when data_exception or program_limit_exceeded then
  begin
    -- After a backslash that is itself escaped this is harmless: `\\u0000` becomes `\\ufffd`, plain text.
    return regexp_replace(p_json::text, '\\u(0000|[dD][89a-fA-F][0-9a-fA-F]{2})', '\\ufffd', 'g')::jsonb;
  exception when data_exception or program_limit_exceeded then
    return null;
  end;
end
$$;

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

-- Lengths. The programs state them in characters (200 for a name, 500 for one made of names); here they are bytes,
-- which also bound an index entry (2,704): 1,024 and 2,500. Rows that are updated must satisfy them or could never
-- change again, so older ones are cut; the other tables keep what they have.
update ofa.run set name = left(name, 180) || ' ' || id where octet_length(name) > 1024;
update ofa.job_group set stage = left(stage, 180) || ' ' || id where octet_length(stage) > 2500;
update ofa.permit_key set name = left(name, 180) || ' ' || id where octet_length(name) > 1024;
update ofa.device set name = left(name, 180) || ' ' || md5(name) where octet_length(name) > 1024;
update ofa.recurring set name = left(name, 180) || ' ' || md5(name) where octet_length(name) > 1024;

alter table ofa.run add constraint run_texts check (octet_length(name) <= 1024 and octet_length(definition_hash) <= 1024),
  add constraint run_definition check (octet_length(definition) <= 1048576) not valid;
alter table ofa.job_group add constraint job_group_texts check (octet_length(stage) <= 2500);
alter table ofa.permit_key add constraint permit_key_texts check (octet_length(name) <= 1024);
alter table ofa.device add constraint device_texts check (octet_length(name) <= 1024);
alter table ofa.recurring add constraint recurring_texts check (octet_length(name) <= 1024);
alter table ofa.lane
  add constraint lane_texts check (octet_length(kind) <= 1024 and octet_length(queue) <= 1024) not valid;
alter table ofa.paused_queue add constraint paused_queue_texts check (octet_length(name) <= 1024) not valid;
alter table ofa.unique_job add constraint unique_job_texts check (octet_length(key) <= 1024) not valid;
alter table ofa.job add constraint job_texts check (octet_length(args::text) <= 1048576) not valid;
alter table ofa.outcome add constraint outcome_texts check (octet_length(result::text) <= 1048576) not valid;
alter table ofa.checkpoint add constraint checkpoint_texts
  check (octet_length(name) <= 1024 and octet_length(payload::text) <= 1048576) not valid;
alter table ofa.artifact add constraint artifact_texts check (octet_length(kind) <= 1024
  and octet_length(role) + octet_length(name) <= 2600 and octet_length(metadata::text) <= 2097152) not valid;
