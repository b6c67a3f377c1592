-- JSON of a job as jsonb, whatever it holds: the json type accepts `\u0000`, half a surrogate pair and numbers
-- beyond numeric, which jsonb refuses (22P05, 22003), and one such row would stop every sum. NULL where nothing can
-- be made of it. Not parallel: it has subtransactions, which cost microseconds and take no transaction id here.
create or replace function ofa.readable_json(p_json json) returns jsonb language plpgsql immutable as $$
begin
  return p_json::jsonb;
exception when data_exception or program_limit_exceeded then
  begin
    -- After a backslash that is itself escaped this is harmless: `\\u0000` becomes `\\ufffd`, plain text.
    return regexp_replace(p_json::text, '\\u(0000|[dD][89a-fA-F][0-9a-fA-F]{2})', '\\ufffd', 'g')::jsonb;
  exception when data_exception or program_limit_exceeded then
    return null;
  end;
end
$$;
