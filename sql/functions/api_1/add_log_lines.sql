-- Appends lines to the log of a job.
create or replace function ofa_api_1.add_log_lines(p_job bigint, p_token bigint, p_lines text[]) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  perform ofa.add_log_lines(p_job, p_token, p_lines);
end
$$;
