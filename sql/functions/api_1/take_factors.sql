-- Adds to a set, in the transaction that added it, the factors of the set `p_base` for periods of which it has none of the
-- same kind, zone, type and signal; returns how many. A factor whose period overlaps is not taken, not even in part.
create or replace function ofa_api_1.take_factors(p_version int, p_base int) returns int
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  v_taken int;
begin
  if not exists (select from ofa.factor_set where version = p_version and xmin = pg_current_xact_id()::xid) then
    raise exception 'factor set % is complete', p_version using errcode = 'restrict_violation';
  end if;
  insert into ofa.factor (version, kind, zone, valid_from, valid_until, value, low, high, unit, type, signal, source,
    licence, vintage)
  select p_version, kind, zone, valid_from, valid_until, value, low, high, unit, type, signal, source, licence, vintage
  from ofa.factor where version = p_base
  on conflict do nothing;
  get diagnostics v_taken = row_count;
  return v_taken;
end
$$;
