-- Ends attempts. For fencing, an attempt ends only if the row of its job in ofa.live still has the token and the
-- session of the attempt.
--
-- A worker passes its session, and for each attempt the job, the token and an outcome: completed, failed (`p_delays` is
-- the pause before the retry in seconds, NULL for no retry), cancelled, released (`p_crashes` is 1 if the job crashed
-- its worker), or unbegun (released before it started: nothing is charged). All outcomes except released and unbegun
-- require that the session has not expired. A worker that ends an attempt of another worker passes no session, and the
-- outcome lost (the session is over) or overdue (the other worker does not stop the job; `p_delays` as for failed). The
-- arrays after `p_tokens` may be shorter; missing elements mean: completed, no crash, no fan-out, not metered. The method ''
-- says that the use of the attempt is reported in pieces (ofa_api_1.add_energy).
-- `p_locked` says that this transaction has locked the leases while the session was valid; the session may expire after
-- that. ofa.count_down handles the consequences for runs, groups and the ledger.
--
-- Returns how many jobs became available or scheduled (`freed`), and the indices (from 1) of the attempts that were not
-- ended: `already` if an attempt with this token ended the same way before, else `fenced`.
create or replace function ofa.end_attempts(p_session uuid, p_jobs bigint[], p_tokens bigint[], p_outcomes text[],
  p_results text[], p_reasons text[], p_delays float8[], p_crashes int[], p_fanned_out boolean[], p_locked boolean,
  p_zone text, p_methods text[], p_tiers text[], p_walls bigint[], p_cpus bigint[], p_energies bigint[],
  p_energies_low bigint[], p_energies_high bigint[])
returns table (freed int, already int[], fenced int[]) language plpgsql
set plan_cache_mode = force_generic_plan set enable_seqscan = off
set enable_hashjoin = off set enable_mergejoin = off as $$
#variable_conflict use_column
declare
  v_now timestamptz := ofa.now();
  v_today date := (ofa.now() at time zone 'UTC')::date;
  v_session bigint;
  v_host int;
  v_valid boolean := false;
  v_ended int[];
  v_runs bigint[];
  v_counts ofa.end_count[];
  v_spent ofa.spent[];
  v_freed int;
begin
  select id, host_id, state = 'alive' and beat_at + ttl > v_now into v_session, v_host, v_valid
  from ofa.session where uuid = p_session;
  perform ofa.open_day(v_today);

  -- The rows of ofa.live are deleted in the order of their job_id, so that two calls cannot deadlock.
  with gone as (
    delete from ofa.live using (
      select job, token, coalesce(outcome, 'completed') as outcome,
        case outcome when 'overdue' then 'failed' else coalesce(outcome, 'completed') end as ended_as, result, reason, delay,
        coalesce(crashed, 0) as crashed, coalesce(fanned_out, false) as fanned_out,
        method, tier, wall, cpu, energy, energy_low, energy_high, place
      from unnest(p_jobs, p_tokens, p_outcomes, p_results, p_reasons, p_delays, p_crashes, p_fanned_out,
          p_methods, p_tiers, p_walls, p_cpus, p_energies, p_energies_low, p_energies_high)
        with ordinality as one (job, token, outcome, result, reason, delay, crashed, fanned_out,
          method, tier, wall, cpu, energy, energy_low, energy_high, place)
      order by job offset 0) as given
    -- This form of the condition leaves a look-up by the primary key as the only plan. Otherwise, with few running
    -- jobs, the planner would scan all jobs of the session for each attempt.
    where live.job_id = any (array[given.job]) and live.token = given.token
      and case
        when p_session is not null then live.session_id = v_session
          and (v_valid or p_locked or given.outcome in ('released', 'unbegun'))
        when given.outcome = 'lost' then exists (
          select from ofa.session where session.id = live.session_id and session.state <> 'alive')
        when given.outcome = 'overdue' then exists (
          select from ofa.session where session.id = live.session_id
            and least(live.deadline_at, live.stall_at) + session.ttl < v_now)
        else false end
    returning given.*, live.month, live.run_id, live.group_id, live.account_id, live.lane_id, live.session_id,
      live.started_at, live.attempt, live.max_attempts, live.max_crashes,
      ofa.crashes_after(live.crashes, live.started_at, v_now, given.outcome, given.crashed) as crashes, case
      when given.outcome in ('completed', 'cancelled') then given.outcome
      -- A job with a cancel request is not retried, whatever the outcome of the attempt.
      when live.cancel then 'cancelled'
      when given.outcome in ('released', 'unbegun', 'lost') then
        case when ofa.crashes_after(live.crashes, live.started_at, v_now, given.outcome, given.crashed)
          > live.max_crashes then 'discarded' else 'available' end
      when given.delay is null or live.attempt >= live.max_attempts then 'discarded'
      else 'retryable' end as verdict
  ), tried as (
    insert into ofa.attempt (token, job_id, attempt, session_id, started_at, ended_at, outcome, error)
    select token, job, attempt, session_id, started_at, v_now, ended_as, reason from gone
  ), back as (
    -- Jobs of a held run wait for ofa.never().
    insert into ofa.live (job_id, month, run_id, group_id, account_id, lane_id, attempt, max_attempts, crashes,
      max_crashes, state, due_at)
    select job, month, run_id, group_id, account_id, lane_id, attempt - case verdict when 'available' then 1 else 0 end,
      max_attempts, crashes, max_crashes, case when is_held then 'scheduled' else verdict end,
      case when is_held then ofa.never() when verdict = 'retryable' then v_now + make_interval(secs => delay) end
    from gone cross join lateral (select exists (
      select from ofa.run_hold where run_hold.run_id = any (array[gone.run_id])) as is_held) as hold
    where verdict in ('available', 'retryable')
  ), ended as (
    insert into ofa.outcome (job_id, month, group_id, state, result, reason, fanned_out, ended_at)
    select job, month, group_id, verdict, case verdict when 'completed' then result::json end,
      case when verdict = 'completed' then null
        when verdict = 'cancelled' and outcome <> 'cancelled' then 'cancelled on demand'
        when outcome = 'lost' then crashes || ' workers were lost while working on it'
        when outcome = 'released' then 'crashed too often: ' || reason
        else reason end,
      fanned_out and verdict = 'completed', v_now
    from gone where verdict in ('completed', 'cancelled', 'discarded')
  ), metered as (
    insert into ofa.meter (token, account_id, host_id, job_id, attempt, outcome, started_at, ended_at, zone, wall_ns,
      cpu_ns, energy_uj, energy_low_uj, energy_high_uj, method, tier)
    select token, account_id, coalesce(v_host, (select host_id from ofa.session where session.id = gone.session_id)), job,
      attempt, ended_as, started_at, v_now, p_zone, wall, cpu, energy, energy_low, energy_high, method, tier
    from gone where method <> ''
  ), summed as (
    -- The energy of an attempt that is reported in pieces is in ofa.energy_hour: its worker passes the method '', or has
    -- reported a piece before it was lost. Another attempt whose energy is unknown is counted as a gap. An attempt without
    -- a meter row is charged with its duration, or, if it was lost, with the time until the last heartbeat of its session.
    select account_id, coalesce(v_host, (select host_id from ofa.session where session.id = gone.session_id)) as host_id,
      case when method is null then '' else coalesce(p_zone, '') end as zone,
      case when is_in_pieces then '' else method end as method,
      case when method is null and not is_in_pieces then ended_as end as gap,
      case when energy is null then '' else tier end as tier,
      count(*) as attempts, count(*) filter (where ended_as <> 'completed') as not_completed,
      count(*) filter (where ended_as = 'failed') as failed, count(*) filter (where ended_as = 'lost') as lost,
      count(*) filter (where energy is null and not is_in_pieces) as gaps,
      sum(coalesce(wall, 1000 * greatest(0, round(1000000 * date_part('epoch', case outcome when 'lost'
        then (select beat_at from ofa.session where session.id = gone.session_id)
        else v_now end - started_at)))::bigint))::bigint as wall,
      coalesce(sum(cpu), 0)::bigint as cpu, coalesce(sum(energy), 0)::bigint as energy,
      coalesce(sum(energy_low), 0)::bigint as energy_low, coalesce(sum(energy_high), 0)::bigint as energy_high,
      min(started_at) as first_started_at, min(token) as first_token
    from (
      select *, coalesce(method = '', p_session is null and exists (select from ofa.energy_use as used
        where used.token = gone.token and used.used_until >= gone.started_at - interval '1 day')) as is_in_pieces
      from gone where ended_as <> 'unbegun') as gone
    group by 1, 2, 3, 4, 5, 6
  ), counted as (
    select run_id, month, group_id, count(*) filter (where verdict = 'completed')::int as ok,
      count(*) filter (where verdict in ('cancelled', 'discarded'))::int as bad,
      count(*) filter (where verdict = 'available')::int as freed
    from gone group by run_id, month, group_id
  )
  select coalesce((select array_agg(place) from gone), '{}'), array_agg(distinct run_id), coalesce(sum(freed), 0),
    array_agg((group_id, month, ok, bad)::ofa.end_count order by group_id) filter (where ok + bad > 0),
    (select array_agg(row(account_id, host_id, v_today, zone, coalesce(method, 'gap: ' || gap || ' without a meter row'),
        tier, attempts, not_completed, failed, lost, gaps, wall, cpu, energy, energy_low, energy_high, first_started_at,
        first_token)::ofa.spent) from summed)
  into v_ended, v_runs, v_freed, v_counts, v_spent from counted;

  if cardinality(v_ended) > 0 then
    v_freed := v_freed + ofa.count_down(p_jobs, p_tokens, v_runs, v_counts, v_spent, true = any (p_fanned_out));
  end if;
  freed := v_freed;
  already := '{}';
  fenced := '{}';
  if cardinality(v_ended) < cardinality(p_jobs) then
    with tried as materialized (
      select job_id, token, outcome from ofa.attempts_of(case when v_session is not null then p_jobs end,
        (select opened_at from ofa.session where id = v_session), v_now)
      where session_id = v_session
    )
    select coalesce(array_agg(place) filter (where is_known), '{}'),
      coalesce(array_agg(place) filter (where not is_known), '{}')
    into already, fenced
    from (
      select place, exists (
        select from tried where tried.job_id = given.job and tried.token = given.token
          and tried.outcome = coalesce(given.outcome, 'completed')) as is_known
      from unnest(p_jobs, p_tokens, p_outcomes) with ordinality as given (job, token, outcome, place)
      where place <> all (v_ended)) as other;
  end if;
  return next;
end
$$;
