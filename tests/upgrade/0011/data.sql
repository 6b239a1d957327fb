-- A database that has been at work for a while, as numbered files 0001 to 0011 left it: written by the functions of that time where they
-- wrote it, so that every row is one they would have written.

SELECT * FROM config_apply('{
	"organizations": [{"name": "acme"}, {"name": "Bäckerei \"Süß\""}],
	"groups": [{"name": "web", "roles": ["operator"]}, {"name": "empty"}],
	"roles": [{"name": "operator", "description": "runs what is safe"}, {"name": "intern"}],
	"users": [
		{"login": "ada", "first_name": "Ada", "last_name": "Lovelace", "organization": "acme", "telegram_ids": [1001, 1101], "roles": ["operator"],
			"timezone": "Europe/Berlin"},
		{"login": "bob", "groups": ["web"], "telegram_ids": [1002]},
		{"login": "ivan", "first_name": "Иван", "telegram_ids": [4503599627370495], "roles": ["intern"]},
		{"login": "gone", "telegram_ids": [1003], "roles": ["operator"], "enabled": false}],
	"commands": [
		{"name": "say", "description": "Say it back", "detail": "As it stands.", "kind": "exec", "program": "echo", "args": ["{text}"], "ordered": true,
			"timeout_s": 10, "parameters": [{"name": "text", "type": "text", "required": true, "help": "what to say"}]},
		{"name": "restart", "kind": "exec", "program": "svc", "args": ["restart", "--env={env}", "-n", "{count}"], "timeout_s": 600, "grace_s": 30,
			"concurrency": 2, "parameters": [{"name": "env", "type": "choice", "choices": ["prod", "staging"], "required": true},
			{"name": "count", "type": "integer", "minimum": 1, "maximum": 9, "default": 1}, {"name": "ratio", "type": "number", "default": 0.5},
			{"name": "dry", "type": "boolean", "default": true}]},
		{"name": "sync", "kind": "exec", "program": "sync", "idempotent": true, "max_attempts": 3, "queue": "db"},
		{"name": "oncall", "kind": "text", "template": "{user}, it is Ada.", "priority": -5},
		{"name": "old", "kind": "text", "template": "gone", "enabled": false, "logged": false}],
	"grants": [{"role": "operator", "command": "say"}, {"role": "operator", "command": "restart"}, {"role": "operator", "command": "sync"},
		{"role": "operator", "command": "oncall"}, {"role": "intern", "command": "say"},
		{"role": "intern", "command": "restart", "constraints": {"env": ["staging"], "count": ["1", "2"]}, "chat_id": -1001}]}', false);
SELECT config_administrator('root', '$y$j9T$salt$hash', 'Root', NULL, false);
INSERT INTO web_session (id_hash, user_id, csrf_hash, expires_at, address, agent)
	SELECT '\x0102', id, '\x03', now() + interval '1 day', '192.0.2.7', 'browser' FROM app_user WHERE login = 'root';
INSERT INTO invite (token_hash, user_id, created_by, expires_at) SELECT '\x04', a.id, r.id, now() + interval '1 day' FROM app_user a, app_user r
	WHERE a.login = 'bob' AND r.login = 'root';
INSERT INTO schedule (name, command_id, user_id, chat_id, line, cron, timezone, missed, next_at)
	SELECT 'nightly', c.id, u.id, 1001, '/sync', '0 3 * * *', 'Europe/Berlin', 'once', now() + interval '5 hours' FROM command c, app_user u
	WHERE c.name = 'sync' AND u.login = 'ada';
INSERT INTO pending (state, user_id, telegram_id, chat_id, command_id, args, line, asked, expires_at)
	SELECT 'asking', u.id, 1002, 1002, c.id, '{"count": "2"}', '/restart', 'env', now() + interval '10 minutes' FROM command c, app_user u
	WHERE c.name = 'restart' AND u.login = 'bob';
SELECT bot_seen(99, 'acme_ops_bot', 'Acme Ops');

-- One update as TeleBot of that time handed it over.
CREATE FUNCTION pg_temp.come(p_id bigint, p_from bigint, p_chat bigint, p_type text, p_action text, p_command text, p_args text, p_line text) RETURNS text
LANGUAGE sql AS $$
	SELECT outcome FROM admit((SELECT version FROM catalogue_version), false, ARRAY[p_id], ARRAY[p_from], ARRAY['name'], ARRAY['First'], ARRAY['Last'],
		ARRAY['de'], ARRAY[p_chat], ARRAY[p_type], ARRAY['Title'], ARRAY[CASE WHEN p_chat < 0 THEN 7 ELSE 0 END]::bigint[], ARRAY[55]::bigint[], ARRAY[p_action],
		ARRAY[coalesce((SELECT id FROM command WHERE name = p_command), 0)], ARRAY[p_args], ARRAY[p_line], ARRAY[''], ARRAY[''])
$$;
-- One step of an engine of that time: results by task, then claims.
CREATE FUNCTION pg_temp.step(p_name text, p_want integer, p_task bigint[], p_state text, p_text text, p_output text) RETURNS bigint LANGUAGE sql AS $$
	SELECT count(*) FROM engine e, engine_step(e.id, e.epoch, true, p_want, '{}', p_task, array_fill(1, ARRAY[cardinality(p_task)]),
		array_fill(p_state, ARRAY[cardinality(p_task)]), array_fill(0, ARRAY[cardinality(p_task)]), array_fill(-1, ARRAY[cardinality(p_task)]),
		array_fill(''::text, ARRAY[cardinality(p_task)]), array_fill(clock_timestamp(), ARRAY[cardinality(p_task)]),
		array_fill(clock_timestamp(), ARRAY[cardinality(p_task)]), array_fill(p_text, ARRAY[cardinality(p_task)]), array_fill(''::text, ARRAY[cardinality(p_task)]),
		array_fill(p_output, ARRAY[cardinality(p_task)]), array_fill(length(p_output)::bigint, ARRAY[cardinality(p_task)]), array_fill(false, ARRAY[cardinality(p_task)]))
	WHERE e.name = p_name
$$;

-- Finished work, in earlier months and in this one.
DO $$
DECLARE
	m timestamptz := date_trunc('month', now(), 'UTC');
BEGIN
	FOR i IN 1 .. 2 LOOP
		EXECUTE format('CREATE TABLE %I PARTITION OF task_history FOR VALUES FROM (%L) TO (%L)', 'task_history_' || to_char((m - i * interval '1 month') AT TIME ZONE 'UTC',
			'YYYY_MM'), m - i * interval '1 month', m - (i - 1) * interval '1 month');
	END LOOP;
END $$;
INSERT INTO task_history (id, state, attempt, queue, engine_id, command_id, command_name, user_id, telegram_id, chat_id, thread_id, message_id, update_id, args, line,
		admitted_at, claimed_at, started_at, finished_at, sent_at, exit_status, term_signal, reason, output_bytes, output_cut)
	SELECT -n, (ARRAY['done', 'failed', 'cancelled', 'timeout', 'lost', 'refused', 'expired'])[1 + n % 7], 1, 'default', 1, c.id, c.name, u.id, 1001, 1001,
		nullif(n % 3, 0), n, n, '{"text": "ä"}', '/say ä', now() - n * interval '1 day', now() - n * interval '1 day', now() - n * interval '1 day',
		now() - n * interval '1 day', CASE WHEN n % 2 = 0 THEN now() END, CASE WHEN n % 7 = 1 THEN 3 END, CASE WHEN n % 7 = 3 THEN 9 END, 'why', n, n % 5 = 0
	FROM generate_series(1, 75) n, command c, app_user u WHERE c.name = 'say' AND u.login = 'ada';
INSERT INTO task_output (task_id, body) SELECT -n, repeat('line ' || n || E'\n', n) FROM generate_series(1, 30) n;

-- An engine that finished some, and had some in hand when its machine was switched off for the upgrade.
SELECT engine_start('one', 'boot-1', 100, '{default}', 8, '{echo,svc}');
SELECT engine_start('stopped', 'boot-1', 101, '{db}', 4, '{sync}');
SELECT engine_stop(id, epoch) FROM engine WHERE name = 'stopped';
SELECT pg_temp.come(1, 1001, 1001, 'private', 'run', 'say', '{"text": "first"}', '/say first');
SELECT pg_temp.step('one', 8, '{}', '', '', '');
SELECT pg_temp.step('one', 0, ARRAY(SELECT id FROM task), 'done', 'first', 'first');
SELECT pg_temp.come(2, 1001, 1001, 'private', 'run', 'restart', '{"env": "prod", "count": "1", "ratio": "0.5", "dry": "true"}', '/restart prod');
SELECT pg_temp.come(3, 1002, -1001, 'supergroup', 'run', 'restart', '{"env": "staging", "count": "2", "ratio": "0.5", "dry": "true"}', '/restart staging 2');
SELECT pg_temp.come(4, 1001, 1001, 'private', 'run', 'oncall', '{}', '/oncall');
SELECT pg_temp.step('one', 8, '{}', '', '', '');
UPDATE task SET state = 'running', started_at = clock_timestamp() WHERE update_id IN (3, 4);
UPDATE task SET state = 'cancelling' WHERE update_id = 4;
-- One that was running elsewhere, idempotent, in its second attempt; one that waits for its third.
SELECT pg_temp.come(5, 1001, 1001, 'private', 'run', 'sync', '{}', '/sync');
SELECT pg_temp.come(6, 1002, 1002, 'private', 'run', 'sync', '{}', '/sync');
UPDATE task SET state = 'claimed', engine_id = e.id, epoch = e.epoch - 1, attempt = 2, claimed_at = now() FROM engine e WHERE update_id = 5 AND e.name = 'stopped';
UPDATE task SET attempt = 2, not_before = now() + interval '2 seconds' WHERE update_id = 6;
-- What waits: of an ordered command the first and two that take their turn, one of each kind beside.
SELECT pg_temp.come(10, 1001, 1001, 'private', 'run', 'say', '{"text": "one"}', '/say one');
SELECT pg_temp.come(11, 1001, 1001, 'private', 'run', 'say', '{"text": "two"}', '/say two');
SELECT pg_temp.come(12, 1001, 1001, 'private', 'run', 'say', '{"text": "three"}', '/say three');
SELECT pg_temp.come(13, 4503599627370495, -1001, 'supergroup', 'run', 'restart', '{"env": "staging", "count": "1", "ratio": "0.5", "dry": "true"}', '/restart staging');
SELECT pg_temp.come(14, 1001, 1001, 'private', 'run', 'oncall', '{}', '/oncall');
-- Refused, unknown, disabled, strangers; replies.
SELECT pg_temp.come(20, 4503599627370495, 4503599627370495, 'private', 'run', 'restart', '{"env": "prod"}', '/restart prod');
SELECT pg_temp.come(21, 1003, 1003, 'private', 'run', 'say', '{"text": "x"}', '/say x');
SELECT pg_temp.come(22, 1999, 1999, 'private', 'text', '', '', '');
SELECT pg_temp.come(23, 1999, 1999, 'private', 'text', '', '', '');
SELECT pg_temp.come(24, 1002, 1002, 'private', 'help', '', '', '/help');
SELECT pg_temp.come(25, 1002, -1001, 'supergroup', 'id', '', '', '/id');
SELECT update_reject(26, 'invalid byte sequence', '{"update_id": 26}');

-- The sender had some in hand: one untouched, one partly sent, one that failed twice; and some is dead.
SELECT sender_lead();
SELECT count(*) FROM outbox_take((SELECT sender_epoch FROM bot_status), '{}', 3);
UPDATE outbox SET parts_sent = 1, message_ids = '{700}', text = repeat('long ', 2000) WHERE id = (SELECT min(id) FROM outbox WHERE taken_by IS NOT NULL);
UPDATE outbox SET attempts = 2, last_error = '502 Bad Gateway' WHERE id = (SELECT max(id) FROM outbox WHERE taken_by IS NOT NULL);
INSERT INTO outbox (op, text, params, update_id, expires_at) VALUES ('answer_callback', 'This button no longer does anything.', '{"callback_query_id": "q"}', 27,
	now() + interval '150 seconds');
INSERT INTO outbox_dead (id, op, chat_id, text, entities, reason, created_at)
	VALUES (-1, 'send', 1004, 'never arrived', '[{"type": "bold", "offset": 0, "length": 5}]', '403 Forbidden: bot was blocked by the user', now() - interval '3 days');
UPDATE chat SET blocked_at = now() WHERE chat_id = 1003;
UPDATE engine SET lease_until = now() - interval '1 hour' WHERE name = 'one';
SELECT pg_advisory_unlock_all();
