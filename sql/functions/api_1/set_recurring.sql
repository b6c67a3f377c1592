-- Adds or replaces a recurring run, which is first due at `p_next_at` (NULL: now).
create or replace function ofa_api_1.set_recurring(p_name text, p_spec json, p_every_seconds float8,
  p_next_at timestamptz)
returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  insert into ofa.recurring (name, spec, every, next_at)
  values (p_name, p_spec, make_interval(secs => p_every_seconds), coalesce(p_next_at, ofa.now()))
  on conflict (name) do update set spec = excluded.spec, every = excluded.every, next_at = excluded.next_at;
end
$$;
