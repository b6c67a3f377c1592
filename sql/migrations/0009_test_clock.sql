-- The test clock out of reach: a setting shifts the clock only where a table says that this database is one of tests. No
-- migration makes that table; whoever may make one in schema ofa owns the queue anyway.

-- The clock of every rule of the queue. In a database with the table ofa.test_clock a session may shift it, which is how
-- tests make time pass; elsewhere the setting does nothing.
create or replace function ofa.now() returns timestamptz language sql stable parallel safe as $$
  select case when nullif(current_setting('ofa.clock_offset', true), '') is null
      or to_regclass('ofa.test_clock') is null
    then statement_timestamp()
    else statement_timestamp() + current_setting('ofa.clock_offset')::interval end
$$;
