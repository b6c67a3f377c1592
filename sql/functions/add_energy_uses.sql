-- Appends what attempts used of a machine, and returns how many of these uses began before `p_allocated_until`: that part of
-- a use is a gap, because the energy of its time is allocated already. A use that is known already is not appended again.
create or replace function ofa.add_energy_uses(p_host int, p_allocated_until timestamptz, p_tokens bigint[], p_jobs bigint[],
  p_from_us bigint[], p_untils_us bigint[], p_reserved bigint[], p_cpus bigint[], p_zone text, p_tier text)
returns int language plpgsql as $$
declare
  v_gaps ofa.energy_piece[];
begin
  with added as (
    insert into ofa.energy_use (host_id, job_id, token, account_id, used_from, used_until, reserved_ns, cpu_ns)
    select p_host, job, token, account_id, used_from, used_until, reserved, cpu
    from (
      select job, token, ofa.time(from_us) as used_from, ofa.time(until_us) as used_until, reserved, cpu, coalesce(
        (select account_id from ofa.live where live.job_id = given.job),
        (select account_id from ofa.job where job.id = given.job)) as account_id
      from unnest(p_tokens, p_jobs, p_from_us, p_untils_us, p_reserved, p_cpus)
        as given (token, job, from_us, until_us, reserved, cpu)) as found
    -- A job without a row was dropped with its month.
    where account_id is not null
    on conflict do nothing
    returning job_id, token, account_id, used_from, least(used_until, p_allocated_until) as until, cpu_ns,
      reserved_ns,
      (1000000 * extract(epoch from used_until - used_from))::bigint as whole_us
  )
  select array_agg((p_host, used_from, 'attempt', job_id, token, account_id, p_zone, 'gap: reported too late', p_tier, used_ns,
    div(cpu_ns::numeric * used_ns, 1000 * whole_us)::bigint, null, null, null,
    div(reserved_ns::numeric * used_ns, 1000 * whole_us)::bigint, null)::ofa.energy_piece)
  into v_gaps
  from (select *, 1000 * (1000000 * extract(epoch from until - used_from))::bigint as used_ns from added) as part
  where until > used_from;
  if v_gaps is null then return 0; end if;
  perform ofa.book_energy(v_gaps);
  return cardinality(v_gaps);
end
$$;
