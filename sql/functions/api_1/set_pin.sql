-- Pins a blob, or replaces the reason of its pin.
create or replace function ofa_api_1.set_pin(p_digest bytea, p_reason text) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  insert into ofa.pin (digest, reason) values (p_digest, p_reason)
  on conflict (digest) do update set reason = excluded.reason, pinned_at = ofa.now();
end
$$;
