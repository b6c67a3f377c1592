-- Ends attempts. Returns how many jobs became available or scheduled, which attempts had ended the same way before, and
-- which others were refused (`fenced`): see ofa.end_attempts.
create or replace function ofa_api_1.end_attempts(p_session uuid, p_jobs bigint[], p_tokens bigint[],
  p_outcomes text[], p_results text[], p_reasons text[], p_delays float8[], p_crashes int[], p_fanned_out boolean[],
  p_locked boolean, p_zone text, p_methods text[], p_tiers text[], p_walls bigint[], p_cpus bigint[],
  p_energies bigint[], p_energies_low bigint[], p_energies_high bigint[])
returns table (freed int, already int[], fenced int[])
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  return query select * from ofa.end_attempts(p_session, p_jobs, p_tokens, p_outcomes, p_results, p_reasons, p_delays,
    p_crashes, p_fanned_out, p_locked, p_zone, p_methods, p_tiers, p_walls, p_cpus, p_energies, p_energies_low,
    p_energies_high);
end
$$;
