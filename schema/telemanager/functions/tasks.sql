-- Tasks as people in chats see them: /tasks, /status, /output, /cancel. A task is its person's own; others need a role that manages tasks.

CREATE OR REPLACE FUNCTION number_of(p_text text) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$ SELECT CASE WHEN p_text ~ '^-?[0-9]{1,18}$' THEN p_text::bigint END $$;
COMMENT ON FUNCTION number_of(text) IS 'A whole number as typed; null: it is none';

CREATE OR REPLACE FUNCTION utf16_length(p_text text) RETURNS integer
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$ SELECT length(p_text) + length(regexp_replace(p_text, '[^\U00010000-\U0010FFFF]', '', 'g')) $$;
COMMENT ON FUNCTION utf16_length(text) IS 'Length as Telegram counts it: UTF-16 code units';

CREATE OR REPLACE FUNCTION duration_text(p interval) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
	SELECT CASE
		WHEN s < 60 THEN s || ' s'
		WHEN s < 3600 THEN s / 60 || ' min ' || s % 60 || ' s'
		WHEN s < 86400 THEN s / 3600 || ' h ' || s % 3600 / 60 || ' min'
		ELSE s / 86400 || ' d ' || s % 86400 / 3600 || ' h' END
	FROM (SELECT greatest(0, extract(epoch FROM p))::bigint AS s) x
$$;
COMMENT ON FUNCTION duration_text(interval) IS 'A duration in at most two units, as 2 min 5 s';

CREATE OR REPLACE FUNCTION time_text(p_at timestamptz, p_zone text) RETURNS text
LANGUAGE plpgsql STABLE AS $$
BEGIN
	RETURN to_char(p_at AT TIME ZONE p_zone, 'YYYY-MM-DD HH24:MI:SS') || ' ' || p_zone;
EXCEPTION WHEN invalid_parameter_value THEN
	RETURN to_char(p_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS') || ' UTC';
END $$;
COMMENT ON FUNCTION time_text(timestamptz, text) IS 'A time in somebody''s zone, which is named; an unknown zone is UTC';

CREATE OR REPLACE FUNCTION manages_tasks(p_user bigint) RETURNS boolean
LANGUAGE sql STABLE AS $$
	SELECT EXISTS (SELECT FROM role r WHERE r.manages_tasks AND r.id IN (SELECT ur.role_id FROM user_role ur WHERE ur.user_id = p_user
		UNION ALL SELECT gr.role_id FROM user_group_member m JOIN group_role gr ON gr.group_id = m.group_id WHERE m.user_id = p_user))
$$;
COMMENT ON FUNCTION manages_tasks(bigint) IS 'Whether a role lets this person see and cancel other people''s tasks';

-- Why a queued task does not run yet counts more than that it waits.
CREATE OR REPLACE FUNCTION task_state_text(t task) RETURNS text
LANGUAGE sql STABLE AS $$
	SELECT say(CASE
			WHEN t.state <> 'queued' THEN 'state_' || t.state
			WHEN t.parked <> '' THEN 'state_waits_' || t.parked
			WHEN EXISTS (SELECT FROM queue q WHERE q.name = t.queue AND q.paused_at IS NOT NULL) THEN 'state_waits_paused'
			WHEN NOT EXISTS (SELECT FROM engine e WHERE e.lease_until > now() AND t.queue = ANY (('@' || e.name) || e.queues) AND e.paused_at IS NULL) THEN 'state_waits_engine'
			ELSE 'state_queued' END,
		jsonb_build_object('time', duration_text(clock_timestamp() - coalesce(t.started_at, t.claimed_at, t.admitted_at)), 'queue', t.queue,
			'command', (SELECT c.name FROM command c WHERE c.id = t.command_id)))
$$;
COMMENT ON FUNCTION task_state_text(task) IS 'What an unfinished task does or waits for, in words';

CREATE OR REPLACE FUNCTION user_name(p_user bigint) RETURNS text
LANGUAGE sql STABLE AS $$
	SELECT coalesce(nullif(trim(u.first_name || ' ' || u.last_name), ''), u.login) FROM app_user u WHERE u.id = p_user
$$;
COMMENT ON FUNCTION user_name(bigint) IS 'A person''s name, or login where there is none; null: nobody any more';

CREATE OR REPLACE FUNCTION tasks_text(p_user bigint, p_all boolean) RETURNS text
LANGUAGE plpgsql STABLE AS $$
DECLARE
	everybody boolean := p_all AND manages_tasks(p_user);
	active text;
	recent text;
BEGIN
	SELECT string_agg(say(CASE WHEN everybody THEN 'tasks_line_of' ELSE 'tasks_line' END, jsonb_build_object('task', t.id, 'line', left(t.line, 60),
			'state', task_state_text(t), 'name', coalesce(user_name(t.user_id), '-'))), E'\n' ORDER BY t.id)
	INTO active FROM (SELECT * FROM task WHERE (everybody OR user_id = p_user) AND parent_id IS NULL ORDER BY id LIMIT 20) t;
	SELECT string_agg(say(CASE WHEN everybody THEN 'tasks_line_of' ELSE 'tasks_line' END, jsonb_build_object('task', h.id, 'line', left(h.line, 60),
			'state', say('state_ago', jsonb_build_object('state', h.state, 'time', duration_text(clock_timestamp() - h.finished_at))),
			'name', user_name(h.user_id))), E'\n' ORDER BY h.finished_at DESC)
	INTO recent FROM (SELECT * FROM task_history WHERE (everybody OR user_id = p_user) AND finished_at > now() - interval '1 day' AND parent_id IS NULL
		ORDER BY finished_at DESC LIMIT 5) h;
	IF active IS NULL AND recent IS NULL THEN
		RETURN say('tasks_none');
	END IF;
	RETURN concat_ws(E'\n\n', say('tasks_active') || E'\n' || active, say('tasks_recent') || E'\n' || recent, say('tasks_foot'));
END $$;
COMMENT ON FUNCTION tasks_text(bigint, boolean) IS 'Answer to /tasks [all]: what is not finished, and what finished last';

CREATE OR REPLACE FUNCTION task_text(p_user bigint, p_task bigint) RETURNS text
LANGUAGE plpgsql STABLE AS $$
DECLARE
	zone text := (SELECT timezone FROM app_user WHERE id = p_user);
	everybody boolean := manages_tasks(p_user);
	t task;
	h task_history;
BEGIN
	IF p_task IS NULL THEN
		RETURN say('task_which');
	END IF;
	SELECT * INTO t FROM task x WHERE x.id = p_task AND (everybody OR x.user_id = p_user);
	IF t.id IS NULL THEN
		SELECT * INTO h FROM task_history x WHERE x.id = p_task AND (everybody OR x.user_id = p_user) ORDER BY x.finished_at DESC LIMIT 1;
	END IF;
	IF t.parked = 'hosts' OR EXISTS (SELECT FROM task_history x WHERE x.parent_id = h.id) THEN
		RETURN (SELECT x.body FROM hosts_shown(p_task, coalesce(t.line, h.line)) x);
	END IF;
	IF t.id IS NOT NULL THEN
		RETURN say('status_active', jsonb_build_object('task', t.id, 'state', task_state_text(t), 'line', t.line, 'name', coalesce(user_name(t.user_id), '-'),
			'queue', t.queue, 'admitted', time_text(t.admitted_at, zone), 'engine', coalesce((SELECT e.name FROM engine e WHERE e.id = t.engine_id), '-')));
	END IF;
	IF h.id IS NULL THEN
		RETURN say('task_unknown', jsonb_build_object('task', p_task));
	END IF;
	RETURN say('status_finished', jsonb_build_object('task', h.id, 'state', h.state, 'line', h.line, 'name', coalesce(user_name(h.user_id), '-'),
		'how', CASE WHEN h.term_signal IS NOT NULL THEN say('how_signal', jsonb_build_object('signal', h.term_signal))
			WHEN h.exit_status IS NOT NULL THEN say('how_exit', jsonb_build_object('status', h.exit_status)) ELSE '' END
			|| CASE WHEN h.reason <> '' THEN ': ' || h.reason ELSE '' END,
		'admitted', time_text(h.admitted_at, zone), 'finished', time_text(h.finished_at, zone),
		'took', coalesce(duration_text(h.finished_at - h.started_at), '-'), 'bytes', h.output_bytes,
		'engine', coalesce((SELECT e.name FROM engine e WHERE e.id = h.engine_id), '-')));
END $$;
COMMENT ON FUNCTION task_text(bigint, bigint) IS 'Answer to /status N';

CREATE OR REPLACE FUNCTION output_answer(p_user bigint, p_task bigint) RETURNS chat_answer
LANGUAGE plpgsql STABLE AS $$
DECLARE
	everybody boolean := manages_tasks(p_user);
	h task_history;
	output text;
	a chat_answer;
BEGIN
	IF p_task IS NULL THEN
		a.body := say('task_which');
		RETURN a;
	END IF;
	SELECT * INTO h FROM task_history x WHERE x.id = p_task AND (everybody OR x.user_id = p_user) ORDER BY x.finished_at DESC LIMIT 1;
	IF h.id IS NULL AND EXISTS (SELECT FROM task x WHERE x.id = p_task AND x.parked = 'hosts' AND (everybody OR x.user_id = p_user)) THEN
		a.body := (SELECT s.body FROM task x, hosts_shown(x.id, x.line) s WHERE x.id = p_task);
		RETURN a;
	END IF;
	IF h.id IS NULL THEN
		a.body := say(CASE WHEN EXISTS (SELECT FROM task x WHERE x.id = p_task AND (everybody OR x.user_id = p_user)) THEN 'output_running'
			ELSE 'task_unknown' END, jsonb_build_object('task', p_task));
		RETURN a;
	END IF;
	SELECT rtrim(string_agg(o.body, '' ORDER BY o.part), E' \t\r\n') INTO output FROM task_output o WHERE o.task_id = p_task;
	IF coalesce(output, '') = '' THEN
		a.body := say('output_none', jsonb_build_object('task', p_task, 'state', h.state));
		RETURN a;
	END IF;
	a.body := say('output_head', jsonb_build_object('task', p_task, 'line', left(h.line, 200), 'state', h.state))
		|| CASE WHEN h.output_cut THEN E'\n' || say('output_cut', jsonb_build_object('bytes', h.output_bytes)) ELSE '' END;
	-- As many messages as a long answer may have; what is longer is a file.
	IF utf16_length(output) > 12000 THEN
		a.document := output;
		a.document_name := 'task-' || p_task || '.txt';
	ELSE
		a.entities := jsonb_build_array(jsonb_build_object('type', 'pre', 'offset', utf16_length(a.body) + 1, 'length', utf16_length(output)));
		a.body := a.body || E'\n' || output;
	END IF;
	RETURN a;
END $$;
COMMENT ON FUNCTION output_answer(bigint, bigint) IS 'Answer to /output N: all that is kept, as a document where it is long';

-- The caller holds the row of the task's chat, and the task's.
CREATE OR REPLACE FUNCTION task_stop(p_user bigint, t task) RETURNS text
LANGUAGE plpgsql AS $$
BEGIN
	IF t.state = 'cancelling' THEN
		RETURN 'cancel_already';
	ELSIF t.parked = 'hosts' THEN
		RETURN hosts_stop(p_user, t.id);
	ELSIF t.state = 'queued' THEN
		PERFORM task_close(ARRAY[t.id], 'cancelled', 'cancelled', 'by ' || user_name(p_user), jsonb_build_object('by', user_name(p_user)));
		RETURN 'cancel_done';
	END IF;
	UPDATE task SET state = 'cancelling', cancelled_by = p_user WHERE id = t.id;
	PERFORM pg_notify('cancel', '');
	RETURN 'cancelling';
END $$;
COMMENT ON FUNCTION task_stop(bigint, task) IS 'Ends a task, whose ever, or has its engine end it; the name of the text that says so';

-- The caller holds the chat's row, and the row of the task's chat.
CREATE OR REPLACE FUNCTION task_cancel(p_user bigint, p_task bigint) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	everybody boolean := manages_tasks(p_user);
	words jsonb := jsonb_build_object('task', p_task, 'by', user_name(p_user));
	ended text;
	t task;
BEGIN
	IF p_task IS NULL THEN
		RETURN say('task_which');
	END IF;
	SELECT * INTO t FROM task x WHERE x.id = p_task AND (everybody OR x.user_id = p_user) FOR UPDATE;
	IF t.id IS NULL THEN
		SELECT x.state INTO ended FROM task_history x WHERE x.id = p_task AND (everybody OR x.user_id = p_user) ORDER BY x.finished_at DESC LIMIT 1;
		RETURN say(CASE WHEN ended IS NULL THEN 'task_unknown' ELSE 'cancel_over' END, words || jsonb_build_object('state', ended));
	END IF;
	ended := task_stop(p_user, t);
	RETURN CASE WHEN ended <> 'cancel_done' OR t.user_id <> p_user THEN say(ended, words) END;
END $$;
COMMENT ON FUNCTION task_cancel(bigint, bigint) IS 'Ends a task, or has its engine end it; what is answered to who asked. Null: the task''s chat is told already';
