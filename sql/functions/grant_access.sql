-- Lets the role `p_role` read all tables. With `p_works`, the role may also write through the API (schema ofa_api_1),
-- as workers and producers do; without `p_works`, this privilege is revoked. Only the owner of the schema may call this
-- function. The privileges extend to tables and API functions that later versions add.
create or replace function ofa.grant_access(p_role text, p_works boolean) returns void language plpgsql as $$
begin
  execute format('grant usage on schema ofa to %I', p_role);
  execute format('grant select on all tables in schema ofa to %I', p_role);
  execute format('alter default privileges in schema ofa grant select on tables to %I', p_role);
  -- Read-only statements in sql/queries call these functions.
  execute format('grant execute on function ofa.now(), ofa.attempts_of(bigint[], timestamptz, timestamptz),
    ofa.priced_lines(bigint[], date, date, int, text, text), ofa.cost_lines(bigint[]),
    ofa.cost_since(date, date), ofa.cost_rates(date, date, date, int, text, text),
    ofa.factor_periods(int, text, text), ofa.host_spans(),
    ofa.cost_sums(text, bigint[], date, date, int, text, text),
    ofa.cost_totals(text, bigint, date, date, int, text, text) to %I', p_role);
  if p_works then
    -- Usage of the schema suffices to execute its functions, including those of later versions.
    execute format('grant usage on schema ofa_api_1 to %I', p_role);
  else
    execute format('revoke usage on schema ofa_api_1 from %I', p_role);
  end if;
end
$$;
