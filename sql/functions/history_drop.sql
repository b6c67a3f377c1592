-- Drops the days before one; what their attempts cost stays: those without a meter row get one that says so.
create or replace function ofa.history_drop(p_before date) returns text[] language plpgsql as $$
declare
  v_name text;
  v_dropped text[] := '{}';
begin
  perform pg_advisory_xact_lock(7316291043);
  for v_name in
    select relname from pg_inherits join pg_class on pg_class.oid = inhrelid
    where inhparent in ('ofa.attempt'::regclass, 'ofa.job_log'::regclass) and relname ~ '_[0-9]{8}$'
      and to_date(right(relname, 8), 'YYYYMMDD') < p_before
    order by relname
  loop
    if v_name like 'attempt%' then
      execute format('insert into ofa.meter (token, job_id, attempt, outcome, started_at, host, wall_ns, method, tier) '
        'select charged.token, charged.job_id, charged.attempt, charged.outcome, charged.started_at, charged.host, '
        'charged.wall_ns, charged.method, ''U'' from ofa.%I as old '
        'join ofa.charged_attempt as charged on charged.token = old.token '
        'where not exists (select from ofa.meter where meter.token = old.token)', v_name);
    end if;
    execute format('drop table ofa.%I', v_name);
    v_dropped := v_dropped || v_name;
  end loop;
  return v_dropped;
end
$$;

select ofa.history_ahead(7);
-- Lengths of texts, and queries that no stored text stops. See sql/README.md for the why.
