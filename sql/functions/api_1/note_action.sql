-- Records a manual change with its actor, in the transaction that makes the change.
create or replace function ofa_api_1.note_action(p_actor text, p_verb text, p_subject text, p_detail jsonb)
returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  insert into ofa.action (actor, verb, subject, detail) values (p_actor, p_verb, p_subject, p_detail);
end
$$;
