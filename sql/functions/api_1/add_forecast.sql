-- Adds a forecast without hours, and returns it. Runs that are deferred at the same time are planned by it, or are found by the
-- planning that follows in this transaction: the two wait for each other here (ofa_api_1.defer_run).
create or replace function ofa_api_1.add_forecast(p_zone text, p_type text, p_signal text, p_issued_us bigint, p_source text,
  p_licence text) returns bigint
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  v_forecast bigint;
begin
  perform pg_advisory_xact_lock(7316291046);
  insert into ofa.forecast (zone, type, signal, issued_at, source, licence)
  values (p_zone, p_type, p_signal, ofa.time(p_issued_us), p_source, p_licence) returning id into v_forecast;
  return v_forecast;
end
$$;
