-- Adds factors to a set, in the transaction that added the set. Times are microseconds since 1970, NULL is no bound. Returns
-- the place (from 1) of the first factor whose period overlaps that of one before it with the same kind, zone, type and
-- signal; 0 if there is none, otherwise the caller rolls back.
create or replace function ofa_api_1.add_factors(p_version int, p_kinds text[], p_zones text[], p_from_us bigint[],
  p_until_us bigint[], p_values text[], p_lows text[], p_highs text[], p_units text[], p_types text[], p_signals text[],
  p_sources text[], p_licences text[], p_vintages text[])
returns int
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  v_place int;
begin
  if not exists (select from ofa.factor_set where version = p_version and xmin = pg_current_xact_id()::xid) then
    raise exception 'factor set % is complete', p_version using errcode = 'restrict_violation';
  end if;
  with given as (
    select place, kind, zone, coalesce(ofa.time(from_us), '-infinity') as valid_from,
      coalesce(ofa.time(until_us), 'infinity') as valid_until, value::numeric, low::numeric, high::numeric, unit, type,
      signal, source, licence, vintage,
      row_number() over (partition by kind, zone, type, signal, from_us, until_us order by place) as times
    from unnest(p_kinds, p_zones, p_from_us, p_until_us, p_values, p_lows, p_highs, p_units, p_types, p_signals, p_sources,
      p_licences, p_vintages) with ordinality as one (kind, zone, from_us, until_us, value, low, high, unit, type, signal,
      source, licence, vintage, place)
  ), added as (
    insert into ofa.factor (version, kind, zone, valid_from, valid_until, value, low, high, unit, type, signal, source,
      licence, vintage)
    select p_version, kind, zone, valid_from, valid_until, value, low, high, unit, type, signal, source, licence, vintage
    from given order by place
    on conflict do nothing
    returning kind, zone, type, signal, valid_from, valid_until
  )
  select coalesce(min(place), 0) into v_place from given
  where times > 1 or not exists (
    select from added where (added.kind, added.zone, added.type, added.signal, added.valid_from, added.valid_until)
      = (given.kind, given.zone, given.type, given.signal, given.valid_from, given.valid_until));
  return v_place;
end
$$;
