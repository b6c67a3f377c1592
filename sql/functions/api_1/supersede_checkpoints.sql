-- Forgets the checkpoints of a job before the one before this; returns the blobs that they named.
create or replace function ofa_api_1.supersede_checkpoints(p_job bigint, p_name text, p_seq bigint)
returns setof bytea
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  return query with kept as materialized (
    select coalesce(max(seq), p_seq) as seq from ofa.checkpoint
    where job_id = p_job and name = p_name and seq < p_seq
  )
  delete from ofa.checkpoint using kept
  where job_id = p_job and name = p_name and checkpoint.seq < kept.seq
  returning checkpoint.digest;
end
$$;
