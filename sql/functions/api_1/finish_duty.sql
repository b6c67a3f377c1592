-- Records that a duty (a maintenance task, done by one worker at a time) was done now.
create or replace function ofa_api_1.finish_duty(p_name text) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  insert into ofa.duty (name, done_at) values (p_name, ofa.now())
  on conflict (name) do update set done_at = excluded.done_at;
end
$$;
