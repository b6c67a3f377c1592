-- Takes the unique keys of the reopened jobs `p_jobs`. Returns the jobs whose key is held by another unfinished job
-- (`holder`; NULL if that job is one of `p_jobs` too).
create or replace function ofa_api_1.take_keys(p_jobs bigint[])
returns table (id bigint, unique_key text, holder bigint)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
begin
  return query with wanted as materialized (
    select job.id, job.unique_key from ofa.job where job.id = any (p_jobs) and job.unique_key is not null
  ), taken as (
    insert into ofa.unique_job (key, job_id) select unique_key, id from wanted order by unique_key, id
    on conflict do nothing
    returning job_id
  )
  select wanted.id, wanted.unique_key,
    (select unique_job.job_id from ofa.unique_job where unique_job.key = wanted.unique_key)
  from wanted where wanted.id not in (select job_id from taken) order by wanted.id;
end
$$;
