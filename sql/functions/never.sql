-- Returns the due time of the waiting jobs of a held run. Finite, because programs read due times as numbers.
create or replace function ofa.never() returns timestamptz language sql immutable parallel safe as $$
  select timestamptz '9999-12-31 00:00:00+00'
$$;
