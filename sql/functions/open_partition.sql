-- Creates the partition `<p_table>_<p_name>` of the table `p_table` if the partition is missing; returns how many
-- partitions it created (0 or 1). The partition is created as a table and then attached, because attaching takes only a
-- share update exclusive lock on the partitioned table, which blocks neither reads nor writes.
create or replace function ofa.open_partition(p_table text, p_name text, p_from text, p_to text)
returns int language plpgsql as $$
declare
  v_name text := p_table || '_' || p_name;
begin
  if to_regclass('ofa.' || v_name) is not null then return 0; end if;
  execute format('create table ofa.%I (like ofa.%I including all)', v_name, p_table);
  -- A unique key of a partition, unlike a unique key of the partitioned table, need not contain the month.
  case p_table
    when 'job' then
      execute format('alter table ofa.%I add primary key (id), add unique (group_id, ordinal)', v_name);
    when 'outcome' then execute format('alter table ofa.%I add primary key (job_id)', v_name);
    when 'group_edge' then execute format('alter table ofa.%I add primary key (child, parent)', v_name);
    when 'job_group' then
      execute format('alter table ofa.%I add primary key (id), add unique (owner_job)', v_name);
      execute format('create unique index on ofa.%I (run_id, stage) where owner_job is null', v_name);
    -- A partitioned table cannot have the constraint before version 17. A range of one machine needs no extension.
    when 'energy_interval' then
      execute format('alter table ofa.%I add exclude using gist (int4range(host_id, host_id, ''[]'') with &&,
        tstzrange(started_at, ended_at) with &&)', v_name);
    else
  end case;
  -- The space left free in each page allows HOT updates.
  if p_table in ('job_group', 'progress') then execute format('alter table ofa.%I set (fillfactor = 70)', v_name); end if;
  execute format('alter table ofa.%I attach partition ofa.%I for values from (%L) to (%L)', p_table, v_name, p_from,
    p_to);
  return 1;
end
$$;
