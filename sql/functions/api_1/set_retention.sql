-- Sets how many days data of the kind `p_what` is kept.
create or replace function ofa_api_1.set_retention(p_what text, p_days int) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  insert into ofa.retention (what, keep) values (p_what, make_interval(days => p_days))
  on conflict (what) do update set keep = excluded.keep;
end
$$;
