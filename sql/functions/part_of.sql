-- Returns the part of the whole number `p_amount` that falls to one of several weights in a row: `p_weight`, which ends at
-- `p_upto` of their sum `p_whole`. All parts add up to the amount exactly, because each is the difference of two rounded
-- amounts, and each is within 1 of its exact share. If all weights are 0, the part with `p_is_last` is the whole amount.
create or replace function ofa.part_of(p_amount bigint, p_upto numeric, p_weight bigint, p_whole numeric,
  p_is_last boolean) returns bigint language sql immutable parallel safe as $$
  select case when p_whole > 0
    then (div(p_amount * p_upto, p_whole) - div(p_amount * (p_upto - p_weight), p_whole))::bigint
    when p_is_last then p_amount else 0 end
$$;
