-- Statements about manual changes.

-- name: ActionNote :exec
-- Records a manual change with its actor, in the transaction that makes the change.
select ofa_api_1.note_action(@actor::text, @verb::text, @subject::text, @detail::jsonb);

-- name: ActionList :many
-- Returns the newest manual changes, newest first; `subject` NULL means any subject.
select id, done_at, actor, role, verb, subject, detail from ofa.action
where (@subject::text? is null or subject = @subject::text?)
order by id desc limit @most::int;
