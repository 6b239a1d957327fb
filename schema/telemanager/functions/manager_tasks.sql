-- The pages of tasks: what is not finished and what is, as one list; one task; cancelled, run again, exported.

-- What was typed as a person or a chat becomes a key, so that the planner knows what it looks for. -1: there is none.
CREATE OR REPLACE FUNCTION task_filters(p jsonb) RETURNS jsonb
LANGUAGE sql STABLE AS $$
	SELECT f || CASE WHEN trim(f ->> 'person') <> '' THEN jsonb_build_object('person', coalesce(person_key(trim(f ->> 'person')), -1)::text) ELSE '{}' END
		|| CASE WHEN trim(f ->> 'chat') <> '' THEN jsonb_build_object('chat', coalesce(number_of(trim(f ->> 'chat')),
			(SELECT min(h.chat_id) FROM chat h WHERE lower(h.title) = lower(trim(f ->> 'chat'))), 0)::text) ELSE '{}' END
		|| CASE WHEN f ? 'number' THEN jsonb_build_object('number', coalesce(number_of(ltrim(trim(f ->> 'number'), '#')), -1)::text) ELSE '{}' END
	FROM (SELECT coalesce(p -> 'filters', '{}')) x(f)
$$;
COMMENT ON FUNCTION task_filters(jsonb) IS 'Filters of the list of tasks with keys in place of names';

CREATE OR REPLACE FUNCTION person_key(p_text text) RETURNS bigint
LANGUAGE sql STABLE AS $$
	SELECT coalesce((SELECT u.id FROM app_user u WHERE u.login = lower(p_text)),
		(SELECT a.user_id FROM telegram_account a WHERE a.telegram_id = number_of(p_text)),
		(SELECT min(a.user_id) FROM telegram_account a WHERE lower(a.username) = lower(ltrim(p_text, '@'))),
		(SELECT u.id FROM app_user u WHERE u.search LIKE page_search(p_text) ORDER BY u.id LIMIT 1))
$$;
COMMENT ON FUNCTION person_key(text) IS 'The person of a login, Telegram id, @name, or the first whose name has this in it; null: nobody';

CREATE OR REPLACE FUNCTION task_state_where(p_state text) RETURNS text
LANGUAGE sql IMMUTABLE AS $$
	SELECT CASE
		WHEN p_state = 'open' THEN 't.finished_at = ''infinity'''
		WHEN p_state = 'queued' THEN 't.finished_at = ''infinity'' AND t.state = ''queued'''
		-- In an engine's hands: there is an index of those.
		WHEN p_state IN ('claimed', 'running', 'cancelling') THEN 't.finished_at = ''infinity'' AND t.engine_id IS NOT NULL AND t.state = $1 ->> ''state'''
		WHEN p_state = 'done' THEN 't.finished_at < ''infinity'' AND t.state = ''done'''
		WHEN p_state = 'bad' THEN 't.finished_at < ''infinity'' AND t.state <> ''done'''
		ELSE 't.finished_at < ''infinity'' AND t.state <> ''done'' AND t.state = $1 ->> ''state''' END
$$;
COMMENT ON FUNCTION task_state_where(text) IS 'Condition of the filter by state, in the form that the partial indexes have';

CREATE OR REPLACE FUNCTION task_list(p jsonb, p_columns text) RETURNS jsonb
LANGUAGE plpgsql AS $$
DECLARE
	filters jsonb := task_filters(p);
	-- As page_list() will have it.
	falling boolean := (coalesce(p ->> 'sort', '') <> 'finished') <> (p ? 'before');
	conditions jsonb := jsonb_build_object('state', task_state_where(p #>> '{filters,state}'),
		'number', $q$ t.id = ($1 ->> 'number')::bigint $q$,
		'person', $q$ t.user_id = ($1 ->> 'person')::bigint $q$,
		'chat', $q$ t.chat_id = ($1 ->> 'chat')::bigint $q$,
		'command', $q$ t.command_id = number_of($1 ->> 'command') $q$,
		'engine', $q$ t.engine_id = number_of($1 ->> 'engine') $q$,
		'since', $q$ t.finished_at >= now() - CASE $1 ->> 'since' WHEN 'hour' THEN interval '1 hour' WHEN 'week' THEN interval '7 days' ELSE interval '1 day' END $q$,
		'date', $q$ t.finished_at >= lower(page_range($1 ->> 'date')) AND t.finished_at < upper(page_range($1 ->> 'date')) $q$);
	wanted text := 'true';
BEGIN
	SELECT string_agg('(' || (conditions ->> f.key) || ')', ' AND ' ORDER BY f.key) INTO wanted FROM jsonb_each_text(filters) f WHERE conditions ? f.key AND f.value <> '';
	-- What is not finished comes first, as if it finished last of all. Of it a page needs no more than a page: else all that waits would be
	-- sorted for each.
	RETURN page_list(p || jsonb_build_object('filters', filters), p_columns,
		format($q$ ((SELECT * FROM (SELECT id, 'infinity'::timestamptz AS finished_at, state, parked, attempt, queue, engine_id, command_id, NULL::text AS command_name, user_id, chat_id, line,
					admitted_at, claimed_at, started_at, NULL::timestamptz AS sent_at, NULL::integer AS exit_status, NULL::integer AS term_signal, '' AS reason FROM task WHERE NOT internal) t
				WHERE %s AND %s ORDER BY t.id %s LIMIT $3)
			UNION ALL SELECT id, finished_at, state, '', attempt, queue, engine_id, command_id, command_name, user_id, chat_id, line,
				admitted_at, claimed_at, started_at, sent_at, exit_status, term_signal, reason FROM task_history) t $q$, coalesce(wanted, 'true'),
			CASE WHEN NOT p ?| ARRAY['after', 'before'] THEN 'true'
				ELSE format('t.id %s CASE WHEN $2 ->> 0 = ''infinity'' THEN ($2 ->> 1)::bigint ELSE 0 END', CASE WHEN falling THEN '<' ELSE '>' END) END,
			CASE WHEN falling THEN 'DESC' ELSE 'ASC' END),
		'-finished', '{"finished": "t.finished_at timestamptz, t.id bigint"}', conditions);
END $$;
COMMENT ON FUNCTION task_list(jsonb, text) IS 'A page of tasks, with these columns';

CREATE OR REPLACE FUNCTION manager_tasks(p_visit jsonb, p jsonb) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET jit = off AS $$
BEGIN
	PERFORM page_begin(p_visit);
	RETURN task_list(p, $q$ t.id, t.id AS name, left(t.line, 200) AS line, t.state, jsonb_build_object(t.state, true) AS is, t.parked,
			coalesce(t.command_name, (SELECT c.name FROM command c WHERE c.id = t.command_id)) AS command, t.user_id, user_name(t.user_id) AS person, t.chat_id,
			(SELECT nullif(h.title, '') FROM chat h WHERE h.chat_id = t.chat_id) AS chat, (SELECT e.name FROM engine e WHERE e.id = t.engine_id) AS engine,
			page_second(t.admitted_at) AS admitted, page_second(nullif(t.finished_at, 'infinity')) AS finished, t.exit_status <> 0 AS has_exit, t.exit_status, t.term_signal,
			CASE WHEN t.started_at IS NOT NULL THEN duration_text(coalesce(nullif(t.finished_at, 'infinity'), clock_timestamp()) - t.started_at) END AS took $q$)
		|| jsonb_build_object(
			'choices', jsonb_build_object(
				'command', (SELECT coalesce(jsonb_agg(jsonb_build_object('value', x.id::text, 'text', '/' || x.name) ORDER BY x.name), '[]') FROM (SELECT c.id, c.name FROM command c ORDER BY c.name LIMIT 1000) x),
				'engine', (SELECT coalesce(jsonb_agg(jsonb_build_object('value', x.id::text, 'text', x.name) ORDER BY x.name), '[]') FROM (SELECT e.id, e.name FROM engine e ORDER BY e.lease_until DESC LIMIT 200) x)),
			'dates', page_dates(p #>> '{filters,date}', (SELECT min(h.finished_at) FROM task_history h), now()));
END $$;
COMMENT ON FUNCTION manager_tasks(jsonb, jsonb) IS 'List of tasks, those not finished first';

CREATE OR REPLACE FUNCTION manager_task_export(p_visit jsonb, p jsonb) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET jit = off AS $$
BEGIN
	PERFORM page_begin(p_visit);
	IF NOT p ? 'after' THEN
		PERFORM page_record(p_visit, 'exported', 'tasks', NULL, p -> 'filters');
	END IF;
	RETURN task_list(p, $q$ t.id AS task, t.state, coalesce(t.command_name, (SELECT c.name FROM command c WHERE c.id = t.command_id)) AS command, t.line,
		(SELECT u.login FROM app_user u WHERE u.id = t.user_id) AS login, t.chat_id, t.queue, (SELECT e.name FROM engine e WHERE e.id = t.engine_id) AS engine, t.attempt,
		t.admitted_at, t.claimed_at, t.started_at, nullif(t.finished_at, 'infinity') AS finished_at, t.sent_at, t.exit_status, t.term_signal, t.reason $q$);
END $$;
COMMENT ON FUNCTION manager_task_export(jsonb, jsonb) IS 'A part of the list of tasks for a file';

-- Cut by characters: a part of the output, and where the next begins.
CREATE OR REPLACE FUNCTION manager_task_output(p_visit jsonb, p jsonb) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	size CONSTANT integer := 262144;
	wanted bigint := number_of(p ->> 'id');
	place integer := coalesce((p #>> '{after,0}')::integer, 0);
	start integer := coalesce((p #>> '{after,1}')::integer, 1);
	shown text;
BEGIN
	SELECT o.part, substr(o.body, start, size) INTO place, shown FROM task_output o WHERE o.task_id = wanted AND o.part >= place ORDER BY o.part LIMIT 1;
	IF shown IS NULL THEN
		RETURN NULL;
	END IF;
	IF NOT p ? 'after' THEN
		PERFORM page_record(p_visit, 'exported', 'task ' || wanted);
	END IF;
	RETURN jsonb_build_object('name', 'task-' || wanted || '.txt', 'text', shown, 'next', CASE WHEN length(shown) = size THEN jsonb_build_array(place, start + size)
		WHEN EXISTS (SELECT FROM task_output o WHERE o.task_id = wanted AND o.part > place) THEN jsonb_build_array(place + 1, 1) END);
END $$;
COMMENT ON FUNCTION manager_task_output(jsonb, jsonb) IS 'A part of what a task printed, for a file';

-- One task

CREATE OR REPLACE FUNCTION task_steps(p_admitted timestamptz, p_claimed timestamptz, p_started timestamptz, p_finished timestamptz, p_sent timestamptz) RETURNS jsonb
LANGUAGE sql STABLE AS $$
	SELECT jsonb_agg(jsonb_build_object('is', jsonb_build_object(s.step, true), 'at', to_char(s.at, 'YYYY-MM-DD HH24:MI:SS.MS TZH:TZM'),
		'after', CASE WHEN s.before IS NOT NULL AND s.at IS NOT NULL THEN round(extract(epoch FROM greatest(s.at - s.before, interval '0'))::numeric, 3)::text || ' s' END) ORDER BY s.n)
	FROM (SELECT v.n, v.step, v.at, lag(v.at) OVER (ORDER BY v.n) AS before
		FROM (VALUES (1, 'queued', p_admitted), (2, 'claimed', p_claimed), (3, 'started', p_started), (4, 'finished', p_finished), (5, 'sent', p_sent)) v(n, step, at)) s
$$;
COMMENT ON FUNCTION task_steps(timestamptz, timestamptz, timestamptz, timestamptz, timestamptz) IS 'Timeline of a task, each step with the time since the one before';

CREATE OR REPLACE FUNCTION manager_task(p_visit jsonb, p jsonb) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	wanted bigint := number_of(p ->> 'id');
	h task_history;
	t task;
	c command;
	output text;
	size bigint;
BEGIN
	PERFORM page_begin(p_visit);
	SELECT * INTO t FROM task x WHERE x.id = wanted AND NOT x.internal;
	IF t.id IS NULL THEN
		SELECT * INTO h FROM task_history x WHERE x.id = wanted ORDER BY x.finished_at DESC LIMIT 1;
		IF h.id IS NULL THEN
			RETURN NULL;
		END IF;
		SELECT right(string_agg(o.body, '' ORDER BY o.part), 200000), sum(length(o.body)) INTO output, size FROM task_output o WHERE o.task_id = wanted;
	ELSE
		h := jsonb_populate_record(NULL::task_history, to_jsonb(t) || '{"finished_at": null}');
	END IF;
	SELECT * INTO c FROM command x WHERE x.id = h.command_id;
	IF t.parked = 'hosts' THEN
		output := (SELECT x.body FROM hosts_shown(wanted, t.line) x);
	ELSIF t.id IS NOT NULL AND c.logged THEN
		-- While it runs, what its chat sees of it.
		SELECT o.text INTO output FROM outbox o WHERE o.coalesce_key = 'live ' || wanted;
	END IF;
	RETURN jsonb_build_object('id', wanted::text, 'kind', 'task', 'name', wanted::text, 'open', t.id IS NOT NULL, 'state', h.state, 'is', jsonb_build_object(h.state, true),
		'can_cancel', t.id IS NOT NULL AND t.state <> 'cancelling', 'now', CASE WHEN t.id IS NOT NULL THEN task_state_text(t) END,
		'line', h.line, 'command', coalesce(nullif(h.command_name, ''), c.name), 'command_id', c.id,
		'args', (SELECT coalesce(jsonb_agg(jsonb_build_object('name', a.key, 'value', a.value) ORDER BY a.key), '[]')
			FROM jsonb_each_text(config_masked(h.command_id, args_masked(h.args))) a),
		'user_id', (SELECT u.id FROM app_user u WHERE u.id = h.user_id), 'person', user_name(h.user_id), 'chat_id', h.chat_id,
		'chat', (SELECT nullif(x.title, '') FROM chat x WHERE x.chat_id = h.chat_id), 'queue', h.queue, 'engine_id', h.engine_id,
		'engine', (SELECT e.name FROM engine e WHERE e.id = h.engine_id), 'attempt', nullif(h.attempt, 0), 'update', h.update_id,
		'exit', h.exit_status::text, 'signal', h.term_signal::text, 'reason', nullif(h.reason, ''), 'cancelled_by', user_name(t.cancelled_by),
		'parent', h.parent_id, 'host', nullif(h.host, ''), 'spread', EXISTS (SELECT FROM hosts_of(wanted)),
		'hosts', (SELECT coalesce(jsonb_agg(jsonb_build_object('id', x.id::text, 'host', x.host, 'is', jsonb_build_object(x.state, true), 'how', nullif(x.how, ''),
			'took', duration_text(x.took)) ORDER BY x.host), '[]') FROM hosts_of(wanted) x),
		'steps', task_steps(h.admitted_at, h.claimed_at, h.started_at, h.finished_at, h.sent_at),
		'output', output, 'printed', h.output_bytes, 'output_cut', coalesce(h.output_cut, false), 'tail_only', coalesce(size, 0) > 200000, 'not_kept', NOT coalesce(c.logged, true),
		'messages', (SELECT coalesce(jsonb_agg(jsonb_build_object('id', m.id, 'op', m.op, 'dead', m.dead, 'attempts', nullif(m.attempts, 0), 'error', m.error, 'at', page_second(m.created_at)) ORDER BY m.id), '[]')
			FROM (SELECT o.id, o.op, false AS dead, o.attempts, o.last_error AS error, o.created_at FROM outbox o WHERE o.task_id = wanted AND o.chat_id = h.chat_id
				UNION ALL SELECT d.id, d.op, true, d.attempts, d.reason, d.created_at FROM outbox_dead d WHERE d.task_id = wanted AND d.died_at >= h.admitted_at) m),
		'record', (SELECT coalesce(jsonb_agg(jsonb_build_object('at', page_second(a.at), 'who', coalesce(user_name(a.user_id), a.actor), 'action', a.action, 'actor', a.actor) ORDER BY a.id), '[]')
			FROM (SELECT * FROM audit_event e WHERE e.object = 'task ' || wanted ORDER BY e.id LIMIT 100) a));
END $$;
COMMENT ON FUNCTION manager_task(jsonb, jsonb) IS 'A task for its page: what, who, where, timeline, output, messages, record';

-- As whoever asked for it, through the same stages as in a chat: rights are looked at anew, a dangerous one is confirmed by its person,
-- approvals are asked for again.
CREATE OR REPLACE FUNCTION task_again(p_visit jsonb, p_task bigint) RETURNS jsonb
LANGUAGE plpgsql AS $$
DECLARE
	h task_history;
	c command;
	request bigint;
	refused text;
	trouble text;
BEGIN
	SELECT * INTO h FROM task_history x WHERE x.id = p_task ORDER BY x.finished_at DESC LIMIT 1;
	SELECT * INTO c FROM command x WHERE x.id = h.command_id;
	refused := CASE
		WHEN h.id IS NULL THEN 'not_finished'
		WHEN c.id IS NULL THEN 'command_gone'
		WHEN NOT EXISTS (SELECT FROM app_user u WHERE u.id = h.user_id AND u.enabled) OR (h.telegram_id <> 0 AND NOT EXISTS (SELECT FROM telegram_account a
			WHERE a.telegram_id = h.telegram_id AND a.user_id = h.user_id)) THEN 'person_gone'
		WHEN NOT EXISTS (SELECT FROM chat x WHERE x.chat_id = h.chat_id AND x.allowed AND x.blocked_at IS NULL) THEN 'chat_closed'
		WHEN EXISTS (SELECT FROM command_parameter q WHERE q.command_id = c.id AND q.secret AND h.args ? q.name) THEN 'secret_not_kept'
		WHEN EXISTS (SELECT FROM command_parameter q WHERE q.command_id = c.id AND q.type = 'file' AND h.args ? q.name) THEN 'file_not_kept'
		-- The arguments were checked against what the command was then.
		WHEN c.updated_at > h.admitted_at AND (h.args <> '{}' OR EXISTS (SELECT FROM command_parameter q WHERE q.command_id = c.id)) THEN 'command_changed' END;
	IF refused IS NOT NULL THEN
		RETURN jsonb_build_object('refused', jsonb_build_object('e', jsonb_build_object(refused, true)));
	END IF;
	PERFORM FROM chat x WHERE x.chat_id = h.chat_id OR x.chat_id = ANY (approver_chats(c.id, h.user_id)) ORDER BY x.chat_id FOR UPDATE;
	INSERT INTO pending (state, user_id, telegram_id, chat_id, thread_id, message_id, command_id, args, line, expires_at)
	VALUES ('confirming', h.user_id, h.telegram_id, h.chat_id, coalesce(h.thread_id, 0), h.message_id, c.id, h.args, h.line, now() + pending_lifetime('confirming'))
	RETURNING id INTO request;
	trouble := pending_go_on(request);
	IF trouble IS NOT NULL THEN
		RETURN jsonb_build_object('refused', jsonb_build_object('e', jsonb_build_object('not_allowed', true)));
	END IF;
	PERFORM page_record(p_visit, 'run again', 'task ' || h.id, NULL, jsonb_build_object('line', h.line));
	PERFORM chat_say(h.chat_id, h.thread_id, say('again', jsonb_build_object('by', user_name((p_visit ->> 'user')::bigint), 'name', user_name(h.user_id), 'line', h.line)),
		NULL, h.message_id, NULL, NULL, NULL);
	PERFORM pg_notify('outbox', '');
	IF EXISTS (SELECT FROM pending x WHERE x.id = request) THEN
		RETURN jsonb_build_object('waits', request);
	END IF;
	RETURN jsonb_build_object('task', currval(pg_get_serial_sequence('task', 'id')));
END $$;
COMMENT ON FUNCTION task_again(jsonb, bigint) IS 'Asks for a finished task once more: task (its number), waits (the request that others must answer), or refused (a name in templates/part/error.html)';

CREATE OR REPLACE FUNCTION manager_task_act(p_visit jsonb, p jsonb) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	ids bigint[] := ARRAY(SELECT DISTINCT number_of(i) FROM jsonb_array_elements_text(p -> 'ids') i WHERE number_of(i) IS NOT NULL ORDER BY 1);
	who bigint := (p_visit ->> 'user')::bigint;
	t task;
	one bigint;
	said jsonb;
	done jsonb := '{"count": 0, "over": 0, "waits": 0}';
BEGIN
	IF NOT (p ->> 'confirmed')::boolean THEN
		RETURN jsonb_build_object('objects', (SELECT coalesce(jsonb_agg(jsonb_build_object('id', x.id::text, 'name', x.id::text, 'note', left(x.line, 100)) ORDER BY x.id), '[]')
			FROM (SELECT q.id, q.line FROM task q WHERE q.id = ANY (ids) AND NOT q.internal UNION SELECT q.id, q.line FROM task_history q WHERE q.id = ANY (ids)) x));
	END IF;
	IF p ->> 'action' = 'cancel' THEN
		PERFORM FROM chat h WHERE h.chat_id IN (SELECT x.chat_id FROM task x WHERE x.id = ANY (ids)) ORDER BY h.chat_id FOR UPDATE;
		FOREACH one IN ARRAY ids LOOP
			SELECT * INTO t FROM task x WHERE x.id = one AND NOT x.internal FOR UPDATE;
			IF t.id IS NULL OR task_stop(who, t) = 'cancel_already' THEN
				done := done || jsonb_build_object('over', (done ->> 'over')::integer + 1);
			ELSE
				PERFORM page_record(p_visit, 'cancelled', 'task ' || one, jsonb_build_object('line', t.line, 'state', t.state),
					jsonb_build_object('line', t.line, 'state', coalesce((SELECT x.state FROM task x WHERE x.id = one), 'cancelled')));
				done := done || jsonb_build_object('count', (done ->> 'count')::integer + 1);
			END IF;
		END LOOP;
	ELSE
		FOREACH one IN ARRAY ids LOOP
			said := task_again(p_visit, one);
			done := done || (said - 'waits') || CASE WHEN said ? 'task' THEN jsonb_build_object('count', (done ->> 'count')::integer + 1)
				WHEN said ? 'waits' THEN jsonb_build_object('waits', (done ->> 'waits')::integer + 1) ELSE '{}' END;
		END LOOP;
	END IF;
	RETURN jsonb_build_object('flash', 'tasks_' || (p ->> 'action'), 'done', done);
END $$;
COMMENT ON FUNCTION manager_task_act(jsonb, jsonb) IS 'Cancels tasks, or runs finished ones again';
