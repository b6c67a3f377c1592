-- Deletes one checkpoint of a job. Returns the digest of its blob, NULL if it has none, or no row if there is no such
-- checkpoint.
create or replace function ofa_api_1.forget_checkpoint(p_job bigint, p_name text, p_seq bigint) returns setof bytea
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  return query delete from ofa.checkpoint where job_id = p_job and name = p_name and seq = p_seq returning digest;
end
$$;
