-- Forecasts of carbon intensity, and runs whose start waits for the hours in which it is low.
-- Serves programs from migration 2 on.

-- A forecast of one zone's intensity of one type and signal by the hour (ofa.forecast_hour), in g CO2e for each kWh of the
-- building. Of several with the same zone, type and signal the one with the newest issue holds, of equal issues the last one
-- imported. Forecasts are apart from factors: no cost is computed from them.
create table ofa.forecast (
  id bigint generated always as identity primary key,
  zone text not null check (zone <> '' and octet_length(zone) <= 1024),
  type text not null check (type in ('lifecycle', 'direct')),
  signal text not null check (signal in ('average', 'marginal')),
  issued_at timestamptz not null,
  source text not null,
  licence text not null,
  imported_at timestamptz not null default ofa.now()
);
create index forecast_newest on ofa.forecast (zone, type, signal, issued_at, id);

-- The hours (UTC) of a forecast. An hour that is missing is unknown.
create table ofa.forecast_hour (
  forecast_id bigint not null references ofa.forecast,
  hour timestamptz not null check (
    date_trunc('hour', hour at time zone 'UTC') = hour at time zone 'UTC' and isfinite(hour)),
  value float8 not null check (value >= 0),
  low float8 not null check (low between 0 and value),
  high float8 not null check (high >= value and high <= 1e6),
  primary key (forecast_id, hour)
);

create trigger forecast_is_a_record before update or delete on ofa.forecast
  for each row execute function ofa.refuse_change();
create trigger forecast_hour_is_a_record before update or delete on ofa.forecast_hour
  for each row execute function ofa.refuse_change();

-- Runs whose start may wait: they may start from `earliest` on (NULL: at once) and shall end by `deadline`. `seconds` is how
-- long they take, NULL if like runs tell. Until `starts_at` their jobs are scheduled (ofa.make_live); only before it the start
-- is planned anew, and each time counts in `plans`, the fence of the next one (ofa_api_1.plan_start). `plan` says how the start
-- was chosen, by the forecast `forecast_id` (NULL: by none).
create table ofa.deferral (
  run_id bigint primary key references ofa.run,
  zone text not null,
  asked_at timestamptz not null default ofa.now(),
  earliest timestamptz,
  deadline timestamptz not null,
  seconds float8 check (seconds > 0 and seconds < 1e9),
  starts_at timestamptz not null,
  plans int not null default 0,
  planned_at timestamptz,
  forecast_id bigint references ofa.forecast,
  plan json,
  check (deadline > earliest)
) with (fillfactor = 50);
create index deferral_of_start on ofa.deferral (starts_at);
