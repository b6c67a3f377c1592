-- Adds a factor set without factors, and returns its version: one above the newest.
create or replace function ofa_api_1.add_factor_set(p_note text) returns int
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  v_version int;
begin
  -- Two sets at the same time do not get one version.
  perform pg_advisory_xact_lock(7316291045);
  insert into ofa.factor_set (version, note)
  select coalesce(max(version), 0) + 1, p_note from ofa.factor_set returning version into v_version;
  return v_version;
end
$$;
