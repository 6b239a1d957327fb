-- Who may run what, where, with which arguments; and what they are told of it.

CREATE OR REPLACE FUNCTION grant_fits(p_constraints jsonb, p_args jsonb) RETURNS boolean
LANGUAGE sql STABLE AS $$
	SELECT p_constraints = '{}' OR NOT EXISTS (
		SELECT FROM jsonb_each(p_constraints) c
		WHERE NOT coalesce(CASE WHEN jsonb_typeof(p_args -> c.key) = 'array' THEN hosts_within(p_args -> c.key, c.value) ELSE c.value @> (p_args -> c.key) END, false))
$$;
COMMENT ON FUNCTION grant_fits(jsonb, jsonb) IS 'Whether every constrained argument has one of the values allowed';

-- Days from one to another, across the end of the week too; hours past midnight belong to the day on which they began.
CREATE OR REPLACE FUNCTION hours_open(p_hours text, p_zone text, p_at timestamptz) RETURNS boolean
LANGUAGE plpgsql STABLE AS $$
DECLARE
	names text[] := ARRAY['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'];
	part text[] := regexp_match(p_hours, '^([a-z,-]*) ?(?:([0-9:]+)-([0-9:]+))?$');
	days integer[] := '{}';
	at timestamp;
	today integer;
	range text;
	first integer;
	last integer;
BEGIN
	at := p_at AT TIME ZONE p_zone;
	today := extract(isodow FROM at);
	FOREACH range IN ARRAY string_to_array(coalesce(nullif(part[1], ''), 'mon-sun'), ',') LOOP
		first := array_position(names, split_part(range, '-', 1));
		last := array_position(names, coalesce(nullif(split_part(range, '-', 2), ''), range));
		days := days || ARRAY(SELECT (n - 1) % 7 + 1 FROM generate_series(first, CASE WHEN last < first THEN last + 7 ELSE last END) n);
	END LOOP;
	IF part[2] IS NULL THEN
		RETURN today = ANY (days);
	ELSIF part[2]::time < part[3]::time THEN
		RETURN today = ANY (days) AND at::time >= part[2]::time AND at::time < part[3]::time;
	END IF;
	RETURN (today = ANY (days) AND at::time >= part[2]::time) OR ((today + 5) % 7 + 1 = ANY (days) AND at::time < part[3]::time);
EXCEPTION WHEN invalid_parameter_value THEN
	-- A zone that no longer exists: what cannot be told is not allowed.
	RETURN false;
END $$;
COMMENT ON FUNCTION hours_open(text, text, timestamptz) IS 'Whether a time lies within the hours of a grant, as mon-fri 08:00-18:00 or sat,sun or 22:00-06:00';

CREATE OR REPLACE FUNCTION refusal_text(p_user bigint, p_command bigint, p_chat bigint, p_args jsonb) RETURNS text
LANGUAGE plpgsql STABLE AS $$
DECLARE
	words jsonb := jsonb_build_object('command', (SELECT c.name FROM command c WHERE c.id = p_command));
	open text;
BEGIN
	IF NOT may_see(p_user, p_command, p_chat) THEN
		RETURN say('refused', words);
	END IF;
	SELECT string_agg(DISTINCT g.hours || ' ' || g.timezone, ', ') INTO open FROM user_grant g WHERE g.user_id = p_user AND g.command_id = p_command
		AND (g.chat_id IS NULL OR g.chat_id = p_chat) AND grant_fits(g.constraints, p_args) AND g.hours <> '' AND NOT hours_open(g.hours, g.timezone, now());
	RETURN say(CASE WHEN open IS NULL THEN 'refused_value' ELSE 'refused_hours' END, words || jsonb_build_object('hours', open));
END $$;
COMMENT ON FUNCTION refusal_text(bigint, bigint, bigint, jsonb) IS 'What is said to who may not run a command: not at all, not with these arguments, or not now';

CREATE OR REPLACE FUNCTION grants_that_fit(p_user bigint, p_command bigint, p_chat bigint, p_args jsonb) RETURNS SETOF user_grant
LANGUAGE sql STABLE AS $$
	SELECT g.* FROM user_grant g WHERE g.user_id = p_user AND g.command_id = p_command
		AND (g.chat_id IS NULL OR g.chat_id = p_chat) AND (g.constraints = '{}' OR grant_fits(g.constraints, p_args))
		AND (g.hours = '' OR hours_open(g.hours, g.timezone, now()))
$$;
COMMENT ON FUNCTION grants_that_fit(bigint, bigint, bigint, jsonb)
	IS 'The grants that let this person run this command with these arguments in this chat now; in FROM, where the planner puts its text in place of the call';

-- In plpgsql, whose plans last as long as the session: these two are asked for many updates and every claim.
CREATE OR REPLACE FUNCTION may_run(p_user bigint, p_command bigint, p_chat bigint, p_args jsonb) RETURNS boolean
LANGUAGE plpgsql STABLE AS $$
BEGIN
	RETURN EXISTS (SELECT FROM grants_that_fit(p_user, p_command, p_chat, p_args))
		AND NOT EXISTS (SELECT FROM chat h WHERE h.chat_id = p_chat AND NOT h.allowed);
END $$;
COMMENT ON FUNCTION may_run(bigint, bigint, bigint, jsonb) IS 'Whether a grant lets this person run this command with these arguments in this chat now';

CREATE OR REPLACE FUNCTION may_see(p_user bigint, p_command bigint, p_chat bigint) RETURNS boolean
LANGUAGE plpgsql STABLE AS $$
BEGIN
	RETURN EXISTS (SELECT FROM user_grant g WHERE g.user_id = p_user AND g.command_id = p_command
		AND (g.chat_id IS NULL OR g.chat_id = p_chat));
END $$;
COMMENT ON FUNCTION may_see(bigint, bigint, bigint) IS 'Whether some grant, whatever its constraints, names this command for this person here';

CREATE OR REPLACE FUNCTION is_builtin(p_name text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$ SELECT p_name IN ('start', 'help', 'tasks', 'status', 'output', 'cancel', 'approve', 'reject', 'whoami', 'id') $$;
COMMENT ON FUNCTION is_builtin(text) IS 'Whether TeleOps itself answers to this name';

CREATE OR REPLACE FUNCTION command_usage(p_command bigint) RETURNS text
LANGUAGE sql STABLE AS $$
	SELECT '/' || c.name || coalesce((SELECT string_agg(CASE WHEN p.required THEN ' <' || v.word || '>' ELSE ' [' || v.word || ']' END, ''
			ORDER BY p.position) FROM command_parameter p, LATERAL (SELECT p.name || CASE p.type WHEN 'file' THEN ': file' ELSE '' END AS word) v WHERE p.command_id = c.id), '')
	FROM command c WHERE c.id = p_command
$$;
COMMENT ON FUNCTION command_usage(bigint) IS 'Usage line of a command, as /say <text>';

CREATE OR REPLACE FUNCTION help_text(p_user bigint, p_chat bigint, p_name text) RETURNS text
LANGUAGE plpgsql STABLE AS $$
DECLARE
	found command;
	list text;
BEGIN
	IF p_name <> '' THEN
		SELECT * INTO found FROM command c WHERE c.name = p_name AND c.enabled AND may_see(p_user, c.id, p_chat);
		IF found.id IS NULL THEN
			RETURN say('unknown', jsonb_build_object('command', p_name));
		END IF;
		RETURN concat_ws(E'\n', command_usage(found.id), nullif(found.description, ''), nullif(found.detail, ''),
			(SELECT string_agg(parameter_text(p), E'\n' ORDER BY p.position)
				FROM command_parameter p WHERE p.command_id = found.id));
	END IF;
	SELECT string_agg('/' || c.name || CASE WHEN c.description <> '' THEN ' - ' || c.description ELSE '' END, E'\n' ORDER BY c.name)
	INTO list FROM command c WHERE c.enabled AND may_see(p_user, c.id, p_chat);
	IF list IS NULL THEN
		RETURN say('help_none');
	END IF;
	RETURN say('help_head') || E'\n' || list || E'\n\n' || say('help_foot');
END $$;
COMMENT ON FUNCTION help_text(bigint, bigint, text) IS 'Answer to /help [name]: only what this person may run here';
