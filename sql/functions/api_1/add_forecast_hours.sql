-- Adds hours to a forecast, in the transaction that added it; times are microseconds since 1970. Returns the place (from 1) of
-- the first hour that was there before; 0 if there is none, otherwise the caller rolls back.
create or replace function ofa_api_1.add_forecast_hours(p_forecast bigint, p_from_us bigint[], p_values float8[],
  p_lows float8[], p_highs float8[]) returns int
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  v_place int;
begin
  if not exists (select from ofa.forecast where id = p_forecast and xmin = pg_current_xact_id()::xid) then
    raise exception 'forecast % is complete', p_forecast using errcode = 'restrict_violation';
  end if;
  select coalesce(min(place), 0) into v_place from (
    select place, from_us, row_number() over (partition by from_us order by place) as times
    from unnest(p_from_us) with ordinality as one (from_us, place)) as given
  where times > 1 or exists (
    select from ofa.forecast_hour where forecast_id = p_forecast and hour = ofa.time(given.from_us));
  if v_place > 0 then return v_place; end if;
  insert into ofa.forecast_hour (forecast_id, hour, value, low, high)
  select p_forecast, ofa.time(from_us), value, low, high
  from unnest(p_from_us, p_values, p_lows, p_highs) as one (from_us, value, low, high);
  return 0;
end
$$;
