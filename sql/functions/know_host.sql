-- Returns the id of the machine with the identity `p_identity`. Inserts the machine if it is unknown, and updates its
-- name if the name has changed.
create or replace function ofa.know_host(p_identity text, p_name text) returns int language plpgsql as $$
declare
  v_host int;
begin
  select id into v_host from ofa.host where identity = p_identity and name = p_name;
  if not found then
    insert into ofa.host (identity, name) values (p_identity, p_name)
    on conflict (identity) do update set name = excluded.name returning id into v_host;
  end if;
  return v_host;
end
$$;
