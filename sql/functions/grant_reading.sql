-- Lets the role `p_role` execute the functions that read-only statements in sql/queries call, and read how many leases there
-- were.
create or replace function ofa.grant_reading(p_role text) returns void language plpgsql as $$
begin
  execute format('grant execute on function ofa.now(), ofa.attempts_of(bigint[], timestamptz, timestamptz),
    ofa.priced_lines(bigint[], date, date, int, text, text), ofa.cost_lines(bigint[]),
    ofa.cost_since(date, date), ofa.cost_rates(date, date, date, int, text, text),
    ofa.factor_periods(int, text, text), ofa.host_spans(),
    ofa.cost_sums(text, bigint[], date, date, int, text, text),
    ofa.cost_totals(text, bigint, date, date, int, text, text), ofa.has_begun(bigint) to %I', p_role);
  execute format('grant select on sequence ofa.lease_token to %I', p_role);
end
$$;
