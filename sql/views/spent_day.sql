-- The days of the ledger of attempts in ofa.cost_day, for the audit of programs that serve this database from before
-- migration 9.
drop view if exists ofa.spent_day;
create or replace view ofa.spent_day as
select day, attempts, energy_uj from ofa.cost_day where grain = 'stage' and not is_energy;
