-- Makes the stage `p_child` wait for the stage `p_parent`; `p_on_bad` says what happens to `p_child` if `p_parent` ends
-- badly (its `good` is false).
create or replace function ofa_api_1.add_edge(p_parent bigint, p_child bigint, p_on_bad text) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  insert into ofa.group_edge (month, parent, child, on_bad)
  select month, p_parent, p_child, p_on_bad from ofa.job_group where id = p_child;
end
$$;
