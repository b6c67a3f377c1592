-- Lets a role read everything; with `p_works` also write through the API, as workers and those who enqueue do. Said anew
-- without, it only reads. The owner calls it; it holds for tables and functions to come.
create or replace function ofa.grant_access(p_role text, p_works boolean) returns void language plpgsql as $$
begin
  execute format('grant usage on schema ofa to %I', p_role);
  execute format('grant select on all tables in schema ofa to %I', p_role);
  execute format('alter default privileges in schema ofa grant select on tables to %I', p_role);
  -- What reads tell time by, and find attempts with.
  execute format('grant execute on function ofa.now(), ofa.attempts_of(bigint[], timestamptz, timestamptz) to %I', p_role);
  if p_works then
    -- Everybody may execute its functions who may use the schema: also those of later versions.
    execute format('grant usage on schema ofa_api_1 to %I', p_role);
  else
    execute format('revoke usage on schema ofa_api_1 from %I', p_role);
  end if;
end
$$;
