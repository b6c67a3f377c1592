-- Returns the share `p_part` (0 to 1) of the whole number `p_amount`, rounded; all of it if the share is 1.
create or replace function ofa.share(p_amount bigint, p_part numeric) returns bigint language sql immutable parallel safe as $$
  select round(p_amount * p_part)::bigint
$$;
