-- Creates one partition of a table if missing; returns 1 if it did. The partition is created separately and attached,
-- which takes a share update exclusive lock that conflicts only with other such changes.
create or replace function ofa.open_partition(p_table text, p_name text, p_from text, p_to text)
returns int language plpgsql as $$
declare
  v_name text := p_table || '_' || p_name;
begin
  if to_regclass('ofa.' || v_name) is not null then return 0; end if;
  execute format('create table ofa.%I (like ofa.%I including all)', v_name, p_table);
  -- The keys, without the month.
  case p_table
    when 'job' then
      execute format('alter table ofa.%I add primary key (id), add unique (group_id, ordinal)', v_name);
    when 'outcome' then execute format('alter table ofa.%I add primary key (job_id)', v_name);
    when 'group_edge' then execute format('alter table ofa.%I add primary key (child, parent)', v_name);
    when 'job_group' then
      execute format('alter table ofa.%I add primary key (id), add unique (owner_job)', v_name);
      execute format('create unique index on ofa.%I (run_id, stage) where owner_job is null', v_name);
    else
  end case;
  -- Leave room for HOT updates.
  if p_table in ('job_group', 'progress') then execute format('alter table ofa.%I set (fillfactor = 70)', v_name); end if;
  execute format('alter table ofa.%I attach partition ofa.%I for values from (%L) to (%L)', p_table, v_name, p_from,
    p_to);
  return 1;
end
$$;
