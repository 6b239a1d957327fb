-- Hooks as operators declare them: teleops hook, apply and export. What comes in at them is in alert.sql.

CREATE OR REPLACE FUNCTION config_hook(h hook) RETURNS jsonb
LANGUAGE sql STABLE AS $$
	SELECT jsonb_build_object('name', h.name, 'chat_id', h.chat_id, 'thread_id', h.thread_id, 'rate', h.rate, 'forget_h', h.forget_h, 'enabled', h.enabled,
		'buttons', coalesce((SELECT jsonb_agg(jsonb_build_object('command', c.name, 'args', b.args, 'when', b.labels, 'text', b.label) ORDER BY b.position)
			FROM hook_button b JOIN command c ON c.id = b.command_id WHERE b.hook_id = h.id), '[]'))
$$;
COMMENT ON FUNCTION config_hook(hook) IS 'A hook as declared, without its token';

CREATE OR REPLACE FUNCTION config_apply_hook(p jsonb) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
	which bigint;
BEGIN
	INSERT INTO hook AS h (name, chat_id, thread_id, rate, forget_h, enabled)
	VALUES (p ->> 'name', (p ->> 'chat_id')::bigint, (p ->> 'thread_id')::bigint, (p ->> 'rate')::integer, (p ->> 'forget_h')::integer, (p ->> 'enabled')::boolean)
	ON CONFLICT (name) DO UPDATE SET chat_id = excluded.chat_id, thread_id = excluded.thread_id, rate = excluded.rate, forget_h = excluded.forget_h,
		enabled = excluded.enabled, version = h.version + 1
	RETURNING id INTO which;
	DELETE FROM hook_button WHERE hook_id = which;
	INSERT INTO hook_button (hook_id, position, command_id, label, args, labels)
	SELECT which, n, c.id, b ->> 'text', b -> 'args', b -> 'when'
	FROM jsonb_array_elements(p -> 'buttons') WITH ORDINALITY AS x(b, n) JOIN command c ON c.name = b ->> 'command';
END $$;
COMMENT ON FUNCTION config_apply_hook(jsonb) IS 'Makes a hook as declared; its token stays, a new one has none';

CREATE OR REPLACE FUNCTION hook_button_complaint(p_button jsonb, p_parameters jsonb) RETURNS TABLE (key text, reason text)
LANGUAGE sql IMMUTABLE AS $$
	SELECT 'args.' || k, CASE WHEN q.p IS NULL THEN format('command "%s" has no parameter "%s"', p_button ->> 'command', k)
		WHEN q.p ->> 'type' = 'file' THEN 'is a file: a button cannot hold one'
		ELSE 'is a secret: a button cannot hold a value of it' END
	FROM jsonb_object_keys(p_button -> 'args') AS k LEFT JOIN LATERAL (SELECT p FROM jsonb_array_elements(p_parameters) p WHERE p ->> 'name' = k) q ON true
	WHERE q.p IS NULL OR (q.p ->> 'secret')::boolean OR q.p ->> 'type' = 'file'
$$;
COMMENT ON FUNCTION hook_button_complaint(jsonb, jsonb) IS 'What is wrong with a declared button of a hook, given its command''s declared parameters';

CREATE OR REPLACE FUNCTION hook_create(p_name text, p_chat bigint, p_thread bigint, p_hash text) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
	h hook;
BEGIN
	INSERT INTO hook (name, chat_id, thread_id, token_hash, token_at) VALUES (p_name, p_chat, p_thread, decode(p_hash, 'hex'), now())
	ON CONFLICT (name) DO NOTHING RETURNING * INTO h;
	INSERT INTO audit_event (actor, chat_id, action, object, detail)
	SELECT 'operator', p_chat, 'created', 'hook ' || p_name, jsonb_build_object('before', NULL, 'after', config_hook(h)) WHERE h.id IS NOT NULL;
	RETURN h.id IS NOT NULL;
END $$;
COMMENT ON FUNCTION hook_create(text, bigint, bigint, text) IS 'For teleops hook create; false: there is one of that name';

CREATE OR REPLACE FUNCTION hook_renew(p_name text, p_hash text) RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
	UPDATE hook SET token_hash = decode(p_hash, 'hex'), token_at = now() WHERE name = p_name;
	IF NOT FOUND THEN
		RETURN false;
	END IF;
	INSERT INTO audit_event (actor, action, object) VALUES ('operator', 'token renewed', 'hook ' || p_name);
	RETURN true;
END $$;
COMMENT ON FUNCTION hook_renew(text, text) IS 'For teleops hook renew: from now on another token holds; false: there is no such hook';

CREATE OR REPLACE FUNCTION hook_remove(p_name text) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
	h hook;
	before jsonb;
BEGIN
	SELECT * INTO h FROM hook x WHERE x.name = p_name FOR UPDATE;
	IF NOT FOUND THEN
		RETURN false;
	END IF;
	before := config_hook(h);
	DELETE FROM hook WHERE id = h.id;
	INSERT INTO audit_event (actor, action, object, detail) VALUES ('operator', 'removed', 'hook ' || p_name, jsonb_build_object('before', before, 'after', NULL));
	RETURN true;
END $$;
COMMENT ON FUNCTION hook_remove(text) IS 'For teleops hook delete, with its alerts; false: there is no such hook';

CREATE OR REPLACE FUNCTION hook_state(h hook) RETURNS text
LANGUAGE sql STABLE AS $$
	SELECT CASE WHEN NOT h.enabled THEN 'off' WHEN h.token_hash IS NULL THEN 'no token' WHEN NOT c.allowed THEN 'chat not allowed' ELSE 'ok' END
	FROM chat c WHERE c.chat_id = h.chat_id
$$;
COMMENT ON FUNCTION hook_state(hook) IS 'ok, or why a hook takes nothing';

CREATE OR REPLACE FUNCTION config_hooks() RETURNS json
LANGUAGE sql STABLE AS $$
	SELECT json_build_object('hooks', coalesce(json_agg(json_build_object('hook', h.name, 'chat', h.chat_id, 'topic', h.thread_id, 'rate', h.rate,
		'buttons', (SELECT count(*) FROM hook_button b WHERE b.hook_id = h.id), 'state', hook_state(h),
		'open', (SELECT count(*) FROM alert a WHERE a.hook_id = h.id AND a.closed_at IS NULL),
		'token', to_char(h.token_at AT TIME ZONE 'UTC', 'YYYY-MM-DD'),
		'last', to_char(f.last_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')) ORDER BY h.name), '[]'))
	FROM hook h LEFT JOIN hook_pace f ON f.hook_id = h.id
$$;
COMMENT ON FUNCTION config_hooks() IS 'For teleops hook list';
