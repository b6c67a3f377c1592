-- Removes the day `p_day` and later ones from ofa.cost_day, because something is booked to it; ofa.fold_days sums them anew. A
-- day that is over may be summed at any time, which the lock excludes; today is not, but a clock that was wrong may have had it
-- summed.
create or replace function ofa.unfold_days(p_day date) returns void language plpgsql as $$
begin
  if p_day < (ofa.now() at time zone 'UTC')::date then
    perform pg_advisory_xact_lock_shared(7316291044);
  end if;
  if exists (select from ofa.cost_day where grain = 'stage' and day >= p_day) then
    delete from ofa.cost_day where day >= p_day;
  end if;
end
$$;
