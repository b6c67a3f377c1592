-- Statements of what people did.

-- name: ActionNote :exec
-- Notes who does what, in the transaction that does it.
select ofa_api_1.note_action(@actor::text, @verb::text, @subject::text, @detail::jsonb);

-- name: ActionList :many
-- What was done, the newest first; NULL for any subject.
select id, done_at, actor, role, verb, subject, detail from ofa.action
where (@subject::text? is null or subject = @subject::text?)
order by id desc limit @most::int;
