-- Closes the oldest month that ended at least `p_days` days ago and whose runs all ended at least `p_days` days ago.
-- The partitions of a closed month's jobs may be dropped. Returns the closed month, or no row if there is no such
-- month. The arguments of jobs that made artifacts are copied to ofa.recipe. A retry of jobs locks the month of their
-- run (hold_month). So either this function waits for the retry and then finds the run unfinished, or the retry finds
-- the month closed. Raises invalid_parameter_value if `p_days` is less than 1.
create or replace function ofa_api_1.close_month(p_days int) returns setof int
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  v_month int;
begin
  if p_days < 1 then raise exception 'jobs are kept for a day or more' using errcode = 'invalid_parameter_value'; end if;
  for v_month in
    select parts[1]::int from pg_class
    cross join lateral regexp_match(relname, '^job_([0-9]{6})$') as parts
    where relnamespace = 'ofa'::regnamespace and relkind = 'r' and parts is not null
      and to_date(parts[1], 'YYYYMM') + interval '1 month' <= (ofa.now() at time zone 'UTC')::date - p_days
      and not exists (select from ofa.closed_month where month = parts[1]::int)
    order by 1
  loop
    perform pg_advisory_xact_lock(73162910, v_month);
    continue when exists (
      select from ofa.run where month = v_month
        and (ended_at is null or ended_at > ofa.now() - make_interval(days => p_days)));
    insert into ofa.recipe (job_id, kind, args)
    select id, kind, args from ofa.job
    where month = v_month and exists (select from ofa.artifact where artifact.job_id = job.id)
    order by id on conflict do nothing;
    insert into ofa.closed_month (month) values (v_month);
    return next v_month;
    return;
  end loop;
end
$$;
