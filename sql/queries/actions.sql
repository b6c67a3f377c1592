-- Statements of manual changes.

-- name: ActionNote :exec
-- Records a manual change with its actor, in the transaction that makes it.
select ofa_api_1.note_action(@actor::text, @verb::text, @subject::text, @detail::jsonb);

-- name: ActionList :many
-- Manual changes, newest first; NULL means any subject.
select id, done_at, actor, role, verb, subject, detail from ofa.action
where (@subject::text? is null or subject = @subject::text?)
order by id desc limit @most::int;
