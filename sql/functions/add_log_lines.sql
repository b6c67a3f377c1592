-- Appends lines to the log of a job, in the partition of the current day (UTC). A missing partition is created.
create or replace function ofa.add_log_lines(p_job bigint, p_token bigint, p_lines text[]) returns void
language plpgsql as $$
begin
  perform ofa.open_day((ofa.now() at time zone 'UTC')::date);
  insert into ofa.job_log (job_id, token, logged_at, line)
  select p_job, p_token, ofa.now(), line from unnest(p_lines) with ordinality as said (line, place) order by place;
end
$$;
