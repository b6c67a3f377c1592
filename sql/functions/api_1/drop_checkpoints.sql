-- Deletes all checkpoints of a job. Returns, for each, the digest of its blob, or NULL if it has none.
create or replace function ofa_api_1.drop_checkpoints(p_job bigint) returns setof bytea
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  return query delete from ofa.checkpoint where job_id = p_job returning digest;
end
$$;
