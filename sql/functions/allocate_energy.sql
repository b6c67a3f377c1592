-- Divides the energy of a machine's intervals among the attempts that ran in them, other programs, and processors that
-- nothing reserved (ofa.energy_pieces); returns how many intervals. Takes the intervals that end before the time up to which
-- every process that meters on the machine has reported.
create or replace function ofa.allocate_energy(p_host int) returns int language plpgsql as $$
declare
  v_meter ofa.machine_meter;
  v_until timestamptz;
  v_end timestamptz;
  v_intervals int;
begin
  select * into v_meter from ofa.machine_meter where host_id = p_host for update;
  v_until := least(v_meter.metered_until, (select min(reported_until) from ofa.metering_process
    where host_id = p_host and seen_at > ofa.now() - interval '30 seconds'));
  select count(*), max(ended_at) into v_intervals, v_end from ofa.energy_interval
  where host_id = p_host and started_at >= v_meter.allocated_until and ended_at <= v_until;
  if v_intervals = 0 then return 0; end if;
  perform ofa.book_energy(array_agg(piece)) from ofa.energy_pieces(p_host, v_meter.allocated_until, v_end) as piece;
  update ofa.machine_meter set allocated_until = v_end where host_id = p_host;
  return v_intervals;
end
$$;
