-- Sums of days that are over for questions about all runs, of energy by the hour too, and budgets of money.
-- Serves programs from migration 2 on.

-- The ledgers of days that are over (ofa.spent and ofa.energy_hour), summed over accounts: what is asked of all runs does
-- not read millions of rows. Each day is there three times, as `grain` says: by stage and kind of job, by device ('' is
-- none), and by run with its pipeline; the other columns of these are NULL. Rows are as in ofa.cost_row, and one whose
-- `reserved_ns` or `share_ns` is known is not summed with one where it is not. Days are inserted in their order
-- (ofa.fold_days). One that is booked to later is deleted again, with all days after it (ofa.book_energy).
create table ofa.cost_day (
  grain text not null check (grain in ('stage', 'device', 'run')),
  day date not null,
  hour timestamptz not null,
  is_energy boolean not null,
  stage text,
  kind text,
  device text,
  run_id bigint,
  pipeline text,
  host_id int not null,
  zone text not null,
  method text not null,
  tier text not null,
  attempts bigint not null,
  not_completed bigint not null,
  gaps bigint not null,
  wall_ns bigint not null,
  gap_ns bigint not null,
  cpu_ns bigint not null,
  energy_uj bigint not null,
  energy_low_uj bigint not null,
  energy_high_uj bigint not null,
  reserved_ns bigint,
  share_ns bigint,
  first_started_at timestamptz,
  first_token bigint
);
create index cost_day_grain on ofa.cost_day (grain, day);

-- It takes the place of this table, of the ledger of attempts alone.
drop view if exists ofa.spent_since;
drop table ofa.spent_day;

-- A limit of money, in millionths of a currency. `used_money_u` is what was used in that currency (NULL: unknown);
-- `uncounted_ns` is the time of attempts whose money is not in it, because it is in one of `uncounted_in` or unknown.
alter table ofa.budget drop constraint budget_check1,
  add max_money_u bigint check (max_money_u > 0),
  add currency text check (currency ~ '^[A-Z]{3}$'),
  add used_money_u bigint,
  add uncounted_ns bigint not null default 0,
  add uncounted_in text[] not null default '{}',
  add constraint budget_has_a_limit check (num_nonnulls(max_uj, max_ug, max_money_u) > 0),
  add constraint budget_currency_known check ((max_money_u is null) = (currency is null));
