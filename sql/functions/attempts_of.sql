-- The attempts of some jobs that ended between two moments, or up to a day off: clocks are set. NULL is any time before.
-- Planned anew at each call, so that only the partitions of those days are locked: a plan that is kept, or days that are
-- known only when it runs, lock those of all days there are.
create or replace function ofa.attempts_of(p_jobs bigint[], p_from timestamptz, p_until timestamptz)
returns setof ofa.attempt language plpgsql stable set enable_seqscan = off as $$
begin
  if cardinality(p_jobs) > 0 then
    return query execute 'select * from ofa.attempt where job_id = any ($1) and ended_at between $2 and $3'
      using p_jobs, coalesce(p_from, '-infinity') - interval '1 day', p_until + interval '1 day';
  end if;
end
$$;
