-- Returns the time `p_us` microseconds after the begin of 1970 (UTC).
create or replace function ofa.time(p_us bigint) returns timestamptz language sql immutable parallel safe as $$
  select timestamptz 'epoch' + p_us * interval '1 microsecond'
$$;
