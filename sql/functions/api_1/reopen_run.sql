-- Makes an ended run unfinished again and removes its cancel request, so that its jobs can be retried. The run must be
-- locked.
create or replace function ofa_api_1.reopen_run(p_run bigint) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  update ofa.run set state = 'running', ended_at = null, cancel_requested_at = null where id = p_run;
end
$$;
