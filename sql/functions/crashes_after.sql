-- Returns the crash count of a job after an attempt. Every full hour that the attempt lasted forgives one earlier
-- crash. The attempt adds one crash if its worker was lost or if the job crashed the worker (`p_crashed` is 1).
create or replace function ofa.crashes_after(p_crashes int, p_started_at timestamptz, p_now timestamptz, p_outcome text,
  p_crashed int) returns int language sql immutable as $$
  select greatest(0, p_crashes - greatest(0, floor(date_part('epoch', p_now - p_started_at) / 3600))::int)
    + case p_outcome when 'lost' then 1 else p_crashed end
$$;
