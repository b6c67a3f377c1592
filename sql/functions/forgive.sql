-- The crashes of a job that still count after an attempt: every hour of work takes one back that came before it.
create or replace function ofa.forgive(p_crashes int, p_started_at timestamptz, p_now timestamptz) returns int
language sql immutable as $$
  select greatest(0, p_crashes - greatest(0, floor(extract(epoch from p_now - p_started_at) / 3600))::int)
$$;
