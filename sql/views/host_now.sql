-- What is stated of each machine now: the newest row of ofa.host_setting that is valid.
drop view if exists ofa.host_now;
create or replace view ofa.host_now as
select distinct on (host_id) host_setting.* from ofa.host_setting
where valid_from <= ofa.now() order by host_id, valid_from desc;
