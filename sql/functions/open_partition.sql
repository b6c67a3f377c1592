-- Makes one partition of a table by time, unless it is there; 1 when it was made. It is made beside the table and attached,
-- which takes a lock (share update exclusive) that only other such changes wait for.
create or replace function ofa.open_partition(p_table text, p_name text, p_from text, p_to text)
returns int language plpgsql as $$
declare
  v_name text := p_table || '_' || p_name;
begin
  if to_regclass('ofa.' || v_name) is not null then return 0; end if;
  execute format('create table ofa.%I (like ofa.%I including all)', v_name, p_table);
  execute format('alter table ofa.%I attach partition ofa.%I for values from (%L) to (%L)', p_table, v_name, p_from,
    p_to);
  return 1;
end
$$;
