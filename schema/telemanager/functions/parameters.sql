-- Parameters: what only the database can tell of a value (which day is today for somebody, who is meant), lists of choices that a
-- command gives, and what must not come near a secret. Everything else about values is lib/parameter.c.

CREATE OR REPLACE FUNCTION today_in(p_zone text) RETURNS date
LANGUAGE plpgsql STABLE AS $$
BEGIN
	RETURN (now() AT TIME ZONE p_zone)::date;
EXCEPTION WHEN invalid_parameter_value THEN
	RETURN (now() AT TIME ZONE 'UTC')::date;
END $$;
COMMENT ON FUNCTION today_in(text) IS 'The day in somebody''s zone; an unknown zone is UTC';

CREATE OR REPLACE FUNCTION date_read(p_text text, p_today date) RETURNS date
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
	SELECT CASE
		WHEN p_text ~ '^\d{4}-\d\d-\d\d$' THEN p_text::date
		WHEN lower(p_text) = 'today' THEN p_today
		WHEN lower(p_text) = 'tomorrow' THEN p_today + 1
		WHEN lower(p_text) = 'yesterday' THEN p_today - 1
		WHEN p_text ~* '^[+-]\d{1,5}[dw]$' THEN p_today + left(p_text, -1)::integer * CASE WHEN lower(right(p_text, 1)) = 'w' THEN 7 ELSE 1 END
		-- The next of that name, today included.
		ELSE p_today + (array_position('{mon,tue,wed,thu,fri,sat,sun}', lower(left(p_text, 3))) - extract(isodow FROM p_today)::integer + 7) % 7
	END
$$;
COMMENT ON FUNCTION date_read(text, date) IS 'The day that a date means, as 2026-11-25, today, +3d, mon, counted from a given one; null: it is none';

CREATE OR REPLACE FUNCTION person_find(p_text text) RETURNS text
LANGUAGE sql STABLE AS $$
	SELECT coalesce(
		(SELECT u.login FROM app_user u WHERE u.login = lower(p_text) AND u.enabled),
		-- A name that two have had is nobody's: it may have changed hands.
		(SELECT CASE WHEN count(DISTINCT u.id) = 1 AND bool_and(u.enabled) THEN min(u.login) END
			FROM telegram_account a JOIN app_user u ON u.id = a.user_id WHERE p_text ~ '^@.' AND lower(a.username) = lower(substr(p_text, 2))),
		(SELECT u.login FROM telegram_account a JOIN app_user u ON u.id = a.user_id WHERE a.telegram_id = number_of(p_text) AND u.enabled))
$$;
COMMENT ON FUNCTION person_find(text) IS 'Login of the enabled person with this login, @name or Telegram id; null: there is none';

CREATE OR REPLACE FUNCTION range_text(p_least text, p_most text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
	SELECT coalesce(' from ' || p_least || ' to ' || p_most, ', not before ' || p_least, ', not after ' || p_most, '')
$$;
COMMENT ON FUNCTION range_text(text, text) IS 'Limits of a date, in words';

CREATE OR REPLACE FUNCTION argument_complaint(q command_parameter, p_what text, p_value text) RETURNS text
LANGUAGE sql STABLE AS $$
	SELECT say(CASE WHEN EXISTS (SELECT FROM command_parameter x WHERE x.command_id = q.command_id AND x.secret) THEN 'expected_masked' ELSE 'expected' END,
		jsonb_build_object('parameter', q.name, 'what', p_what, 'value', left(p_value, 60)))
$$;
COMMENT ON FUNCTION argument_complaint(command_parameter, text, text) IS 'Which parameter, what was expected, what came (not where a secret may have come)';

-- TeleBot has checked what can be checked without knowing anybody, and marks what cannot: {"date": "+3d"}, {"user": "@ada"}.
CREATE OR REPLACE FUNCTION args_resolve(p_user bigint, p_command bigint, p_args jsonb, OUT args jsonb, OUT complaint text)
LANGUAGE plpgsql STABLE AS $$
DECLARE
	q command_parameter;
	given jsonb;
	made text;
	today date;
	hosts text[];
BEGIN
	args := p_args;
	FOR q IN SELECT * FROM command_parameter p WHERE p.command_id = p_command AND jsonb_typeof(p_args -> p.name) = 'object' ORDER BY p.position LOOP
		given := p_args -> q.name;
		CONTINUE WHEN given ? 'sealed';
		IF given ? 'document' THEN
			complaint := file_complaint(q, given);
			EXIT WHEN complaint IS NOT NULL;
			CONTINUE;
		ELSIF given ? 'target' THEN
			hosts := hosts_find(given ->> 'target');
			complaint := CASE WHEN hosts IS NULL THEN argument_complaint(q, say('what_target'), given ->> 'target') END;
		ELSIF given ? 'user' THEN
			made := person_find(given ->> 'user');
			complaint := CASE WHEN made IS NULL THEN argument_complaint(q, say('what_user'), given ->> 'user') END;
		ELSE
			today := coalesce(today, today_in((SELECT u.timezone FROM app_user u WHERE u.id = p_user)));
			made := date_read(given ->> 'date', today);
			complaint := CASE WHEN made IS NULL OR made::date < date_read(q.minimum, today) OR made::date > date_read(q.maximum, today)
				THEN argument_complaint(q, say('what_date', jsonb_build_object('range', range_text(q.minimum, q.maximum))), given ->> 'date') END;
		END IF;
		EXIT WHEN complaint IS NOT NULL;
		args := args || jsonb_build_object(q.name, CASE WHEN given ? 'target' THEN to_jsonb(hosts) ELSE to_jsonb(made) END);
	END LOOP;
END $$;
COMMENT ON FUNCTION args_resolve(bigint, bigint, jsonb)
	IS 'Arguments with dates as YYYY-MM-DD, as the person''s own clock has it, and people as logins; or what is wrong with the first that is';

CREATE OR REPLACE FUNCTION args_masked(p_args jsonb) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
	IF p_args @? '$.*.*' THEN
		RETURN (SELECT jsonb_object_agg(a.key, CASE WHEN jsonb_typeof(a.value) <> 'object' THEN a.value
			WHEN a.value ? 'sealed' THEN '"•••"' ELSE a.value -> 'name' END) FROM jsonb_each(p_args) a);
	END IF;
	RETURN p_args;
END $$;
COMMENT ON FUNCTION args_masked(jsonb) IS 'Arguments as they may be kept and shown: what is sealed is not even that, a file is its name';

-- -- choices that a command gives

CREATE OR REPLACE FUNCTION choices_of(q command_parameter) RETURNS text[]
LANGUAGE sql STABLE AS $$
	SELECT CASE WHEN q.choices_from IS NULL THEN q.choices
		ELSE coalesce((SELECT l.items FROM choice_list l JOIN command c ON c.id = l.command_id WHERE c.name = q.choices_from), '{}') END
$$;
COMMENT ON FUNCTION choices_of(command_parameter) IS 'The values a choice may have now';

CREATE OR REPLACE FUNCTION choices_text(q command_parameter) RETURNS text
LANGUAGE plpgsql STABLE AS $$
DECLARE
	items text[] := choices_of(q);
	shown text := array_to_string(items[: 20], ', ');
	l choice_list;
BEGIN
	IF cardinality(items) > 20 THEN
		shown := say('choices_more', jsonb_build_object('values', shown, 'count', cardinality(items)));
	END IF;
	IF q.choices_from IS NULL THEN
		RETURN say('choices', jsonb_build_object('values', shown));
	END IF;
	SELECT x.* INTO l FROM choice_list x JOIN command c ON c.id = x.command_id WHERE c.name = q.choices_from;
	RETURN say(CASE WHEN l.made_at IS NULL THEN 'choices_never'
			WHEN l.error <> '' OR l.made_at < clock_timestamp() - interval '1 second' * (2 * q.every_s + 60) THEN 'choices_stale'
			ELSE 'choices_from' END,
		jsonb_build_object('values', CASE WHEN shown = '' THEN say('choices_none') ELSE shown END, 'command', q.choices_from,
			'time', duration_text(clock_timestamp() - l.made_at)));
END $$;
COMMENT ON FUNCTION choices_text(command_parameter) IS 'The values of a choice for /help; where a command gives them also how old they are, and whether newer ones could not be had';

CREATE OR REPLACE FUNCTION choices_read(p_printed text) RETURNS text[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
	SELECT coalesce(array_agg(v.item ORDER BY v.place), '{}')
	FROM (SELECT btrim(x.line, E' \t\r') AS item, min(x.n) AS place FROM regexp_split_to_table(p_printed, E'\n') WITH ORDINALITY AS x(line, n)
		WHERE length(btrim(x.line, E' \t\r')) BETWEEN 1 AND 200 GROUP BY 1 ORDER BY 2 LIMIT 1000) v
$$;
COMMENT ON FUNCTION choices_read(text) IS 'What a command printed as values: a line a value, each once; none is longer than 200 characters, none comes after the thousandth';

CREATE OR REPLACE FUNCTION choices_store(p_results jsonb) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	r record;
BEGIN
	FOR r IN SELECT * FROM jsonb_to_recordset(p_results) AS x(command_id bigint, printed text, error text) ORDER BY x.command_id LOOP
		UPDATE choice_list l SET printed = coalesce(r.printed, l.printed), made_at = CASE WHEN r.printed IS NULL THEN l.made_at ELSE clock_timestamp() END,
			error = CASE WHEN r.printed IS NULL THEN r.error ELSE '' END
		WHERE l.command_id = r.command_id;
	END LOOP;
END $$;
COMMENT ON FUNCTION choices_store(jsonb) IS 'Keeps what internal tasks printed, or why they did not; the janitor makes values of it';

-- New values make a new catalogue. Its row may be held by who changes commands, who may wait for what an engine holds: so this waits
-- for nothing, and comes last in a transaction of the janitor.
CREATE OR REPLACE FUNCTION choices_renew() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	l record;
BEGIN
	INSERT INTO choice_list (command_id) SELECT DISTINCT c.id FROM command_parameter p JOIN command c ON c.name = p.choices_from ON CONFLICT DO NOTHING;
	DELETE FROM choice_list x WHERE NOT EXISTS (SELECT FROM command_parameter p JOIN command c ON c.name = p.choices_from WHERE c.id = x.command_id);
	PERFORM FROM catalogue_version FOR NO KEY UPDATE SKIP LOCKED;
	IF FOUND THEN
		FOR l IN SELECT x.command_id, x.printed FROM choice_list x WHERE x.printed IS NOT NULL ORDER BY x.command_id FOR UPDATE SKIP LOCKED LOOP
			UPDATE choice_list SET items = choices_read(l.printed), printed = NULL WHERE command_id = l.command_id;
		END LOOP;
	END IF;
	UPDATE choice_list x SET error = 'the command is switched off' FROM command c WHERE c.id = x.command_id AND NOT c.enabled AND x.error = '';
	WITH due AS (
		UPDATE choice_list x SET tried_at = clock_timestamp() FROM command c
		WHERE c.id = x.command_id AND c.enabled AND NOT EXISTS (SELECT FROM task t WHERE t.chat_id = 0 AND t.command_id = c.id)
			AND x.tried_at < clock_timestamp() - interval '1 second' * (SELECT min(p.every_s) FROM command_parameter p WHERE p.choices_from = c.name)
		RETURNING c.id, c.name, c.queue, c.priority
	)
	INSERT INTO task (queue, priority, command_id, user_id, telegram_id, chat_id, line, internal)
	SELECT d.queue, d.priority, d.id, 0, 0, 0, say('choices_line', jsonb_build_object('command', d.name)), true FROM due d;
	IF FOUND THEN
		PERFORM pg_notify('task', '');
	END IF;
END $$;
COMMENT ON FUNCTION choices_renew() IS 'Makes values of what commands have printed, and runs those again whose values have grown old; commands that are switched off do not run';

-- --

CREATE OR REPLACE FUNCTION parameter_text(q command_parameter) RETURNS text
LANGUAGE sql STABLE AS $$
	SELECT concat(q.name, ': ', q.type,
		CASE WHEN q.type = 'date' THEN range_text(q.minimum, q.maximum)
			WHEN q.type = 'file' THEN say('hint_file', jsonb_build_object('most', pg_size_pretty(file_most(q))))
			ELSE concat(' from ' || q.minimum, CASE WHEN q.minimum IS NULL THEN ' up to ' ELSE ' to ' END || q.maximum) END,
		CASE WHEN q.type = 'choice' THEN choices_text(q)
			WHEN q.type = 'pattern' THEN ' ' || q.pattern
			WHEN q.type IN ('duration', 'date', 'user', 'target') THEN say('hint_' || q.type) ELSE '' END,
		CASE WHEN q.secret THEN say('hint_secret') ELSE '' END,
		CASE WHEN q.default_value IS NOT NULL THEN say('hint_default', jsonb_build_object('value', q.default_value)) ELSE '' END,
		CASE WHEN q.help <> '' THEN '; ' || q.help ELSE '' END)
$$;
COMMENT ON FUNCTION parameter_text(command_parameter) IS 'A parameter in one line, for /help and questions';

CREATE OR REPLACE FUNCTION command_sound() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	-- Of a parameter or grant, or the command itself.
	which bigint := coalesce(to_jsonb(NEW) ->> 'command_id', to_jsonb(NEW) ->> 'id');
	bad text;
BEGIN
	SELECT x.bad INTO bad FROM (
		SELECT format('command %s: the secret %s must not stand in args, where every process of its machine could read it', c.name, p.name) AS bad
		FROM command c JOIN command_parameter p ON p.command_id = c.id
		WHERE c.id = which AND p.secret AND c.kind = 'exec' AND EXISTS (SELECT FROM unnest(c.args) a WHERE strpos(a, '{' || p.name || '}') > 0)
		UNION ALL
		SELECT format('command %s: the secret %s must not stand in the answer', c.name, p.name)
		FROM command c JOIN command_parameter p ON p.command_id = c.id
		WHERE c.id = which AND p.secret AND c.kind = 'text' AND strpos(c.template, '{' || p.name || '}') > 0
		UNION ALL
		SELECT format('command %s: the secret %s must not stand in path, which servers note in their logs', c.name, p.name)
		FROM command c JOIN command_parameter p ON p.command_id = c.id
		WHERE c.id = which AND p.secret AND c.kind = 'http' AND strpos(c.path, '{' || p.name || '}') > 0
		UNION ALL
		SELECT format('command %s: a command with a target cannot be ordered', c.name)
		FROM command c JOIN command_parameter p ON p.command_id = c.id WHERE c.id = which AND p.type = 'target' AND c.ordered
		UNION ALL
		SELECT format('command %s: only a program can take a file (%s), so its kind must be exec', c.name, p.name)
		FROM command c JOIN command_parameter p ON p.command_id = c.id WHERE c.id = which AND p.type = 'file' AND c.kind <> 'exec'
		UNION ALL
		SELECT format('command %s: it can take 8 files at most', c.name)
		FROM command c WHERE c.id = which AND (SELECT count(*) FROM command_parameter p WHERE p.command_id = c.id AND p.type = 'file') > 8
		UNION ALL
		SELECT format('command %s: a grant cannot hold values of the file %s', c.name, p.name)
		FROM command c JOIN command_parameter p ON p.command_id = c.id JOIN role_command g ON g.command_id = c.id
		WHERE c.id = which AND p.type = 'file' AND g.constraints ? p.name
		UNION ALL
		SELECT format('command %s: a hook''s button cannot hold the file %s', c.name, p.name)
		FROM command c JOIN command_parameter p ON p.command_id = c.id JOIN hook_button b ON b.command_id = c.id
		WHERE c.id = which AND p.type = 'file' AND b.args ? p.name
		UNION ALL
		SELECT format('command %s: a grant cannot hold values of the secret %s', c.name, p.name)
		FROM command c JOIN command_parameter p ON p.command_id = c.id JOIN role_command g ON g.command_id = c.id
		WHERE c.id = which AND p.secret AND g.constraints ? p.name
		UNION ALL
		SELECT format('command %s: a hook''s button cannot hold a value of the secret %s', c.name, p.name)
		FROM command c JOIN command_parameter p ON p.command_id = c.id JOIN hook_button b ON b.command_id = c.id
		WHERE c.id = which AND p.secret AND b.args ? p.name
		UNION ALL
		SELECT format('command %s gives the choices of another, so it must take no arguments and run without being confirmed or approved', c.name)
		FROM command c
		WHERE (c.id = which OR c.name IN (SELECT p.choices_from FROM command_parameter p WHERE p.command_id = which))
			AND EXISTS (SELECT FROM command_parameter p WHERE p.choices_from = c.name)
			AND (c.dangerous OR c.approvals > 0 OR EXISTS (SELECT FROM command_parameter p WHERE p.command_id = c.id))) x
	LIMIT 1;
	IF bad IS NOT NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'check_violation', MESSAGE = bad;
	END IF;
	RETURN NULL;
END $$;
COMMENT ON FUNCTION command_sound() IS 'Trigger: refuses a command whose secrets would be seen, and a source of choices that cannot run by itself';
