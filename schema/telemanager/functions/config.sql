-- The declared state: what teleops apply and export speak of. One shape for what is (config_current) and what is wanted
-- (config_wanted), so that one comparison serves all kinds.

-- Without a search_path of their own, so that they become part of the statement that calls them.
CREATE OR REPLACE FUNCTION config_role(r role) RETURNS jsonb
LANGUAGE sql STABLE AS $$ SELECT jsonb_build_object('name', r.name, 'description', r.description, 'manages_tasks', r.manages_tasks) $$;
COMMENT ON FUNCTION config_role(role) IS 'A role as declared';

CREATE OR REPLACE FUNCTION config_queue(q queue) RETURNS jsonb
LANGUAGE sql IMMUTABLE AS $$ SELECT jsonb_build_object('name', q.name, 'concurrency', q.concurrency) $$;
COMMENT ON FUNCTION config_queue(queue) IS 'A queue as declared';

CREATE OR REPLACE FUNCTION config_group(g user_group) RETURNS jsonb
LANGUAGE sql STABLE AS $$
	SELECT jsonb_build_object('name', g.name, 'roles', coalesce((SELECT jsonb_agg(r.name ORDER BY r.name)
		FROM group_role x JOIN role r ON r.id = x.role_id WHERE x.group_id = g.id), '[]'))
$$;
COMMENT ON FUNCTION config_group(user_group) IS 'A group as declared';

CREATE OR REPLACE FUNCTION config_user(u app_user) RETURNS jsonb
LANGUAGE sql STABLE AS $$
	SELECT jsonb_build_object('login', u.login, 'first_name', u.first_name, 'last_name', u.last_name,
		'organization', (SELECT o.name FROM organization o WHERE o.id = u.organization_id),
		'groups', coalesce((SELECT jsonb_agg(g.name ORDER BY g.name) FROM user_group_member m JOIN user_group g ON g.id = m.group_id WHERE m.user_id = u.id), '[]'),
		'telegram_ids', coalesce((SELECT jsonb_agg(a.telegram_id ORDER BY a.telegram_id) FROM telegram_account a WHERE a.user_id = u.id), '[]'),
		'roles', coalesce((SELECT jsonb_agg(r.name ORDER BY r.name) FROM user_role x JOIN role r ON r.id = x.role_id WHERE x.user_id = u.id), '[]'),
		'enabled', u.enabled, 'locale', u.locale, 'timezone', u.timezone)
$$;
COMMENT ON FUNCTION config_user(app_user) IS 'A person as declared';

CREATE OR REPLACE FUNCTION config_limit(p_type text, p_limit text) RETURNS jsonb
LANGUAGE sql IMMUTABLE AS $$ SELECT CASE WHEN p_type IN ('duration', 'date') THEN to_jsonb(p_limit) ELSE to_jsonb(p_limit::numeric) END $$;
COMMENT ON FUNCTION config_limit(text, text) IS 'A parameter''s minimum or maximum as files have it: a number, or a duration or date as text';

CREATE OR REPLACE FUNCTION config_current() RETURNS TABLE (kind text, name text, body jsonb)
LANGUAGE sql STABLE AS $$
	SELECT 'organization', o.name, jsonb_build_object('name', o.name) FROM organization o
	UNION ALL
	SELECT 'role', r.name, config_role(r) FROM role r
	UNION ALL
	SELECT 'queue', q.name, config_queue(q) FROM queue q
	UNION ALL
	SELECT 'group', g.name, config_group(g) FROM user_group g
	UNION ALL
	SELECT 'user', u.login, config_user(u) FROM app_user u
	UNION ALL
	SELECT 'command', c.name, jsonb_build_object('name', c.name, 'description', c.description, 'descriptions', c.descriptions, 'detail', c.detail, 'kind', c.kind, 'program', c.program,
		'args', to_jsonb(c.args), 'template', c.template, 'connection', c.connection, 'statement', c.statement, 'writes', c.writes, 'row_limit', c.row_limit,
		'method', c.method, 'path', c.path, 'headers', c.headers, 'body', coalesce(c.body, 'null'), 'expect', to_jsonb(c.expect), 'pointer', c.pointer, 'enabled', c.enabled, 'logged', c.logged, 'long_running', c.long_running,
		'idempotent', c.idempotent, 'ordered', c.ordered, 'interactive', c.interactive, 'dangerous', c.dangerous,
		'approvals', c.approvals, 'approvers', (SELECT r.name FROM role r WHERE r.id = c.approver_role_id), 'answer', c.answer, 'at_once', c.at_once, 'stop_after', c.stop_after, 'max_attempts', c.max_attempts, 'timeout_s', c.timeout_s, 'grace_s', c.grace_s,
		'output_limit', c.output_limit, 'priority', c.priority, 'concurrency', c.concurrency, 'queue', c.queue,
		'parameters', coalesce((SELECT jsonb_agg(jsonb_build_object('name', p.name, 'type', p.type, 'required', p.required, 'default', p.default_value,
			'minimum', config_limit(p.type, p.minimum), 'maximum', config_limit(p.type, p.maximum), 'choices', coalesce(to_jsonb(p.choices), '[]'),
			'choices_from', p.choices_from, 'every_s', p.every_s, 'pattern', p.pattern, 'secret', p.secret, 'help', p.help) ORDER BY p.position)
			FROM command_parameter p WHERE p.command_id = c.id), '[]')) FROM command c
	UNION ALL
	SELECT 'grant', r.name || ' may ' || c.name || CASE WHEN x.constraints <> '{}' THEN ' ' || x.constraints::text ELSE '' END
			|| coalesce(' in chat ' || x.chat_id, '') || CASE WHEN x.hours <> '' THEN ' at ' || x.hours || ' ' || x.timezone ELSE '' END,
		jsonb_build_object('role', r.name, 'command', c.name, 'constraints', x.constraints, 'chat_id', x.chat_id, 'hours', x.hours, 'timezone', x.timezone)
	FROM role_command x JOIN role r ON r.id = x.role_id JOIN command c ON c.id = x.command_id
	UNION ALL
	-- Chats that somebody has decided on.
	SELECT 'chat', h.chat_id::text, jsonb_build_object('chat_id', h.chat_id, 'allowed', h.allowed) FROM chat h
	WHERE h.type <> 'private' AND h.decided_at IS NOT NULL AND h.migrated_to IS NULL
	UNION ALL
	SELECT 'schedule', s.name, jsonb_build_object('name', s.name, 'line', s.line, 'cron', s.cron, 'timezone', s.timezone, 'user', u.login,
		'chat_id', s.chat_id, 'thread_id', s.thread_id, 'missed', s.missed, 'enabled', s.enabled) FROM schedule s JOIN app_user u ON u.id = s.user_id
	UNION ALL
	SELECT 'hook', h.name, config_hook(h) FROM hook h
$$;
COMMENT ON FUNCTION config_current() IS 'Everything that can be declared, as it is: an object a row, all keys';

CREATE OR REPLACE FUNCTION config_defaults(p_kind text) RETURNS jsonb
LANGUAGE sql IMMUTABLE AS $$
	SELECT CASE p_kind
	WHEN 'role' THEN '{"description": "", "manages_tasks": false}'
	WHEN 'queue' THEN '{"concurrency": null}'
	WHEN 'group' THEN '{"roles": []}'
	WHEN 'user' THEN '{"first_name": "", "last_name": "", "organization": null, "groups": [], "telegram_ids": [], "roles": [], "enabled": true,
		"locale": "en", "timezone": "UTC"}'
	WHEN 'command' THEN '{"description": "", "descriptions": {}, "detail": "", "program": "", "args": [], "template": "",
		"connection": "", "statement": "", "writes": false, "row_limit": 1000, "method": "GET", "path": "", "headers": {}, "body": null, "expect": [], "pointer": "", "enabled": true, "logged": true,
		"long_running": false, "idempotent": false, "ordered": false, "interactive": false, "dangerous": false, "approvals": 0, "approvers": null, "answer": "chat", "at_once": 10, "stop_after": null,
		 "max_attempts": 3, "timeout_s": 60, "grace_s": 5, "output_limit": 262144,
		"priority": 0, "concurrency": null, "queue": "default", "parameters": []}'
	WHEN 'parameter' THEN '{"required": false, "default": null, "minimum": null, "maximum": null, "choices": [], "choices_from": null, "every_s": 300,
		"pattern": "", "secret": false, "help": ""}'
	WHEN 'grant' THEN '{"constraints": {}, "chat_id": null, "hours": "", "timezone": "UTC"}'
	WHEN 'chat' THEN '{"allowed": true}'
	WHEN 'schedule' THEN '{"timezone": "UTC", "thread_id": null, "missed": "skip", "enabled": true}'
	WHEN 'hook' THEN '{"thread_id": null, "rate": 60, "forget_h": 72, "enabled": true, "buttons": []}'
	WHEN 'button' THEN '{"args": {}, "when": {}, "text": ""}'
	ELSE '{}' END::jsonb
$$;
COMMENT ON FUNCTION config_defaults(text) IS 'What a key of the declared state has when it is left out';

CREATE OR REPLACE FUNCTION config_sorted(p_list jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE AS $$
	SELECT coalesce(jsonb_agg(e ORDER BY CASE WHEN jsonb_typeof(e) = 'number' THEN e::text::numeric END, e #>> '{}'), '[]')
	FROM (SELECT DISTINCT e FROM jsonb_array_elements(p_list) e) d
$$;
COMMENT ON FUNCTION config_sorted(jsonb) IS 'A list whose order means nothing, in the order config_current() uses';

CREATE OR REPLACE FUNCTION config_wanted(p_doc jsonb) RETURNS TABLE (kind text, name text, body jsonb)
LANGUAGE sql STABLE AS $$
	SELECT 'organization', e ->> 'name', e FROM jsonb_array_elements(p_doc -> 'organizations') e
	UNION ALL
	SELECT 'role', e ->> 'name', config_defaults('role') || e FROM jsonb_array_elements(p_doc -> 'roles') e
	UNION ALL
	SELECT 'queue', e ->> 'name', config_defaults('queue') || e FROM jsonb_array_elements(p_doc -> 'queues') e
	UNION ALL
	SELECT 'group', e ->> 'name', e || jsonb_build_object('roles', config_sorted(e -> 'roles'))
	FROM (SELECT config_defaults('group') || e AS e FROM jsonb_array_elements(p_doc -> 'groups') e) g
	UNION ALL
	SELECT 'user', e ->> 'login', e || jsonb_build_object('groups', config_sorted(e -> 'groups'), 'roles', config_sorted(e -> 'roles'),
		'telegram_ids', config_sorted(e -> 'telegram_ids'))
	FROM (SELECT config_defaults('user') || e AS e FROM jsonb_array_elements(p_doc -> 'users') e) u
	UNION ALL
	SELECT 'command', e ->> 'name', e || jsonb_build_object('parameters', (SELECT coalesce(jsonb_agg(config_defaults('parameter') || p
			|| CASE WHEN p ? 'default' THEN jsonb_build_object('default', p ->> 'default') ELSE '{}' END ORDER BY o), '[]')
		FROM jsonb_array_elements(e -> 'parameters') WITH ORDINALITY AS x(p, o)))
	FROM (SELECT config_defaults('command') || e AS e FROM jsonb_array_elements(p_doc -> 'commands') e) c
	UNION ALL
	SELECT 'grant', (e ->> 'role') || ' may ' || (e ->> 'command') || CASE WHEN e -> 'constraints' <> '{}' THEN ' ' || (e -> 'constraints')::text ELSE '' END
			|| coalesce(' in chat ' || (e ->> 'chat_id'), '') || CASE WHEN e ->> 'hours' <> '' THEN ' at ' || (e ->> 'hours') || ' ' || (e ->> 'timezone') ELSE '' END, e
	FROM (SELECT config_defaults('grant') || e AS e FROM jsonb_array_elements(p_doc -> 'grants') e) g
	UNION ALL
	SELECT 'chat', e ->> 'chat_id', config_defaults('chat') || e FROM jsonb_array_elements(p_doc -> 'chats') e
	UNION ALL
	SELECT 'schedule', e ->> 'name', config_defaults('schedule') || e FROM jsonb_array_elements(p_doc -> 'schedules') e
	UNION ALL
	SELECT 'hook', e ->> 'name', e || jsonb_build_object('buttons', (SELECT coalesce(jsonb_agg(config_defaults('button') || b ORDER BY o), '[]')
		FROM jsonb_array_elements(e -> 'buttons') WITH ORDINALITY AS x(b, o)))
	FROM (SELECT config_defaults('hook') || e AS e FROM jsonb_array_elements(p_doc -> 'hooks') e) h
$$;
COMMENT ON FUNCTION config_wanted(jsonb) IS 'What a file declares, in the shape of config_current()';

CREATE OR REPLACE FUNCTION config_section(p_kind text) RETURNS text
LANGUAGE sql IMMUTABLE AS $$ SELECT p_kind || 's' $$;
COMMENT ON FUNCTION config_section(text) IS 'Key of the file that lists objects of this kind';

-- References that lead nowhere, and Telegram ids that belong to somebody the file does not mention.
CREATE OR REPLACE FUNCTION config_errors(p_doc jsonb) RETURNS TABLE (path text, reason text)
LANGUAGE sql STABLE AS $$
	WITH item AS (
		SELECT s.section, (n - 1) AS at, e FROM unnest(ARRAY['groups', 'users', 'commands', 'grants', 'schedules', 'hooks']) AS s(section),
			jsonb_array_elements(p_doc -> s.section) WITH ORDINALITY AS x(e, n)
	), known AS (
		SELECT kind, name FROM config_current() UNION SELECT kind, name FROM config_wanted(p_doc)
	), parameter AS (
		SELECT format('commands[%s].parameters[%s]', i.at, n - 1) AS path, q
		FROM item i, jsonb_array_elements(i.e -> 'parameters') WITH ORDINALITY AS x(q, n) WHERE i.section = 'commands'
	), button AS (
		SELECT format('hooks[%s].buttons[%s]', i.at, n - 1) AS path, b
		FROM item i, jsonb_array_elements(i.e -> 'buttons') WITH ORDINALITY AS x(b, n) WHERE i.section = 'hooks'
	), will_be AS (
		SELECT w.name, w.body FROM config_wanted(p_doc) w WHERE w.kind = 'command'
		UNION ALL
		SELECT c.name, c.body FROM config_current() c WHERE c.kind = 'command'
			AND NOT EXISTS (SELECT FROM config_wanted(p_doc) w WHERE w.kind = 'command' AND w.name = c.name)
	), reference AS (
		SELECT format('%s[%s].roles[%s]', i.section, i.at, n - 1) AS path, 'role' AS kind, v AS name
		FROM item i, jsonb_array_elements_text(i.e -> 'roles') WITH ORDINALITY AS r(v, n)
		UNION ALL
		SELECT format('%s[%s].groups[%s]', i.section, i.at, n - 1), 'group', v
		FROM item i, jsonb_array_elements_text(i.e -> 'groups') WITH ORDINALITY AS r(v, n)
		UNION ALL
		SELECT format('%s[%s].organization', i.section, i.at), 'organization', i.e ->> 'organization' FROM item i WHERE i.section = 'users'
		UNION ALL
		SELECT format('commands[%s].approvers', i.at), 'role', i.e ->> 'approvers' FROM item i WHERE i.section = 'commands'
		UNION ALL
		SELECT format('grants[%s].role', i.at), 'role', i.e ->> 'role' FROM item i WHERE i.section = 'grants'
		UNION ALL
		SELECT format('grants[%s].command', i.at), 'command', i.e ->> 'command' FROM item i WHERE i.section = 'grants'
		UNION ALL
		SELECT format('schedules[%s].user', i.at), 'user', i.e ->> 'user' FROM item i WHERE i.section = 'schedules'
		UNION ALL
		SELECT format('schedules[%s].line', i.at), 'command', line_command(i.e ->> 'line') FROM item i WHERE i.section = 'schedules'
		UNION ALL
		SELECT b.path || '.command', 'command', b.b ->> 'command' FROM button b
		UNION ALL
		SELECT p.path || '.choices_from', 'command', p.q ->> 'choices_from' FROM parameter p
		UNION ALL
		-- @names and Telegram ids come and go.
		SELECT p.path || '.default', 'user', p.q ->> 'default' FROM parameter p WHERE p.q ->> 'type' = 'user' AND p.q ->> 'default' !~ '^(@.*|[0-9]+)$'
	)
	SELECT r.path, format('there is no %s "%s", neither in this file nor in the database', r.kind, r.name)
	FROM reference r WHERE r.name IS NOT NULL AND NOT EXISTS (SELECT FROM known k WHERE k.kind = r.kind AND k.name = r.name)
	UNION ALL
	SELECT format('users[%s].telegram_ids[%s]', i.at, n - 1), format('%s belongs to %s, who is not in this file to give it up', v, u.login)
	FROM item i, jsonb_array_elements_text(i.e -> 'telegram_ids') WITH ORDINALITY AS r(v, n)
		JOIN telegram_account a ON a.telegram_id = v::bigint JOIN app_user u ON u.id = a.user_id
	WHERE i.section = 'users' AND u.login <> i.e ->> 'login'
		AND NOT EXISTS (SELECT FROM item o WHERE o.section = 'users' AND o.e ->> 'login' = u.login)
	UNION ALL
	SELECT format('users[%s].telegram_ids[%s]', i.at, n - 1), format('%s is also given to %s in this file', v, o.e ->> 'login')
	FROM item i, jsonb_array_elements_text(i.e -> 'telegram_ids') WITH ORDINALITY AS r(v, n), item o
	WHERE i.section = 'users' AND o.section = 'users' AND o.at < i.at AND o.e -> 'telegram_ids' @> to_jsonb(v::bigint)
	UNION ALL
	SELECT format('grants[%s].constraints.%s', i.at, k), format('command "%s" has no parameter "%s"', i.e ->> 'command', k)
	FROM item i, jsonb_object_keys(i.e -> 'constraints') AS k
	WHERE i.section = 'grants' AND NOT EXISTS (
		SELECT FROM will_be b, jsonb_array_elements(b.body -> 'parameters') p WHERE b.name = i.e ->> 'command' AND p ->> 'name' = k)
	UNION ALL
	SELECT format('grants[%s].constraints.%s', i.at, k), CASE p ->> 'type' WHEN 'file' THEN 'is a file: a grant cannot hold values of it' ELSE 'is a secret: a grant cannot hold values of it' END
	FROM item i, jsonb_object_keys(i.e -> 'constraints') AS k, will_be b, jsonb_array_elements(b.body -> 'parameters') p
	WHERE i.section = 'grants' AND b.name = i.e ->> 'command' AND p ->> 'name' = k AND ((p ->> 'secret')::boolean OR p ->> 'type' = 'file')
	UNION ALL
	SELECT format('grants[%s].hours', i.at), format('"%s" is not understood; it can be mon-fri 08:00-18:00, sat,sun or 22:00-06:00', i.e ->> 'hours')
	FROM item i WHERE i.section = 'grants' AND NOT hours_sound(i.e ->> 'hours')
	UNION ALL
	SELECT p.path || '.choices_from', format('/%s cannot give choices: %s', b.name, CASE
		WHEN jsonb_array_length(b.body -> 'parameters') > 0 THEN 'it has parameters' WHEN (b.body ->> 'enabled')::boolean THEN 'it is confirmed or approved first'
		ELSE 'it is switched off' END)
	FROM parameter p JOIN will_be b ON b.name = p.q ->> 'choices_from'
	WHERE jsonb_array_length(b.body -> 'parameters') > 0 OR (b.body ->> 'dangerous')::boolean OR (b.body ->> 'approvals')::integer > 0
		OR NOT (b.body ->> 'enabled')::boolean
	UNION ALL
	SELECT b.path || '.' || w.key, w.reason FROM button b JOIN will_be c ON c.name = b.b ->> 'command', hook_button_complaint(b.b, c.body -> 'parameters') w
	UNION ALL
	SELECT format('schedules[%s].cron', i.at), w FROM item i, cron_error(i.e ->> 'cron') w WHERE i.section = 'schedules' AND w IS NOT NULL
	UNION ALL
	SELECT format('%s[%s].timezone', i.section, i.at), format('"%s" is in no time zone database; as Europe/Berlin or UTC', i.e ->> 'timezone')
	FROM item i WHERE i.section IN ('schedules', 'grants') AND i.e ? 'timezone' AND NOT timezone_known(i.e ->> 'timezone')
$$;
COMMENT ON FUNCTION config_errors(jsonb) IS 'What is wrong with a file that only the database can tell; path and reason of every error';

CREATE OR REPLACE FUNCTION config_apply_user(p jsonb) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
	who bigint;
BEGIN
	INSERT INTO app_user AS u (login, first_name, last_name, organization_id, enabled, locale, timezone)
	VALUES (p ->> 'login', p ->> 'first_name', p ->> 'last_name', (SELECT id FROM organization WHERE name = p ->> 'organization'),
		(p ->> 'enabled')::boolean, p ->> 'locale', p ->> 'timezone')
	ON CONFLICT (login) DO UPDATE SET first_name = excluded.first_name, last_name = excluded.last_name, organization_id = excluded.organization_id,
		enabled = excluded.enabled, locale = excluded.locale, timezone = excluded.timezone, version = u.version + 1, updated_at = now()
	RETURNING id INTO who;
	DELETE FROM user_group_member WHERE user_id = who;
	INSERT INTO user_group_member SELECT who, g.id FROM user_group g WHERE p -> 'groups' ? g.name;
	DELETE FROM user_role WHERE user_id = who;
	INSERT INTO user_role SELECT who, r.id FROM role r WHERE p -> 'roles' ? r.name;
	DELETE FROM telegram_account WHERE user_id = who AND NOT p -> 'telegram_ids' @> to_jsonb(telegram_id);
	INSERT INTO telegram_account (telegram_id, user_id) SELECT v::bigint, who FROM jsonb_array_elements_text(p -> 'telegram_ids') v
	ON CONFLICT (telegram_id) DO UPDATE SET user_id = excluded.user_id WHERE telegram_account.user_id <> excluded.user_id;
	-- Who was a stranger is one no more.
	UPDATE join_request SET state = 'approved', decided_at = now()
	WHERE state = 'pending' AND p -> 'telegram_ids' @> to_jsonb(telegram_id);
END $$;
COMMENT ON FUNCTION config_apply_user(jsonb) IS 'Makes a person as declared';

CREATE OR REPLACE FUNCTION config_apply_command(p jsonb) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
	which bigint;
BEGIN
	INSERT INTO queue (name) VALUES (p ->> 'queue') ON CONFLICT DO NOTHING;
	INSERT INTO command AS c (name, description, descriptions, detail, kind, program, args, template, connection, statement, writes,
		row_limit, method, path, headers, body, expect, pointer, enabled, logged, long_running, idempotent, ordered, max_attempts, timeout_s, grace_s, output_limit, priority, concurrency, queue, interactive, dangerous, approvals, answer, at_once, stop_after, approver_role_id)
	SELECT r.name, r.description, r.descriptions, r.detail, r.kind, r.program, r.args, r.template, r.connection, r.statement, r.writes,
		r.row_limit, r.method, r.path, r.headers, nullif(r.body, 'null'), r.expect, r.pointer, r.enabled, r.logged, r.long_running, r.idempotent, r.ordered,
		r.max_attempts, r.timeout_s, r.grace_s, r.output_limit, r.priority, r.concurrency, r.queue, r.interactive, r.dangerous, r.approvals, r.answer, r.at_once, r.stop_after,
		(SELECT o.id FROM role o WHERE o.name = p ->> 'approvers')
	FROM jsonb_populate_record(NULL::command, p) r
	ON CONFLICT (name) DO UPDATE SET description = excluded.description, descriptions = excluded.descriptions, detail = excluded.detail, kind = excluded.kind, program = excluded.program,
		args = excluded.args, template = excluded.template, connection = excluded.connection, statement = excluded.statement,
		writes = excluded.writes, row_limit = excluded.row_limit, method = excluded.method, path = excluded.path, headers = excluded.headers,
		body = excluded.body, expect = excluded.expect, pointer = excluded.pointer, enabled = excluded.enabled, logged = excluded.logged, long_running = excluded.long_running,
		idempotent = excluded.idempotent, ordered = excluded.ordered, max_attempts = excluded.max_attempts, timeout_s = excluded.timeout_s,
		grace_s = excluded.grace_s, output_limit = excluded.output_limit, priority = excluded.priority, concurrency = excluded.concurrency,
		queue = excluded.queue, interactive = excluded.interactive, dangerous = excluded.dangerous, approvals = excluded.approvals, answer = excluded.answer,
		at_once = excluded.at_once, stop_after = excluded.stop_after,
		approver_role_id = excluded.approver_role_id, version = c.version + 1, updated_at = now()
	RETURNING id INTO which;
	DELETE FROM command_parameter WHERE command_id = which;
	INSERT INTO command_parameter (command_id, position, name, type, required, default_value, minimum, maximum, choices, choices_from, every_s, pattern,
		secret, help)
	SELECT which, n, q ->> 'name', q ->> 'type', (q ->> 'required')::boolean, q ->> 'default', q ->> 'minimum', q ->> 'maximum',
		nullif(ARRAY(SELECT jsonb_array_elements_text(q -> 'choices')), '{}'), q ->> 'choices_from', (q ->> 'every_s')::integer, q ->> 'pattern',
		(q ->> 'secret')::boolean, q ->> 'help'
	FROM jsonb_array_elements(p -> 'parameters') WITH ORDINALITY AS x(q, n);
END $$;
COMMENT ON FUNCTION config_apply_command(jsonb) IS 'Makes a command as declared';

CREATE OR REPLACE FUNCTION config_apply_one(p_kind text, p jsonb) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
	which bigint;
BEGIN
	CASE p_kind
	WHEN 'organization' THEN
		INSERT INTO organization (name) VALUES (p ->> 'name');
	WHEN 'role' THEN
		INSERT INTO role AS r (name, description, manages_tasks) VALUES (p ->> 'name', p ->> 'description', (p ->> 'manages_tasks')::boolean)
		ON CONFLICT (name) DO UPDATE SET description = excluded.description, manages_tasks = excluded.manages_tasks, version = r.version + 1;
	WHEN 'queue' THEN
		INSERT INTO queue (name, concurrency) VALUES (p ->> 'name', (p ->> 'concurrency')::integer)
		ON CONFLICT (name) DO UPDATE SET concurrency = excluded.concurrency, version = queue.version + 1;
	WHEN 'group' THEN
		INSERT INTO user_group AS g (name) VALUES (p ->> 'name') ON CONFLICT (name) DO UPDATE SET version = g.version + 1 RETURNING id INTO which;
		DELETE FROM group_role WHERE group_id = which;
		INSERT INTO group_role SELECT which, r.id FROM role r WHERE p -> 'roles' ? r.name;
	WHEN 'user' THEN
		PERFORM config_apply_user(p);
	WHEN 'command' THEN
		PERFORM config_apply_command(p);
	WHEN 'grant' THEN
		INSERT INTO role_command (role_id, command_id, constraints, chat_id, hours, timezone)
		VALUES ((SELECT id FROM role WHERE name = p ->> 'role'), (SELECT id FROM command WHERE name = p ->> 'command'),
			p -> 'constraints', (p ->> 'chat_id')::bigint, p ->> 'hours', p ->> 'timezone');
	WHEN 'chat' THEN
		PERFORM config_apply_chat((p ->> 'chat_id')::bigint, (p ->> 'allowed')::boolean);
	WHEN 'schedule' THEN
		PERFORM config_apply_schedule(p);
	WHEN 'hook' THEN
		PERFORM config_apply_hook(p);
	END CASE;
END $$;
COMMENT ON FUNCTION config_apply_one(text, jsonb) IS 'Makes one object as declared';

CREATE OR REPLACE FUNCTION config_remove_one(p_kind text, p_name text, p jsonb) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
	CASE p_kind
	WHEN 'grant' THEN
		DELETE FROM role_command x USING role r, command c WHERE r.id = x.role_id AND c.id = x.command_id AND r.name = p ->> 'role'
			AND c.name = p ->> 'command' AND x.constraints = p -> 'constraints' AND x.chat_id IS NOT DISTINCT FROM (p ->> 'chat_id')::bigint
			AND x.hours = p ->> 'hours' AND x.timezone = p ->> 'timezone';
	WHEN 'chat' THEN
		UPDATE chat h SET allowed = chat_at_first(h.chat_id, h.type) WHERE h.chat_id = p_name::bigint;
		UPDATE chat SET decided_at = NULL WHERE chat_id = p_name::bigint;
	WHEN 'command' THEN DELETE FROM command WHERE name = p_name;
	WHEN 'user' THEN DELETE FROM app_user WHERE login = p_name;
	WHEN 'group' THEN DELETE FROM user_group WHERE name = p_name;
	WHEN 'role' THEN DELETE FROM role WHERE name = p_name;
	WHEN 'queue' THEN DELETE FROM queue WHERE name = p_name;
	WHEN 'schedule' THEN DELETE FROM schedule WHERE name = p_name;
	WHEN 'hook' THEN DELETE FROM hook WHERE name = p_name;
	WHEN 'organization' THEN
		UPDATE app_user SET organization_id = NULL WHERE organization_id = (SELECT id FROM organization WHERE name = p_name);
		DELETE FROM organization WHERE name = p_name;
	END CASE;
END $$;
COMMENT ON FUNCTION config_remove_one(text, text, jsonb) IS 'Removes one object that the file does not name';

CREATE OR REPLACE FUNCTION config_queue_used(p_doc jsonb, p_queue text) RETURNS boolean
LANGUAGE sql STABLE AS $$
	SELECT p_queue = 'default' OR EXISTS (SELECT FROM command c WHERE c.queue = p_queue)
		OR EXISTS (SELECT FROM config_wanted(p_doc) w WHERE w.kind = 'command' AND w.body ->> 'queue' = p_queue)
$$;
COMMENT ON FUNCTION config_queue_used(jsonb, text) IS 'Whether a queue must stay though the file does not name it: some command waits in it';

-- p_visit: who does it on a page; null: the operator.
CREATE OR REPLACE FUNCTION config_apply_as(p_visit jsonb, p_doc jsonb, p_prune boolean) RETURNS TABLE (action text, kind text, name text, detail jsonb)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
	order_of_kinds text[] := ARRAY['organization', 'role', 'queue', 'group', 'user', 'command', 'chat', 'grant', 'schedule', 'hook'];
	change record;
BEGIN
	-- Two at once would each see the other's half.
	PERFORM pg_advisory_xact_lock(hashtext('teleops.config'));
	RETURN QUERY SELECT 'error', ''::text, e.path, to_jsonb(e.reason) FROM config_errors(p_doc) e;
	IF FOUND THEN
		RETURN;
	END IF;
	CREATE TEMPORARY TABLE config_change ON COMMIT DROP AS
	SELECT CASE WHEN c.name IS NULL THEN 'created' WHEN w.name IS NULL THEN 'removed' ELSE 'changed' END AS action,
		coalesce(w.kind, c.kind) AS kind, coalesce(w.name, c.name) AS name, w.body AS wanted, c.body AS current,
		coalesce(array_position(order_of_kinds, w.kind), 20 - array_position(order_of_kinds, c.kind)) AS turn
	FROM config_wanted(p_doc) w FULL JOIN config_current() c ON c.kind = w.kind AND c.name = w.name
	WHERE w.body IS DISTINCT FROM c.body AND (w.name IS NOT NULL OR (p_prune AND p_doc ? config_section(c.kind)
		AND NOT (c.kind = 'queue' AND config_queue_used(p_doc, c.name))));
	-- An administrator is never pruned: nobody locks the door behind themselves.
	UPDATE config_change x SET action = 'kept' FROM app_user u
	WHERE x.action = 'removed' AND x.kind = 'user' AND u.login = x.name
		AND (u.password_hash IS NOT NULL OR EXISTS (SELECT FROM admin_permission p WHERE p.user_id = u.id));
	FOR change IN SELECT * FROM config_change x ORDER BY x.action = 'removed', x.turn, x.name LOOP
		IF change.action = 'removed' THEN
			PERFORM config_remove_one(change.kind, change.name, change.current);
		ELSIF change.action <> 'kept' THEN
			PERFORM config_apply_one(change.kind, change.wanted);
		END IF;
		CONTINUE WHEN change.action = 'kept';
		INSERT INTO audit_event (actor, user_id, action, object, detail, address)
		VALUES (CASE WHEN p_visit IS NULL THEN 'operator' ELSE 'manager' END, (p_visit ->> 'user')::bigint, change.action, change.kind || ' ' || change.name,
			jsonb_build_object('before', change.current, 'after', change.wanted), (p_visit ->> 'address')::inet);
	END LOOP;
	RETURN QUERY SELECT x.action, x.kind, x.name, CASE WHEN x.action = 'changed' THEN
			(SELECT jsonb_object_agg(k.key, jsonb_build_array(x.current -> k.key, k.value)) FROM jsonb_each(x.wanted) k WHERE k.value IS DISTINCT FROM x.current -> k.key)
		END
	FROM config_change x ORDER BY x.action = 'removed', x.turn, x.name;
END $$;
COMMENT ON FUNCTION config_apply_as(jsonb, jsonb, boolean)
	IS 'Makes the database match a declared state and says what changed; rows with action error: nothing was changed. Roll back for a dry run';

CREATE OR REPLACE FUNCTION config_apply(p_doc jsonb, p_prune boolean) RETURNS TABLE (action text, kind text, name text, detail jsonb)
LANGUAGE sql AS $$ SELECT * FROM config_apply_as(NULL, p_doc, p_prune) $$;
COMMENT ON FUNCTION config_apply(jsonb, boolean) IS 'The same, by the operator';

CREATE OR REPLACE FUNCTION config_lean(p_kind text, p_body jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE AS $$
	SELECT jsonb_object_agg(k.key, CASE WHEN k.key IN ('parameters', 'buttons') THEN (SELECT jsonb_agg(
			(SELECT jsonb_object_agg(q.key, q.value) FROM jsonb_each(x.p) q WHERE q.value IS DISTINCT FROM config_defaults(rtrim(k.key, 's')) -> q.key) ORDER BY x.o)
			FROM jsonb_array_elements(k.value) WITH ORDINALITY AS x(p, o)) ELSE k.value END)
	FROM jsonb_each(p_body) k WHERE k.value IS DISTINCT FROM config_defaults(p_kind) -> k.key
$$;
COMMENT ON FUNCTION config_lean(text, jsonb) IS 'An object as a file would have it: without keys that have their default';

CREATE OR REPLACE FUNCTION config_export() RETURNS jsonb
LANGUAGE sql STABLE AS $$
	WITH lean AS (SELECT c.kind, c.name, config_lean(c.kind, c.body) AS body FROM config_current() c)
	SELECT jsonb_build_object(
		'organizations', coalesce(jsonb_agg(body ORDER BY name) FILTER (WHERE kind = 'organization'), '[]'),
		'groups', coalesce(jsonb_agg(body ORDER BY name) FILTER (WHERE kind = 'group'), '[]'),
		'roles', coalesce(jsonb_agg(body ORDER BY name) FILTER (WHERE kind = 'role'), '[]'),
		'queues', coalesce(jsonb_agg(body ORDER BY name) FILTER (WHERE kind = 'queue'), '[]'),
		'users', coalesce(jsonb_agg(body ORDER BY name) FILTER (WHERE kind = 'user'), '[]'),
		'commands', coalesce(jsonb_agg(body ORDER BY name) FILTER (WHERE kind = 'command'), '[]'),
		'grants', coalesce(jsonb_agg(body ORDER BY name) FILTER (WHERE kind = 'grant'), '[]'),
		'chats', coalesce(jsonb_agg(body ORDER BY name) FILTER (WHERE kind = 'chat'), '[]'),
		'schedules', coalesce(jsonb_agg(body ORDER BY name) FILTER (WHERE kind = 'schedule'), '[]'),
		'hooks', coalesce(jsonb_agg(body ORDER BY name) FILTER (WHERE kind = 'hook'), '[]')) FROM lean
$$;
COMMENT ON FUNCTION config_export() IS 'The declared state as a file for apply; keys that have their default are left out';
