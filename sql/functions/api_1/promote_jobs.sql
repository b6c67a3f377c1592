-- Makes up to `p_limit` due jobs (scheduled or retryable) available; returns how many.
create or replace function ofa_api_1.promote_jobs(p_limit int) returns int
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  return ofa.promote(p_limit);
end
$$;
