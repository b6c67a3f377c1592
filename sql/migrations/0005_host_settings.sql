-- What is known of machines: where they are, what their power and they themselves cost, and their rating.
-- Serves programs from migration 2 on.

-- A row is what was stated of a machine, from `valid_from` on until the next row of the machine; the time before its first
-- row is that of the first row. Appended and never changed: costs of the past are computed from the rows of the past. NULL
-- is unknown, never 0: then a figure is that of the factor set (zone, PUE), of the processor's model (rating), or unknown,
-- too. The machine's meter uses `zone` and the rating; it records the zone with each interval. All other figures are used
-- by queries only.
create table ofa.host_setting (
  host_id int not null references ofa.host,
  valid_from timestamptz not null,
  -- The electricity zone, as in ofa.factor.
  zone text check (zone <> '' and octet_length(zone) <= 256),
  -- Energy of the building over IT energy, and litres of water for each kWh of IT energy.
  pue numeric check (pue between 1 and 10),
  pue_low numeric check (pue_low between 1 and pue),
  pue_high numeric check (pue_high between pue and 10),
  wue numeric check (wue between 0 and 1000),
  -- What it costs, in `currency`: a rented machine has a price for each hour of a processor; an owned one has a price for
  -- each kWh of the building, and a loss of value for each hour.
  currency text check (currency ~ '^[A-Z]{3}$'),
  rental_per_cpu_hour numeric check (rental_per_cpu_hour between 0 and 1000000),
  kwh_price numeric check (kwh_price between 0 and 1000000),
  depreciation_per_hour numeric check (depreciation_per_hour between 0 and 1000000),
  -- Grams of CO2e of making the whole machine, and the hours for which it is used.
  embodied_g numeric check (embodied_g between 0 and 1e12),
  embodied_low_g numeric check (embodied_low_g between 0 and embodied_g),
  embodied_high_g numeric check (embodied_high_g between embodied_g and 1e12),
  lifetime_hours numeric check (lifetime_hours between 1 and 1e7),
  -- The rated power of a processor socket, and the hardware threads of that socket.
  rated_watts numeric check (rated_watts between 1 and 100000),
  host_threads int check (host_threads between 1 and 100000),
  note text not null default '' check (octet_length(note) <= 1024),
  actor text not null check (actor <> '' and octet_length(actor) <= 1024),
  recorded_at timestamptz not null default ofa.now(),
  primary key (host_id, valid_from),
  check (num_nulls(pue_low, pue_high) in (0, 2)),
  check (pue is not null or pue_low is null),
  check (num_nulls(embodied_low_g, embodied_high_g) in (0, 2)),
  check (embodied_g is not null or embodied_low_g is null),
  constraint host_setting_rented_or_owned check (
    rental_per_cpu_hour is null or num_nonnulls(kwh_price, depreciation_per_hour) = 0),
  constraint host_setting_currency_known check (
    (currency is not null) = (num_nonnulls(rental_per_cpu_hour, kwh_price, depreciation_per_hour) > 0))
);
create trigger host_setting_is_a_record before update or delete on ofa.host_setting
  for each row execute function ofa.refuse_change();
