-- The pages of schedules.

CREATE OR REPLACE FUNCTION schedule_body(p_name text) RETURNS jsonb
LANGUAGE sql STABLE AS $$ SELECT body FROM config_current() WHERE kind = 'schedule' AND name = p_name $$;
COMMENT ON FUNCTION schedule_body(text) IS 'A schedule as declared';

CREATE OR REPLACE FUNCTION schedule_upcoming(s schedule, p_count integer) RETURNS jsonb
LANGUAGE sql STABLE AS $$
	SELECT coalesce(jsonb_agg(jsonb_build_object('at', page_time(t), 'there', to_char(t AT TIME ZONE s.timezone, 'Dy YYYY-MM-DD HH24:MI')) ORDER BY t), '[]')
	FROM cron_upcoming(s.cron, s.timezone, clock_timestamp(), CASE WHEN s.enabled AND page_zone(s.timezone) IS NOT NULL THEN p_count ELSE 0 END) t
$$;
COMMENT ON FUNCTION schedule_upcoming(schedule, integer) IS 'The next so many times of a schedule, in the reader''s zone and its own';

CREATE OR REPLACE FUNCTION manager_schedules(p_visit jsonb, p jsonb) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
	PERFORM page_begin(p_visit);
	RETURN page_list(p, $q$ s.id, s.name, s.line, s.cron, s.timezone, s.enabled, s.chat_id AS chat, nullif(h.title, '') AS chat_title, u.login, s.user_id,
			page_time(s.next_at) AS next_at, page_time(s.last_at) AS last_at, nullif(nullif(schedule_state(s), 'ok'), 'off') AS trouble $q$,
		'schedule s JOIN app_user u ON u.id = s.user_id LEFT JOIN chat h ON h.chat_id = s.chat_id', 'name',
		'{"name": "s.name text, s.id bigint", "next": "coalesce(s.next_at,''infinity'') timestamptz, s.id bigint"}',
		$q$ {"search": "lower(s.name || ' ' || s.line) LIKE '%' || page_like($1 ->> 'search') || '%'",
			"command": "s.command_id = (SELECT c.id FROM command c WHERE c.name = ltrim($1 ->> 'command', '/'))",
			"user": "u.login = lower($1 ->> 'user')", "enabled": "s.enabled = ($1 ->> 'enabled')::boolean"} $q$)
		|| jsonb_build_object('choices', jsonb_build_object('command', text_choices(ARRAY(SELECT DISTINCT c.name FROM schedule s JOIN command c ON c.id = s.command_id ORDER BY c.name))));
END $$;
COMMENT ON FUNCTION manager_schedules(jsonb, jsonb) IS 'List of schedules';

CREATE OR REPLACE FUNCTION manager_schedule(p_visit jsonb, p jsonb) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	s schedule;
	choices jsonb := jsonb_build_object('missed', text_choices(check_words('schedule', 'missed')));
BEGIN
	IF NOT p ? 'id' THEN
		RETURN jsonb_build_object('choices', choices, 'values', config_defaults('schedule') || jsonb_build_object('timezone', coalesce(nullif(p_visit ->> 'zone', ''), 'UTC')));
	END IF;
	SELECT * INTO s FROM schedule x WHERE x.id = number_of(p ->> 'id');
	IF s.id IS NULL THEN
		RETURN NULL;
	END IF;
	PERFORM page_begin(p_visit);
	RETURN jsonb_build_object('id', s.id, 'version', s.version, 'kind', 'schedule', 'name', s.name, 'values', schedule_body(s.name), 'choices', choices,
		'upcoming', schedule_upcoming(s, 5), 'resting', NOT s.enabled, 'trouble', nullif(nullif(schedule_state(s), 'ok'), 'off'),
		'last_at', page_time(s.last_at), 'last_task', s.last_task_id, 'command_id', s.command_id, 'user_id', s.user_id, 'login', (SELECT u.login FROM app_user u WHERE u.id = s.user_id),
		'chat', s.chat_id);
END $$;
COMMENT ON FUNCTION manager_schedule(jsonb, jsonb) IS 'A schedule for the form, or what a new one begins with';

-- As manager_command_save(): its line is asked for (read) before it stays.
CREATE OR REPLACE FUNCTION manager_schedule_save(p_visit jsonb, p jsonb) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	wanted_name text := p #>> '{document,schedules,0,name}';
	wanted jsonb := (SELECT body FROM config_wanted(p -> 'document') WHERE kind = 'schedule');
	s schedule;
	before jsonb;
	answer jsonb;
BEGIN
	PERFORM pg_advisory_xact_lock(hashtext('teleops.config'));
	IF p ? 'id' THEN
		SELECT * INTO s FROM schedule x WHERE x.id = number_of(p ->> 'id') FOR UPDATE;
		IF s.id IS NULL THEN
			RETURN NULL;
		ELSIF s.version <> (p ->> 'version')::bigint THEN
			RETURN page_conflict(p_visit, 'schedule ' || s.name, s.version, schedule_body(s.name));
		END IF;
		before := schedule_body(s.name);
	END IF;
	IF EXISTS (SELECT FROM schedule x WHERE x.name = wanted_name AND x.id IS DISTINCT FROM s.id) THEN
		RETURN page_error('name', 'taken');
	END IF;
	answer := problems_of(p -> 'document');
	IF answer IS NOT NULL THEN
		RETURN answer;
	END IF;
	BEGIN
		IF s.name <> wanted_name THEN
			UPDATE schedule x SET name = wanted_name WHERE x.id = s.id;
			PERFORM page_record(p_visit, 'renamed', 'schedule ' || s.name, jsonb_build_object('name', s.name), jsonb_build_object('name', wanted_name));
		END IF;
		IF before IS DISTINCT FROM wanted THEN
			PERFORM config_apply_schedule(wanted);
		END IF;
		SELECT * INTO s FROM schedule x WHERE x.name = wanted_name;
		IF p ? 'lines' THEN
			PERFORM lines_take(ARRAY[s.id], p -> 'lines');
			SELECT * INTO s FROM schedule x WHERE x.id = s.id;
			answer := CASE WHEN s.enabled AND s.args IS NULL AND s.complaint <> '' THEN page_error('line', 'declared', jsonb_build_object('at', '', 'line', '', 'why', s.complaint)) END;
		ELSE
			answer := (SELECT jsonb_build_object('read', l) FROM lines_unread(ARRAY[s.id]) l WHERE l IS NOT NULL);
		END IF;
		IF answer IS NOT NULL THEN
			RAISE EXCEPTION USING ERRCODE = 'TM001';
		END IF;
	EXCEPTION WHEN SQLSTATE 'TM001' THEN
		RETURN answer;
	END;
	RETURN page_saved(p_visit, 'schedule', s.name, s.id::text, before, schedule_body(s.name));
END $$;
COMMENT ON FUNCTION manager_schedule_save(jsonb, jsonb) IS 'Makes or changes a schedule as document declares it; lines: what its line means';

CREATE OR REPLACE FUNCTION manager_schedule_remove(p_visit jsonb, p jsonb) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	s schedule;
BEGIN
	SELECT * INTO s FROM schedule x WHERE x.id = number_of(p ->> 'id') FOR UPDATE;
	IF s.id IS NULL THEN
		RETURN NULL;
	END IF;
	IF (p ->> 'confirmed')::boolean AND s.version = (p ->> 'version')::bigint THEN
		PERFORM page_record(p_visit, 'removed', 'schedule ' || s.name, schedule_body(s.name));
		PERFORM config_remove_one('schedule', s.name, NULL);
		RETURN jsonb_build_object('done', true, 'kind', 'schedule', 'name', s.name);
	END IF;
	RETURN jsonb_build_object('id', s.id, 'version', s.version, 'kind', 'schedule', 'name', s.name, 'depends',
		page_depends('tasks_go_on', (SELECT count(*) FROM task t WHERE t.id = s.last_task_id)));
END $$;
COMMENT ON FUNCTION manager_schedule_remove(jsonb, jsonb) IS 'What would go with a schedule, or (confirmed) its removal';

CREATE OR REPLACE FUNCTION manager_schedule_act(p_visit jsonb, p jsonb) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	ids bigint[] := ARRAY(SELECT number_of(i) FROM jsonb_array_elements_text(p -> 'ids') i);
	wanted boolean := p ->> 'action' = 'resume';
	s schedule;
	done integer := 0;
BEGIN
	IF (p ->> 'confirmed')::boolean THEN
		FOR s IN SELECT * FROM schedule x WHERE x.id = ANY (ids) AND x.enabled <> wanted ORDER BY x.id FOR UPDATE LOOP
			UPDATE schedule x SET enabled = wanted, version = x.version + 1 WHERE x.id = s.id;
			PERFORM page_record(p_visit, 'changed', 'schedule ' || s.name, jsonb_build_object('enabled', s.enabled), jsonb_build_object('enabled', wanted));
			done := done + 1;
		END LOOP;
		RETURN jsonb_build_object('flash', 'schedules_' || (p ->> 'action'), 'done', jsonb_build_object('count', done));
	END IF;
	RETURN jsonb_build_object('objects', (SELECT coalesce(jsonb_agg(jsonb_build_object('id', x.id, 'name', x.name, 'note', x.line) ORDER BY x.name), '[]')
		FROM schedule x WHERE x.id = ANY (ids)));
END $$;
COMMENT ON FUNCTION manager_schedule_act(jsonb, jsonb) IS 'Lets several schedules rest, or run again';
