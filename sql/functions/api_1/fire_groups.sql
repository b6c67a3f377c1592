-- Fires those of the groups `p_groups`, all of one run, that are decided (all jobs have ended, or the quorum has
-- completed) and have not fired yet: see ofa.fire. Returns how many jobs became available or scheduled. The run must be
-- locked.
create or replace function ofa_api_1.fire_groups(p_groups bigint[]) returns int
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  return ofa.fire(p_groups);
end
$$;
