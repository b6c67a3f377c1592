-- Returns whether an attempt of the run `p_run` has begun. That is a fact and not a comparison of times, so that it also holds
-- after the clock was set back. Jobs that were released before they started have not begun.
create or replace function ofa.has_begun(p_run bigint) returns boolean language sql stable as $$
  select exists (
      select from ofa.account join ofa.spent on spent.account_id = account.id where account.run_id = p_run)
    or exists (select from ofa.live where live.run_id = any (array[p_run]) and live.state = 'running')
$$;
