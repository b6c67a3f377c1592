-- Creates the missing partitions for the days from today to `p_days` ahead and for their months. Stops after `p_most`
-- days for which partitions were missing; returns how many partitions it created.
create or replace function ofa.partitions_ahead(p_days int, p_most int) returns int language plpgsql as $$
declare
  v_today date := (ofa.now() at time zone 'UTC')::date;
  v_opened int;
  v_made int := 0;
begin
  for v_ahead in 0 .. p_days loop
    v_opened := ofa.open_day(v_today + v_ahead) + ofa.open_month(to_char(v_today + v_ahead, 'YYYYMM')::int);
    v_made := v_made + v_opened;
    if v_opened > 0 then p_most := p_most - 1; end if;
    exit when p_most <= 0;
  end loop;
  return v_made;
end
$$;

select ofa.partitions_ahead(7, 8);
