-- The attempts of some jobs that ended between two times, with a day of tolerance for clock changes. NULL means any
-- time before. Planned at each call with literal days, so that only the partitions of those days are locked: a cached
-- plan, or days known only at execution, would lock the partitions of all days.
create or replace function ofa.attempts_of(p_jobs bigint[], p_from timestamptz, p_until timestamptz)
returns setof ofa.attempt language plpgsql stable set enable_seqscan = off as $$
begin
  if cardinality(p_jobs) > 0 then
    return query execute 'select * from ofa.attempt where job_id = any ($1) and ended_at between $2 and $3'
      using p_jobs, coalesce(p_from, '-infinity') - interval '1 day', p_until + interval '1 day';
  end if;
end
$$;
