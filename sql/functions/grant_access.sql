-- Lets the role `p_role` read all tables. With `p_works`, the role may also write through the API (schema ofa_api_1),
-- as workers and producers do; without `p_works`, this privilege is revoked. Only the owner of the schema may call this
-- function. The privileges extend to tables and API functions that later versions add.
create or replace function ofa.grant_access(p_role text, p_works boolean) returns void language plpgsql as $$
begin
  execute format('grant usage on schema ofa to %I', p_role);
  execute format('grant select on all tables in schema ofa to %I', p_role);
  execute format('alter default privileges in schema ofa grant select on tables to %I', p_role);
  perform ofa.grant_reading(p_role);
  if p_works then
    -- Usage of the schema suffices to execute its functions, including those of later versions.
    execute format('grant usage on schema ofa_api_1 to %I', p_role);
  else
    execute format('revoke usage on schema ofa_api_1 from %I', p_role);
  end if;
end
$$;
