-- An energy table beside a device's latency table. See sql/README.md for the why.

-- Millijoules of every part; without one, energy is modelled.
alter table ofa.device add column energy_table bigint references ofa.artifact;
