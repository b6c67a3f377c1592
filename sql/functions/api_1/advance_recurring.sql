-- Moves the next due time of a recurring run into the future, by whole periods. Records `p_run` as the last run that
-- was enqueued for the recurring run (NULL: none was enqueued this time).
create or replace function ofa_api_1.advance_recurring(p_name text, p_run bigint) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  update ofa.recurring set last_run = coalesce(p_run, last_run),
    next_at = next_at + every * (floor(extract(epoch from ofa.now() - next_at) / extract(epoch from every)) + 1)
  where name = p_name;
end
$$;
