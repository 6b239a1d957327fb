-- What the operator's own tool needs beside apply and export. It connects as the owner of the database.

CREATE OR REPLACE FUNCTION config_administrator(p_login text, p_hash text, p_first_name text, p_last_name text, p_reset boolean) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
	who bigint;
BEGIN
	SELECT id INTO who FROM app_user WHERE login = p_login AND (password_hash IS NOT NULL OR p_reset) FOR UPDATE;
	IF who IS NOT NULL AND NOT p_reset THEN
		RAISE EXCEPTION 'has a password already' USING HINT = 'use --reset-password to give a new one';
	ELSIF who IS NULL AND p_reset THEN
		RAISE EXCEPTION 'there is no such user' USING HINT = 'leave --reset-password out to create one';
	END IF;
	INSERT INTO app_user AS u (login, first_name, last_name, password_hash)
	VALUES (p_login, coalesce(p_first_name, p_login), coalesce(p_last_name, ''), p_hash)
	ON CONFLICT (login) DO UPDATE SET password_hash = excluded.password_hash, first_name = coalesce(p_first_name, u.first_name),
		last_name = coalesce(p_last_name, u.last_name), version = u.version + 1, updated_at = now()
	RETURNING id INTO who;
	-- A new password ends what somebody may still have open with the old one.
	DELETE FROM web_session WHERE user_id = who;
	IF NOT p_reset THEN
		INSERT INTO admin_permission (user_id, area, can_change) VALUES (who, '*', true)
		ON CONFLICT (user_id, area) DO UPDATE SET can_change = true;
	END IF;
	INSERT INTO audit_event (actor, action, object) VALUES ('operator', CASE WHEN p_reset THEN 'password reset' ELSE 'administrator created' END,
		'user ' || p_login);
	RETURN who;
END $$;
COMMENT ON FUNCTION config_administrator(text, text, text, text, boolean)
	IS 'Makes an administrator with every permission from a new or a known person, or gives one a new password; the user''s key';

CREATE OR REPLACE FUNCTION config_status() RETURNS json
LANGUAGE sql STABLE AS $$
	SELECT json_build_object(
		'schema', (SELECT name FROM schema_version ORDER BY version DESC LIMIT 1),
		'bot', (SELECT nullif('@' || username, '@') FROM bot_status),
		'bot seen', (SELECT date_trunc('second', seen_at) FROM bot_status),
		'people', (SELECT count(*) FROM app_user WHERE enabled),
		'join requests', (SELECT count(*) FROM join_request WHERE state = 'pending'),
		'commands', (SELECT count(*) FROM command WHERE enabled),
		'updates rejected', (SELECT count(*) FROM update_rejected),
		'messages waiting', (SELECT count(*) FROM outbox),
		'oldest message', (SELECT date_trunc('second', min(created_at)) FROM outbox),
		'messages given up', (SELECT count(*) FROM outbox_dead),
		'tasks', (SELECT coalesce(json_agg(json_build_object('queue', queue, 'state', state, 'tasks', n, 'oldest', oldest) ORDER BY queue, state), '[]')
			FROM (SELECT queue, state, count(*) AS n, date_trunc('second', min(admitted_at)) AS oldest FROM task GROUP BY 1, 2) t),
		'paused queues', (SELECT string_agg(q.name, ' ' ORDER BY q.name) FROM queue q WHERE q.paused_at IS NOT NULL),
		'engines', (SELECT coalesce(json_agg(json_build_object('engine', name, 'alive', lease_until > now(), 'paused', paused_at IS NOT NULL, 'queues', array_to_string(queues, ' '),
				'slots', slots, 'running', (SELECT count(*) FROM task t WHERE t.engine_id = e.id),
				'since', date_trunc('second', coalesce(stopped_at, started_at))) ORDER BY name), '[]') FROM engine e),
		'choices', (SELECT coalesce(json_agg(json_build_object('from', '/' || c.name, 'values', cardinality(l.items), 'made', date_trunc('second', l.made_at),
				'error', nullif(l.error, '')) ORDER BY c.name), '[]') FROM choice_list l JOIN command c ON c.id = l.command_id),
		'last day', (SELECT coalesce(json_agg(json_build_object('state', state, 'tasks', n) ORDER BY state), '[]')
			FROM (SELECT state, count(*) AS n FROM task_history WHERE finished_at > now() - interval '1 day' GROUP BY 1) h))
$$;
COMMENT ON FUNCTION config_status() IS 'For teleops status: what waits, what runs, who is alive';
