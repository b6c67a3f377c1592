-- The crashes of a job that still count after an attempt: every hour of work takes one back that came before it, and the
-- attempt adds its own, where its worker is to blame.
create or replace function ofa.crashes_after(p_crashes int, p_started_at timestamptz, p_now timestamptz, p_outcome text,
  p_crashed int) returns int language sql immutable as $$
  select greatest(0, p_crashes - greatest(0, floor(date_part('epoch', p_now - p_started_at) / 3600))::int)
    + case p_outcome when 'lost' then 1 else p_crashed end
$$;
