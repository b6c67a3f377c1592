-- Returns those attempts of the jobs `p_jobs` that ended between `p_from` (NULL: no lower bound) and `p_until`, with a
-- day of tolerance on both sides, because clocks can be changed. The query is planned at each call for the given times,
-- so that only the partitions of these days are locked: a cached plan would lock all partitions.
create or replace function ofa.attempts_of(p_jobs bigint[], p_from timestamptz, p_until timestamptz)
returns setof ofa.attempt language plpgsql stable set enable_seqscan = off as $$
begin
  if cardinality(p_jobs) > 0 then
    return query execute 'select * from ofa.attempt where job_id = any ($1) and ended_at between $2 and $3'
      using p_jobs, coalesce(p_from, '-infinity') - interval '1 day', p_until + interval '1 day';
  end if;
end
$$;
