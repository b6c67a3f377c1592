-- Factors by the hour and of several types, and what attempts reserved, from which money and embodied carbon are computed.
-- Serves programs from migration 2 on.

-- Factors: a zone may have a value for each hour beside those of longer periods, which then hold for hours without one, and
-- intensities of several types and signals. Kinds: 'pue', energy of the building over IT energy; 'wue', litres of water for
-- each kWh of IT energy; 'intensity', g CO2e for each kWh of the building; 'price', money for each kWh of the building. An
-- intensity may be 0, and a price negative.
alter table ofa.factor disable trigger factor_is_a_record;
alter table ofa.factor drop constraint factor_kind_check;
update ofa.factor set kind = 'wue' where kind = 'water';
alter table ofa.factor enable trigger factor_is_a_record;
alter table ofa.factor drop constraint factor_pkey, drop constraint factor_value_check, drop constraint factor_check1,
  add constraint factor_kind_check check (kind in ('pue', 'wue', 'intensity', 'price')),
  add constraint factor_value_check check (value > 0 or kind in ('wue', 'intensity') and value = 0 or kind = 'price'),
  add constraint factor_low_check check (low <= value and (low > 0 or kind in ('wue', 'intensity') and low = 0
    or kind = 'price')),
  -- Whether it is one of a series by the hour: its period is a whole hour (UTC).
  add hourly boolean not null generated always as (
    valid_until at time zone 'UTC' = valid_from at time zone 'UTC' + interval '1 hour'
    and date_trunc('hour', valid_from at time zone 'UTC') = valid_from at time zone 'UTC') stored,
  -- The value and its range as queries compute with them.
  add amount float8 not null generated always as (value::float8) stored,
  add amount_low float8 not null generated always as (coalesce(low, value)::float8) stored,
  add amount_high float8 not null generated always as (coalesce(high, value)::float8) stored,
  add check (not hourly or kind in ('intensity', 'price')),
  add primary key (version, hourly, kind, zone, type, signal, valid_from);

-- Ranges of text, so that an exclusion constraint can compare zones without an extension.
create type ofa.text_range as range (subtype = text);
-- Periods of a factor do not overlap. Hours of a series need no exclusion: the primary key has none twice.
alter table ofa.factor add constraint factor_periods_are_apart exclude using gist (
  int4range(version, version, '[]') with &&,
  ofa.text_range(kind || ' ' || type || ' ' || signal || ' ' || zone, kind || ' ' || type || ' ' || signal || ' ' || zone,
    '[]') with &&,
  tstzrange(valid_from, valid_until) with &&) where (not hourly);

-- What an attempt reserved: processor time, and time of the whole machine (its time times its share of the processors).
-- NULL is unknown, as for all rows from before these columns.
alter table ofa.energy_piece add reserved_ns bigint check (reserved_ns >= 0), add share_ns bigint check (share_ns >= 0);
alter table ofa.energy_hour add reserved_ns bigint check (reserved_ns >= 0), add share_ns bigint check (share_ns >= 0);

-- Sums of all runs are asked by pipeline, too. The days are folded anew from ofa.spent.
truncate ofa.spent_day;
alter table ofa.spent_day add pipeline text not null;
