-- Sets `put_at` of a stored blob to now, because its bytes were put again, and makes the blob lasting if `p_class` is
-- lasting; returns false if the bytes were collected.
create or replace function ofa_api_1.touch_blob(p_digest bytea, p_class text) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  update ofa.blob set put_at = ofa.now(), class = case p_class when 'lasting' then 'lasting' else class end
  where digest = p_digest and collected_at is null;
  return found;
end
$$;
