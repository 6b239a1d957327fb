-- The pages of commands, with their parameters and grants. What is declared is checked and made by the functions of config.sql, as a
-- file would be that declares this one command and all grants of it.

-- Grants: what a line each says of values

CREATE OR REPLACE FUNCTION constraint_lines(p_constraints jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE AS $$
	SELECT coalesce(jsonb_agg(c.key || '=' || v ORDER BY c.key, n), '[]')
	FROM jsonb_each(p_constraints) c, jsonb_array_elements_text(c.value) WITH ORDINALITY AS x(v, n)
$$;
COMMENT ON FUNCTION constraint_lines(jsonb) IS 'Constraints of a grant as lines, name=value';

CREATE OR REPLACE FUNCTION grant_text(p jsonb) RETURNS text
LANGUAGE sql IMMUTABLE AS $$
	SELECT concat((p ->> 'role'), CASE WHEN p -> 'constraints' <> '{}' THEN ' (' || (SELECT string_agg(l, ', ' ORDER BY n)
		FROM jsonb_array_elements_text(constraint_lines(p -> 'constraints')) WITH ORDINALITY AS x(l, n)) || ')' END, ' in chat ' || (p ->> 'chat_id'),
		CASE WHEN p ->> 'hours' <> '' THEN ' at ' || (p ->> 'hours') || ' ' || (p ->> 'timezone') END)
$$;
COMMENT ON FUNCTION grant_text(jsonb) IS 'A grant as declared, in a line';

CREATE OR REPLACE FUNCTION command_grants(p_command bigint) RETURNS SETOF jsonb
LANGUAGE sql STABLE AS $$
	SELECT jsonb_build_object('role', r.name, 'command', c.name, 'constraints', x.constraints, 'chat_id', x.chat_id, 'hours', x.hours, 'timezone', x.timezone)
	FROM role_command x JOIN role r ON r.id = x.role_id JOIN command c ON c.id = x.command_id WHERE x.command_id = p_command
	ORDER BY r.name, x.id
$$;
COMMENT ON FUNCTION command_grants(bigint) IS 'Who may run a command, each grant as declared';

CREATE OR REPLACE FUNCTION command_body(p_name text) RETURNS jsonb
LANGUAGE sql STABLE AS $$ SELECT body FROM config_current() WHERE kind = 'command' AND name = p_name $$;
COMMENT ON FUNCTION command_body(text) IS 'A command as declared';

-- What the record has of it: its grants belong to it there.
CREATE OR REPLACE FUNCTION command_recorded(c command) RETURNS jsonb
LANGUAGE sql STABLE AS $$
	SELECT command_body(c.name) || jsonb_build_object('grants', (SELECT coalesce(jsonb_agg(grant_text(g)), '[]') FROM command_grants(c.id) g))
$$;
COMMENT ON FUNCTION command_recorded(command) IS 'A command with its grants, for the record';

CREATE OR REPLACE FUNCTION command_values(c command) RETURNS jsonb
LANGUAGE sql STABLE AS $$
	SELECT b || jsonb_build_object(
		-- A default of some kinds would mean nothing for the others.
		'row_limit', nullif(b -> 'row_limit', config_defaults('command') -> 'row_limit'), 'method', nullif(b -> 'method', config_defaults('command') -> 'method'),
		'body', CASE WHEN b -> 'body' <> 'null' THEN jsonb_pretty(b -> 'body') END,
		'headers', (SELECT coalesce(jsonb_agg(h.key || ': ' || h.value ORDER BY h.key), '[]') FROM jsonb_each_text(b -> 'headers') h),
		'parameters', (SELECT coalesce(jsonb_agg(q || jsonb_build_object('place', n) ORDER BY n), '[]') FROM jsonb_array_elements(b -> 'parameters') WITH ORDINALITY AS x(q, n)),
		'descriptions', (SELECT coalesce(jsonb_agg(jsonb_build_object('language', d.key, 'text', d.value) ORDER BY d.key), '[]') FROM jsonb_each(b -> 'descriptions') d),
		'grants', (SELECT coalesce(jsonb_agg(jsonb_build_object('role', g -> 'role', 'constraints', constraint_lines(g -> 'constraints'), 'chat_id', g -> 'chat_id',
				'hours', g -> 'hours', 'timezone', CASE WHEN g ->> 'hours' = '' THEN '' ELSE g ->> 'timezone' END)), '[]')
			FROM command_grants(c.id) g))
	FROM command_body(c.name) b
$$;
COMMENT ON FUNCTION command_values(command) IS 'A command as its form has it';

-- Choices

CREATE OR REPLACE FUNCTION text_choices(p text[]) RETURNS jsonb
LANGUAGE sql IMMUTABLE AS $$ SELECT coalesce(jsonb_agg(jsonb_build_object('value', v, 'text', v) ORDER BY n), '[]') FROM unnest(p) WITH ORDINALITY AS x(v, n) $$;
COMMENT ON FUNCTION text_choices(text[]) IS 'Words to choose from';

CREATE OR REPLACE FUNCTION check_words(p_table regclass, p_column text) RETURNS text[]
LANGUAGE sql STABLE AS $$
	SELECT ARRAY(SELECT m[1] FROM pg_constraint k JOIN pg_attribute a ON a.attrelid = k.conrelid AND k.conkey = ARRAY[a.attnum],
		regexp_matches(pg_get_constraintdef(k.oid), '''([^'']+)''', 'g') m
		WHERE k.conrelid = p_table AND k.contype = 'c' AND a.attname = p_column AND pg_get_constraintdef(k.oid) ~ 'ANY \(')
$$;
COMMENT ON FUNCTION check_words(regclass, text) IS 'The words that a column may have, by its check: so that a list of them stands in one place';

CREATE OR REPLACE FUNCTION command_choices(p_command bigint) RETURNS jsonb
LANGUAGE sql STABLE AS $$
	SELECT jsonb_build_object('kind', text_choices(check_words('command', 'kind')), 'type', text_choices(check_words('command_parameter', 'type')),
		'method', text_choices(check_words('command', 'method')),
		'role', role_choices(), 'approvers', role_choices(), 'answer', text_choices(check_words('command', 'answer')),
		'queue', text_choices(ARRAY(SELECT q.name FROM queue q ORDER BY q.name)),
		'choices_from', text_choices(ARRAY(SELECT c.name FROM command c WHERE c.max_args = 0 AND c.enabled AND NOT c.dangerous AND c.approvals = 0
			AND c.id IS DISTINCT FROM p_command ORDER BY c.name)),
		'program', (SELECT coalesce(jsonb_agg(jsonb_build_object('value', p.program, 'text', p.engines) ORDER BY p.program), '[]') FROM (
			SELECT x.program, string_agg(e.name, ', ' ORDER BY e.name) AS engines FROM engine e, unnest(e.programs) AS x(program)
			WHERE e.lease_until > clock_timestamp() AND e.stopped_at IS NULL GROUP BY x.program) p))
$$;
COMMENT ON FUNCTION command_choices(bigint) IS 'What a command''s form offers; programs are those of engines that are alive';

-- Lines of schedules, read by the pages with lib/schedule.c: see docs/pages.md

CREATE OR REPLACE FUNCTION catalogue_rows(p_command bigint) RETURNS jsonb
LANGUAGE sql STABLE AS $$
	SELECT jsonb_agg(jsonb_build_array(k.command_id::text, k.command, k.enabled::text, k.usage, k.parameter, k.type, k.required::text, k.default_value,
		k.minimum, k.maximum, k.choices::text, k.pattern, k.secret::text, k.interactive::text, k.choices_from) ORDER BY k.ordinality)
	FROM catalogue() WITH ORDINALITY k WHERE k.command_id = p_command
$$;
COMMENT ON FUNCTION catalogue_rows(bigint) IS 'A command''s rows of catalogue(), as texts';

CREATE OR REPLACE FUNCTION lines_unread(p_schedules bigint[]) RETURNS jsonb
LANGUAGE sql STABLE AS $$
	SELECT jsonb_agg(jsonb_set(r, '{0}', to_jsonb(s.id::text)) || jsonb_build_array(s.line, c.version::text) ORDER BY s.id, n)
	FROM schedule s JOIN command c ON c.id = s.command_id, jsonb_array_elements(catalogue_rows(c.id)) WITH ORDINALITY AS x(r, n)
	WHERE s.enabled AND s.command_version <> c.version AND s.id = ANY (p_schedules)
$$;
COMMENT ON FUNCTION lines_unread(bigint[]) IS 'Of these schedules those whose lines are to be read, each with its command''s rows; null: none';

CREATE OR REPLACE FUNCTION lines_take(p_schedules bigint[], p_read jsonb) RETURNS void
LANGUAGE sql AS $$
	UPDATE schedule s SET command_version = c.version, args = nullif(r.args, '')::jsonb, complaint = r.complaint
	FROM command c, unnest((p_read ->> 'line')::text[], (p_read ->> 'args')::text[], (p_read ->> 'complaint')::text[]) AS r(line, args, complaint)
	WHERE c.id = s.command_id AND s.command_version <> c.version AND s.line = r.line AND s.id = ANY (p_schedules)
$$;
COMMENT ON FUNCTION lines_take(bigint[], jsonb) IS 'Notes what the lines of these schedules mean, as it was read';

-- List

CREATE OR REPLACE FUNCTION manager_commands(p_visit jsonb, p jsonb) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
	PERFORM page_begin(p_visit);
	RETURN page_list(p, $q$ c.id, c.name, c.description, c.kind, c.queue, c.enabled, c.dangerous, nullif(c.approvals, 0) AS approvals, page_time(c.updated_at) AS changed,
			command_usage(c.id) AS usage, (SELECT string_agg(DISTINCT r.name, ', ' ORDER BY r.name) FROM role_command x JOIN role r ON r.id = x.role_id WHERE x.command_id = c.id) AS roles $q$,
		'command c', 'name', '{"name": "c.name text, c.id bigint", "changed": "c.updated_at timestamptz, c.id bigint"}',
		$q$ {"search": "lower(c.name || ' ' || c.description || ' ' || c.program) LIKE '%' || page_like(ltrim($1 ->> 'search', '/')) || '%'",
			"kind": "c.kind = $1 ->> 'kind'", "queue": "c.queue = $1 ->> 'queue'", "enabled": "c.enabled = ($1 ->> 'enabled')::boolean",
			"asks": "CASE $1 ->> 'asks' WHEN 'confirm' THEN c.dangerous WHEN 'approve' THEN c.approvals > 0 WHEN 'nothing' THEN NOT c.dangerous AND c.approvals = 0 END",
			"role": "EXISTS (SELECT FROM role_command x JOIN role r ON r.id = x.role_id WHERE x.command_id = c.id AND r.name = $1 ->> 'role')"} $q$)
		|| jsonb_build_object('choices', jsonb_build_object('kind', text_choices(check_words('command', 'kind')), 'role', role_choices(),
			'queue', text_choices(ARRAY(SELECT q.name FROM queue q ORDER BY q.name))));
END $$;
COMMENT ON FUNCTION manager_commands(jsonb, jsonb) IS 'List of commands';

-- Form

CREATE OR REPLACE FUNCTION manager_command(p_visit jsonb, p jsonb) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	c command;
BEGIN
	IF NOT p ? 'id' THEN
		RETURN jsonb_build_object('values', config_defaults('command') || '{"kind": "exec", "row_limit": null, "method": null, "headers": [], "descriptions": [], "grants": []}', 'choices', command_choices(NULL), 'declared', '{}'::jsonb);
	END IF;
	SELECT * INTO c FROM command x WHERE x.id = number_of(p ->> 'id');
	IF c.id IS NULL THEN
		RETURN NULL;
	END IF;
	PERFORM page_begin(p_visit);
	RETURN jsonb_build_object('id', c.id, 'version', c.version, 'kind', 'command', 'name', c.name, 'values', command_values(c), 'choices', command_choices(c.id),
		'declared', config_lean('command', command_body(c.name)), 'usage', command_usage(c.id), 'made', page_time(c.created_at), 'changed_at', page_time(c.updated_at),
		'schedules', (SELECT nullif(count(*), 0) FROM schedule s WHERE s.command_id = c.id),
		'unserved', NOT EXISTS (SELECT FROM engine e WHERE e.lease_until > clock_timestamp() AND e.stopped_at IS NULL AND c.queue = ANY (e.queues)),
		'missing', c.kind = 'exec' AND EXISTS (SELECT FROM engine e WHERE e.lease_until > clock_timestamp() AND e.stopped_at IS NULL AND c.queue = ANY (e.queues))
			AND NOT EXISTS (SELECT FROM engine e WHERE e.lease_until > clock_timestamp() AND e.stopped_at IS NULL AND c.queue = ANY (e.queues) AND c.program = ANY (e.programs)));
END $$;
COMMENT ON FUNCTION manager_command(jsonb, jsonb) IS 'A command for the form, or what a new one begins with';

CREATE OR REPLACE FUNCTION problems_of(p_document jsonb) RETURNS jsonb
LANGUAGE sql STABLE AS $$ SELECT jsonb_build_object('problems', jsonb_agg(jsonb_build_object('path', e.path, 'reason', e.reason))) FROM config_errors(p_document) e HAVING count(*) > 0 $$;
COMMENT ON FUNCTION problems_of(jsonb) IS 'What config_errors() finds in a document, for a form; null: nothing';

CREATE OR REPLACE FUNCTION command_make(p jsonb, p_before jsonb) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
	wanted jsonb := (SELECT body FROM config_wanted(p) WHERE kind = 'command');
	which bigint;
	g jsonb;
BEGIN
	-- In the form an argument is a line: one that has several is kept as long as it is not touched.
	IF p_before ? 'args' AND rtrim(array_to_string(ARRAY(SELECT jsonb_array_elements_text(wanted -> 'args')), E'\n'), E' \t\n')
			= rtrim(array_to_string(ARRAY(SELECT jsonb_array_elements_text(p_before -> 'args')), E'\n'), E' \t\n') THEN
		wanted := wanted || jsonb_build_object('args', p_before -> 'args');
	END IF;
	IF wanted IS DISTINCT FROM p_before - 'grants' THEN
		PERFORM config_apply_command(wanted);
	END IF;
	SELECT c.id INTO which FROM command c WHERE c.name = wanted ->> 'name';
	FOR g IN SELECT x FROM command_grants(which) x EXCEPT SELECT body FROM config_wanted(p) WHERE kind = 'grant' LOOP
		PERFORM config_remove_one('grant', '', g);
	END LOOP;
	FOR g IN SELECT body FROM config_wanted(p) WHERE kind = 'grant' EXCEPT SELECT x FROM command_grants(which) x LOOP
		PERFORM config_apply_one('grant', g);
	END LOOP;
END $$;
COMMENT ON FUNCTION command_make(jsonb, jsonb) IS 'Makes a command and exactly the grants that a document of it declares';

-- First without what its schedules' lines mean; if there are any, it is undone and they are asked for (read), and it comes once more.
CREATE OR REPLACE FUNCTION manager_command_save(p_visit jsonb, p jsonb) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	document jsonb := p -> 'document';
	wanted_name text := p #>> '{document,commands,0,name}';
	c command;
	before jsonb;
	schedules bigint[];
	answer jsonb;
BEGIN
	PERFORM pg_advisory_xact_lock(hashtext('teleops.config'));
	IF p ? 'id' THEN
		SELECT * INTO c FROM command x WHERE x.id = number_of(p ->> 'id') FOR UPDATE;
		IF c.id IS NULL THEN
			RETURN NULL;
		ELSIF c.version <> (p ->> 'version')::bigint THEN
			RETURN page_conflict(p_visit, 'command ' || c.name, c.version, command_values(c));
		END IF;
		before := command_recorded(c);
	END IF;
	IF EXISTS (SELECT FROM command x WHERE x.name = wanted_name AND x.id IS DISTINCT FROM c.id) THEN
		RETURN page_error('name', 'taken');
	END IF;
	answer := problems_of(document);
	IF answer IS NOT NULL THEN
		RETURN answer;
	END IF;
	BEGIN
		IF c.name <> wanted_name THEN
			UPDATE command x SET name = wanted_name, version = x.version + 1 WHERE x.id = c.id;
			PERFORM page_record(p_visit, 'renamed', 'command ' || c.name, jsonb_build_object('name', c.name), jsonb_build_object('name', wanted_name));
		END IF;
		PERFORM command_make(document, before || jsonb_build_object('name', wanted_name));
		SET CONSTRAINTS ALL IMMEDIATE;
		SELECT * INTO c FROM command x WHERE x.name = wanted_name;
		IF before IS NOT NULL AND before <> command_recorded(c) AND c.version = (p ->> 'version')::bigint THEN
			-- Its grants alone: who edits it at the same time is to be told all the same.
			UPDATE command x SET version = x.version + 1, updated_at = now() WHERE x.id = c.id RETURNING * INTO c;
		END IF;
		schedules := ARRAY(SELECT s.id FROM schedule s WHERE s.command_id = c.id ORDER BY s.id LIMIT 500);
		IF p ? 'lines' THEN
			PERFORM lines_take(schedules, p -> 'lines');
			SELECT page_error('', 'schedule_broken', jsonb_build_object('name', s.name, 'why', s.complaint)) INTO answer
			FROM schedule s WHERE s.id = ANY (schedules) AND s.enabled AND s.command_version = c.version AND s.args IS NULL ORDER BY s.name LIMIT 1;
		ELSE
			answer := (SELECT jsonb_build_object('read', l) FROM lines_unread(schedules) l WHERE l IS NOT NULL);
		END IF;
		IF answer IS NOT NULL THEN
			RAISE EXCEPTION USING ERRCODE = 'TM001';
		END IF;
	EXCEPTION
		WHEN SQLSTATE 'TM001' THEN
			RETURN answer;
		WHEN check_violation THEN
			RETURN page_error('', 'declared', jsonb_build_object('at', '', 'line', '', 'why', SQLERRM));
	END;
	RETURN page_saved(p_visit, 'command', c.name, c.id::text, before, command_recorded(c));
END $$;
COMMENT ON FUNCTION manager_command_save(jsonb, jsonb) IS 'Makes or changes a command with its grants, as document declares them; lines: what its schedules'' lines mean then';

CREATE OR REPLACE FUNCTION command_refused(c command) RETURNS jsonb
LANGUAGE sql STABLE AS $$
	SELECT page_refused('gives_choices', to_jsonb(string_agg(DISTINCT '/' || k.name, ' ')))
	FROM command_parameter q JOIN command k ON k.id = q.command_id WHERE q.choices_from = c.name AND k.id <> c.id HAVING count(*) > 0
$$;
COMMENT ON FUNCTION command_refused(command) IS 'Why a command cannot be removed; null: it can';

CREATE OR REPLACE FUNCTION manager_command_remove(p_visit jsonb, p jsonb) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	c command;
	refused jsonb;
BEGIN
	SELECT * INTO c FROM command x WHERE x.id = number_of(p ->> 'id') FOR UPDATE;
	IF c.id IS NULL THEN
		RETURN NULL;
	END IF;
	refused := command_refused(c);
	IF (p ->> 'confirmed')::boolean AND c.version = (p ->> 'version')::bigint AND refused IS NULL THEN
		PERFORM page_record(p_visit, 'removed', 'command ' || c.name, command_recorded(c));
		PERFORM config_remove_one('command', c.name, NULL);
		RETURN jsonb_build_object('done', true, 'kind', 'command', 'name', c.name);
	END IF;
	RETURN jsonb_build_object('id', c.id, 'version', c.version, 'kind', 'command', 'name', c.name, 'refused', refused, 'depends',
		page_depends('grants_end', (SELECT count(*) FROM role_command x WHERE x.command_id = c.id))
		|| page_depends('schedules_end', (SELECT count(*) FROM schedule s WHERE s.command_id = c.id))
		|| page_depends('buttons_end', (SELECT count(*) FROM hook_button b WHERE b.command_id = c.id))
		|| page_depends('pending_end', (SELECT count(*) FROM pending x WHERE x.command_id = c.id))
		|| page_depends('tasks_unfinished', (SELECT count(*) FROM (SELECT FROM task t WHERE t.command_id = c.id AND NOT t.internal LIMIT 1001) n))
		|| page_depends('history_stays', (SELECT count(*) FROM (SELECT FROM task_history h WHERE h.command_id = c.id LIMIT 1001) n)));
END $$;
COMMENT ON FUNCTION manager_command_remove(jsonb, jsonb) IS 'What would go with a command, or (confirmed) its removal';

CREATE OR REPLACE FUNCTION manager_command_act(p_visit jsonb, p jsonb) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	ids bigint[] := ARRAY(SELECT number_of(i) FROM jsonb_array_elements_text(p -> 'ids') i);
	wanted boolean := p ->> 'action' = 'enable';
	c command;
	done integer := 0;
	kept text[] := '{}';
BEGIN
	IF (p ->> 'confirmed')::boolean THEN
		FOR c IN SELECT * FROM command x WHERE x.id = ANY (ids) AND x.enabled <> wanted ORDER BY x.id FOR UPDATE LOOP
			IF NOT wanted AND command_refused(c) IS NOT NULL THEN
				kept := kept || ('/' || c.name);
				CONTINUE;
			END IF;
			UPDATE command x SET enabled = wanted, version = x.version + 1, updated_at = now() WHERE x.id = c.id;
			PERFORM page_record(p_visit, 'changed', 'command ' || c.name, jsonb_build_object('enabled', c.enabled), jsonb_build_object('enabled', wanted));
			done := done + 1;
		END LOOP;
		RETURN jsonb_build_object('flash', 'commands_' || (p ->> 'action'), 'done', jsonb_build_object('count', done, 'kept', array_to_string(kept[:10], ' ')));
	END IF;
	RETURN jsonb_build_object('objects', (SELECT coalesce(jsonb_agg(jsonb_build_object('id', x.id, 'name', '/' || x.name, 'note', x.description) ORDER BY x.name), '[]')
		FROM command x WHERE x.id = ANY (ids)));
END $$;
COMMENT ON FUNCTION manager_command_act(jsonb, jsonb) IS 'Switches several commands on or off';

-- All grants, to be looked at: they are changed with their commands.

CREATE OR REPLACE FUNCTION manager_grants(p_visit jsonb, p jsonb) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
	PERFORM page_begin(p_visit);
	RETURN page_list(p, $q$ g.id, r.name AS role, r.id AS role_id, c.name AS command, c.id AS command_id, c.enabled, g.chat_id AS chat, nullif(h.title, '') AS chat_title, nullif(g.hours, '') AS hours, g.timezone,
			(SELECT string_agg(l, ', ' ORDER BY n) FROM jsonb_array_elements_text(constraint_lines(g.constraints)) WITH ORDINALITY AS y(l, n)) AS values,
			page_count((SELECT count(*) FROM ((SELECT m.user_id FROM user_role m WHERE m.role_id = r.id LIMIT 1001) UNION
				(SELECT m.user_id FROM group_role k JOIN user_group_member m ON m.group_id = k.group_id WHERE k.role_id = r.id LIMIT 1001)) n)) AS people $q$,
		'role_command g JOIN role r ON r.id = g.role_id JOIN command c ON c.id = g.command_id LEFT JOIN chat h ON h.chat_id = g.chat_id', 'role',
		'{"role": "r.name text, c.name text, g.id bigint", "command": "c.name text, r.name text, g.id bigint"}',
		$q$ {"role": "r.name = $1 ->> 'role'", "command": "c.name = ltrim($1 ->> 'command', '/')",
			"narrowed": "(g.constraints <> '{}' OR g.chat_id IS NOT NULL OR g.hours <> '') = ($1 ->> 'narrowed')::boolean"} $q$)
		|| jsonb_build_object('choices', jsonb_build_object('role', role_choices(), 'command', text_choices(ARRAY(SELECT c.name FROM command c ORDER BY c.name))));
END $$;
COMMENT ON FUNCTION manager_grants(jsonb, jsonb) IS 'List of grants';
