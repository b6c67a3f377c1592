-- Lets a role read everything; with `p_works` also write through the API, for workers and producers. Without `p_works`
-- that privilege is revoked. Must be called by the owner; also applies to future tables and functions.
create or replace function ofa.grant_access(p_role text, p_works boolean) returns void language plpgsql as $$
begin
  execute format('grant usage on schema ofa to %I', p_role);
  execute format('grant select on all tables in schema ofa to %I', p_role);
  execute format('alter default privileges in schema ofa grant select on tables to %I', p_role);
  -- The functions that queries use.
  execute format('grant execute on function ofa.now(), ofa.attempts_of(bigint[], timestamptz, timestamptz) to %I', p_role);
  if p_works then
    -- Usage of the schema suffices to execute its functions, including those of later versions.
    execute format('grant usage on schema ofa_api_1 to %I', p_role);
  else
    execute format('revoke usage on schema ofa_api_1 from %I', p_role);
  end if;
end
$$;
