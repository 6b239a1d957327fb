-- What teleops task show tells: everything that is known of one task. It connects as the owner.

CREATE OR REPLACE FUNCTION config_masked(p_command bigint, p_args jsonb) RETURNS jsonb
LANGUAGE sql STABLE SET search_path = public, pg_temp AS $$
	SELECT coalesce(jsonb_object_agg(a.key, CASE WHEN q.secret THEN '"•••"' ELSE a.value END), '{}')
	FROM jsonb_each(p_args) a LEFT JOIN command_parameter q ON q.command_id = p_command AND q.name = a.key
$$;
COMMENT ON FUNCTION config_masked(bigint, jsonb) IS 'Arguments of a command without the values of its secret parameters';

CREATE OR REPLACE FUNCTION config_task(p_task bigint) RETURNS json
LANGUAGE sql STABLE SET search_path = public, pg_temp AS $$
	WITH one AS (
		SELECT t.id, t.state || CASE t.parked WHEN '' THEN '' ELSE ' (waits for ' || t.parked || ')' END AS state, t.attempt, t.queue, t.priority, t.engine_id,
			t.command_id, (SELECT c.name FROM command c WHERE c.id = t.command_id) AS command, t.user_id, t.telegram_id, t.chat_id, t.update_id, t.args, t.line,
			t.cancelled_by, t.admitted_at, t.claimed_at, t.started_at, NULL::timestamptz AS finished_at, NULL::timestamptz AS sent_at,
			NULL::integer AS exit_status, NULL::integer AS term_signal, '' AS reason, NULL::bigint AS output_bytes, false AS output_cut, t.parent_id, t.host
		FROM task t WHERE t.id = p_task
		UNION ALL
		(SELECT h.id, h.state, h.attempt, h.queue, NULL, h.engine_id, h.command_id, h.command_name, h.user_id, h.telegram_id, h.chat_id, h.update_id, h.args, h.line,
			NULL, h.admitted_at, h.claimed_at, h.started_at, h.finished_at, h.sent_at, h.exit_status, h.term_signal, h.reason, h.output_bytes, h.output_cut, h.parent_id, h.host
		FROM task_history h WHERE h.id = p_task ORDER BY h.finished_at DESC LIMIT 1)
		LIMIT 1
	), happened (at, event, more) AS (
		SELECT o.admitted_at, 'admitted', 'update ' || o.update_id FROM one o
		UNION ALL SELECT o.claimed_at, 'claimed', 'by ' || coalesce((SELECT e.name FROM engine e WHERE e.id = o.engine_id), '?') || ', attempt ' || o.attempt FROM one o
		UNION ALL SELECT o.started_at, 'started', '' FROM one o
		UNION ALL SELECT o.finished_at, o.state, concat_ws(', ', 'exit status ' || o.exit_status, 'signal ' || o.term_signal, nullif(o.reason, '')) FROM one o
		UNION ALL SELECT o.sent_at, 'answer sent', '' FROM one o
		UNION ALL SELECT h.finished_at, h.state, h.host || ', task ' || h.id FROM task_history h WHERE h.parent_id = p_task
	), messages AS (
		SELECT m.id, m.op, CASE WHEN m.taken_by IS NULL THEN 'waiting' ELSE 'taken by the sender' END AS state, m.attempts, m.last_error AS error, m.created_at
		FROM outbox m WHERE m.task_id = p_task
		UNION ALL
		SELECT d.id, d.op, 'given up', d.attempts, d.reason, d.created_at
		FROM outbox_dead d, one o WHERE d.task_id = p_task AND d.died_at >= o.admitted_at
	), noted AS (
		-- The times let an index help: the record grows without end.
		SELECT a.id, a.at, a.actor, a.action, a.detail FROM audit_event a, one o
		WHERE a.object = 'task ' || p_task AND a.at BETWEEN o.admitted_at - interval '1 minute' AND coalesce(o.finished_at, now()) + interval '7 days'
	)
	SELECT json_build_object(
		'task', o.id, 'state', o.state, 'line', o.line, 'command', '/' || o.command, 'arguments', config_masked(o.command_id, args_masked(o.args)),
		'person', (SELECT user_name(u.id) || ' (' || u.login || ')' FROM app_user u WHERE u.id = o.user_id), 'telegram id', o.telegram_id,
		'chat', o.chat_id || coalesce((SELECT ' (' || nullif(c.title, '') || ')' FROM chat c WHERE c.chat_id = o.chat_id), ''),
		'part of task', o.parent_id, 'for engine', nullif(o.host, ''), 'queue', o.queue, 'priority', o.priority, 'engine', (SELECT e.name FROM engine e WHERE e.id = o.engine_id), 'attempt', o.attempt,
		'exit status', o.exit_status, 'signal', o.term_signal, 'reason', nullif(o.reason, ''), 'cancelled by', user_name(o.cancelled_by),
		'output bytes', o.output_bytes, 'output cut', o.output_cut,
		'timeline', (SELECT coalesce(json_agg(json_build_object('at', date_trunc('milliseconds', h.at), 'event', h.event, 'more', h.more) ORDER BY h.at), '[]')
			FROM happened h WHERE h.at IS NOT NULL),
		'parts', (SELECT json_agg(json_build_object('task', p.id, 'engine', p.host, 'state', p.state, 'how', nullif(p.how, ''), 'took', duration_text(p.took)) ORDER BY p.host)
			FROM hosts_of(p_task) p),
		'messages', (SELECT coalesce(json_agg(json_build_object('outbox', m.id, 'operation', m.op, 'state', m.state, 'attempts', m.attempts, 'error', m.error,
				'since', date_trunc('second', m.created_at)) ORDER BY m.id), '[]') FROM messages m),
		'record', (SELECT coalesce(json_agg(json_build_object('event', n.id, 'at', date_trunc('milliseconds', n.at), 'actor', n.actor, 'action', n.action,
				'detail', n.detail - 'line' - 'args') ORDER BY n.id), '[]') FROM noted n),
		'output', (SELECT right(string_agg(p.body, '' ORDER BY p.part), 4000) FROM task_output p WHERE p.task_id = p_task))
	FROM one o
$$;
COMMENT ON FUNCTION config_task(bigint) IS 'For teleops task show: a task with its times, messages, record and the end of its output; null: there is none';
