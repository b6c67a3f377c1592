-- Removes the folder store; returns false if it holds blobs or does not exist.
create or replace function ofa_api_1.remove_store() returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  delete from ofa.store
  where name = 'folder' and not exists (select from ofa.blob where store = 'folder' and collected_at is null);
  return found;
end
$$;
