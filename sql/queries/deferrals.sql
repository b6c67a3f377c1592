-- Statements about forecasts of carbon intensity, and about runs whose start waits for hours in which it is low.

-- name: ForecastAdd :one
-- Adds a forecast without hours and returns its number.
select ofa_api_1.add_forecast(@zone::text, @type::text, @signal::text, @issued_us::bigint, @source::text, @licence::text)
  as id;

-- name: ForecastHoursAdd :one
-- Adds hours to the forecast that this transaction added; returns the place (from 1) of the first that is there twice, or 0.
select ofa_api_1.add_forecast_hours(@forecast::bigint, @from_us::bigint[], @values::float8[], @lows::float8[],
  @highs::float8[]) as refused;

-- name: ForecastsNewest :many
-- Returns of each zone, type and signal the forecast that holds, with its hours: how many, the first and the last, and how many
-- between are missing; with `zone`, of that zone.
select newest.*, hours.* from (
  select distinct on (zone, type, signal) id, zone, type, signal, issued_at, source, licence, imported_at from ofa.forecast
  where @zone::text? is null or zone = @zone::text?
  order by zone, type, signal, issued_at desc, id desc) as newest
cross join lateral (
  select count(*) as hours, min(hour) as valid_from, max(hour) + interval '1 hour' as valid_until,
    coalesce(round(extract(epoch from max(hour) - min(hour)) / 3600) + 1 - count(*), 0)::bigint as missing,
    min(value) as least, avg(value) as mean, max(value) as most
  from ofa.forecast_hour where forecast_id = newest.id) as hours
order by zone, type, signal;

-- name: ForecastGet :many
-- Returns one forecast.
select id, zone, type, signal, issued_at, source, licence, imported_at from ofa.forecast where id = @forecast::bigint;

-- name: ForecastHours :many
-- Returns the hours of a forecast that end after `from` and begin before `until`, in order.
select extract(epoch from hour)::bigint as begin_s, value, low, high from ofa.forecast_hour
where forecast_id = @forecast::bigint and hour > @from::timestamptz - interval '1 hour' and hour < @until::timestamptz
order by hour;

-- name: RunDefer :one
-- Keeps a run that this transaction created from starting until its start is planned; returns false for another run.
select ofa_api_1.defer_run(@run::bigint, @zone::text, @earliest_us::bigint?, @deadline_us::bigint, @seconds::float8?)
  as deferred;

-- name: StartPlan :one
-- Plans the start of a deferred run, unless it has started or was planned since; returns whether it did.
select ofa_api_1.plan_start(@run::bigint, @plans::int, @starts_us::bigint, @forecast::bigint?, @plan::text) as planned;

-- name: DeferralOf :many
-- Returns when a deferred run may start, when it starts and why; no row for other runs.
select deferral.run_id, run.name, run.state, zone, asked_at, earliest, deadline, seconds, starts_at, plans, planned_at,
  forecast_id, plan, ofa.now() as as_of,
  starts_at > ofa.now() and run.state = 'running' and not ofa.has_begun(run.id) as waits
from ofa.deferral join ofa.run on run.id = deferral.run_id where deferral.run_id = @run::bigint;

-- name: DeferralsWaiting :many
-- Returns the deferred runs that have not started and are not cancelled.
select deferral.run_id from ofa.deferral join ofa.run on run.id = deferral.run_id
where deferral.starts_at > ofa.now() and run.state = 'running' and run.cancel_requested_at is null
  and not ofa.has_begun(run.id)
order by deferral.run_id;

-- name: DeferralsBetween :many
-- Returns the deferred runs without `run` that are unfinished and planned for a time between `from` and `until`.
select deferral.run_id, deferral.starts_at,
  deferral.starts_at + make_interval(secs => (deferral.plan ->> 'seconds')::float8) as ends_at
from ofa.deferral join ofa.run on run.id = deferral.run_id
where run.state = 'running' and run.cancel_requested_at is null and deferral.run_id is distinct from @run::bigint?
  and deferral.starts_at < @until::timestamptz
  and deferral.starts_at + make_interval(secs => (deferral.plan ->> 'seconds')::float8) > @from::timestamptz
order by deferral.run_id;

-- name: ShiftedEnergy :many
-- Sums the energy of a run's pieces by zone, machine and tier, by the hour (UTC) of their start, and by the hour `seconds`
-- before their start, with the intensities of both hours in the factor set's series (NULL where it has none) and the PUE of
-- their own hour.
with piece as materialized (
  select energy_piece.zone, energy_piece.host_id, energy_piece.tier, date_trunc('hour', started_at, 'UTC') as hour,
    date_trunc('hour', started_at - make_interval(secs => @seconds::float8), 'UTC') as before,
    sum(energy_uj)::bigint as energy_uj, sum(energy_low_uj)::bigint as energy_low_uj,
    sum(energy_high_uj)::bigint as energy_high_uj
  from ofa.account join ofa.energy_piece on energy_piece.account_id = account.id
  where account.run_id = @run::bigint and energy_uj > 0
  group by 1, 2, 3, 4, 5
)
select piece.zone, piece.tier, piece.hour, piece.before, piece.energy_uj, piece.energy_low_uj, piece.energy_high_uj,
  coalesce(host.pue, period.pue) as pue, coalesce(host.pue_low, period.pue_low) as pue_low,
  coalesce(host.pue_high, period.pue_high) as pue_high, here.amount as intensity, there.amount as intensity_before
from piece
left join ofa.factor_periods(@version::int, @type::text, @signal::text) as period on period.zone = piece.zone
  and piece.hour >= period.valid_from and piece.hour < period.valid_until
left join ofa.host_spans() as host on host.host_id = piece.host_id and piece.hour >= host.holds_from
  and piece.hour < host.holds_until
left join ofa.factor as here on here.version = @version::int and here.hourly and here.kind = 'intensity'
  and here.zone = piece.zone and here.type = @type::text and here.signal = @signal::text and here.valid_from = piece.hour
left join ofa.factor as there on there.version = @version::int and there.hourly and there.kind = 'intensity'
  and there.zone = piece.zone and there.type = @type::text and there.signal = @signal::text
  and there.valid_from = piece.before
order by piece.hour, piece.before, piece.zone, piece.host_id, piece.tier;

-- name: RunEnergy :one
-- Returns the energy of a run in the ledger, and when its first attempt started (NULL if none has): without the record of an
-- attempt, when its first piece did, which may begin some seconds before its attempt.
select coalesce(sum(cost_row.energy_uj), 0)::bigint as energy_uj,
  coalesce(
    least((select min(spent.first_started_at) from ofa.account
        join ofa.spent on spent.account_id = account.id where account.run_id = @run::bigint),
      (select min(live.started_at) from ofa.live where live.run_id = @run::bigint and live.state = 'running')),
    (select min(energy_piece.started_at) from ofa.account
      join ofa.energy_piece on energy_piece.account_id = account.id where account.run_id = @run::bigint)) as started_at
from ofa.account join ofa.cost_row on cost_row.account_id = account.id where account.run_id = @run::bigint;
