-- Micrograms of CO2e per microjoule, by factor set, zone and period of validity: PUE · carbon intensity (g/kWh) /
-- 3,600,000. Of intensities, those that are lifecycle averages if the set has such, else of one type and signal; without
-- those of an hour.
drop view if exists ofa.rate;
create or replace view ofa.rate as
select pue.version, intensity.zone, greatest(pue.valid_from, intensity.valid_from) as valid_from,
  least(pue.valid_until, intensity.valid_until) as valid_until,
  (pue.value * intensity.value / 3600000)::float8 as ug_per_uj, pue.value as pue, intensity.value as intensity, intensity.type, intensity.signal
from ofa.factor pue
join ofa.factor intensity on intensity.version = pue.version and intensity.kind = 'intensity'
where pue.kind = 'pue' and pue.zone = 'default' and not intensity.hourly
  and (intensity.type, intensity.signal) = (
    select usual.type, usual.signal from ofa.factor as usual
    where usual.version = pue.version and usual.kind = 'intensity' and not usual.hourly
    order by (usual.type, usual.signal) = ('lifecycle', 'average') desc, usual.type, usual.signal limit 1);
