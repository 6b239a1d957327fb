-- Admission: the one door through which updates become tasks.

CREATE OR REPLACE FUNCTION catalogue_head() RETURNS TABLE (version bigint, bot_username text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
	SELECT v.version, b.username FROM catalogue_version v, bot_status b
$$;
COMMENT ON FUNCTION catalogue_head() IS 'Version of the catalogue and the bot''s @name; read before catalogue(), in one transaction with it';

CREATE OR REPLACE FUNCTION catalogue() RETURNS TABLE (command_id bigint, command text, enabled boolean, usage text, parameter text, type text,
	required boolean, default_value text, minimum text, maximum text, choices text[], pattern text, secret boolean, interactive boolean,
	choices_from text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
	SELECT c.id, c.name, c.enabled, command_usage(c.id), p.name, p.type, p.required, p.default_value, p.minimum, p.maximum,
		CASE WHEN p.choices_from IS NULL THEN p.choices ELSE choices_of(p) END, p.pattern, p.secret, c.interactive, p.choices_from
	FROM command c LEFT JOIN command_parameter p ON p.command_id = c.id
	ORDER BY c.name, p.position
$$;
COMMENT ON FUNCTION catalogue() IS 'Commands with their parameters, a row a parameter (nulls where a command has none), by command name';

CREATE OR REPLACE FUNCTION admission_text(r admission) RETURNS text
LANGUAGE plpgsql STABLE AS $$
BEGIN
	CASE r.action
	WHEN 'invalid' THEN RETURN r.reply;
	WHEN 'cancel', 'approve', 'reject', 'answer', 'badanswer' THEN RETURN r.reply;
	WHEN 'start' THEN RETURN CASE WHEN r.reply = 'invited' THEN say('invite_taken', jsonb_build_object('name', user_name(r.user_id)))
		WHEN r.extra <> '' THEN say('invite_unknown')
		ELSE say('start', jsonb_build_object('name', coalesce(nullif((SELECT first_name FROM app_user WHERE id = r.user_id), ''), r.login))) END;
	WHEN 'help' THEN RETURN help_text(r.user_id, r.chat_id, r.extra);
	WHEN 'tasks' THEN RETURN tasks_text(r.user_id, r.extra = 'all');
	WHEN 'status' THEN RETURN task_text(r.user_id, number_of(r.extra));
	WHEN 'whoami' THEN RETURN say('whoami', (SELECT jsonb_build_object('name', coalesce(nullif(trim(u.first_name || ' ' || u.last_name), ''), u.login),
			'login', u.login, 'telegram_id', r.from_id, 'roles', coalesce((SELECT string_agg(DISTINCT o.name, ', ' ORDER BY o.name) FROM role o
			WHERE o.id IN (SELECT role_id FROM user_role WHERE user_id = u.id UNION
				SELECT g.role_id FROM group_role g JOIN user_group_member m USING (group_id) WHERE m.user_id = u.id)), '-'))
		FROM app_user u WHERE u.id = r.user_id));
	WHEN 'id' THEN RETURN say('id', jsonb_build_object('telegram_id', r.from_id, 'chat_id', r.chat_id, 'topic',
		CASE WHEN r.thread_id > 0 THEN say('id_topic', jsonb_build_object('thread_id', r.thread_id)) ELSE '' END
			|| CASE WHEN EXISTS (SELECT FROM chat h WHERE h.chat_id = r.chat_id AND NOT h.allowed) THEN say('id_forbidden') ELSE '' END));
	WHEN 'unknown' THEN RETURN coalesce(
		(SELECT say('unknown_near', jsonb_build_object('command', r.reply, 'near', n.name))
			FROM unnest(string_to_array(r.extra, ' ')) WITH ORDINALITY AS n(name, place)
			LEFT JOIN command c ON c.name = n.name AND c.enabled
			WHERE is_builtin(n.name) OR may_see(r.user_id, c.id, r.chat_id)
			ORDER BY n.place LIMIT 1),
		say('unknown', jsonb_build_object('command', r.reply)));
	WHEN 'text' THEN RETURN say(CASE WHEN r.extra = 'file' THEN 'plain_file' ELSE 'plain' END);
	ELSE RETURN NULL;
	END CASE;
END $$;
COMMENT ON FUNCTION admission_text(admission) IS 'Text that answers a built-in or a bad command line; null: nothing is said';

CREATE OR REPLACE FUNCTION admission_answer(r admission, p_rate integer, p_task bigint) RETURNS chat_answer
LANGUAGE plpgsql STABLE AS $$
DECLARE
	a chat_answer;
BEGIN
	CASE r.outcome
	WHEN 'stranger' THEN a.body := CASE WHEN r.action = 'start' AND r.extra <> '' THEN say('invite_unknown') || E'\n' ELSE '' END
		|| say('stranger', jsonb_build_object('telegram_id', r.from_id));
	WHEN 'disabled' THEN a.body := say('disabled');
	WHEN 'flood' THEN a.body := say('flood', jsonb_build_object('rate', p_rate));
	WHEN 'refused' THEN a.body := refusal_text(r.user_id, r.command_id, r.chat_id, r.args);
	WHEN 'task' THEN a.body := say('unserved', jsonb_build_object('task', p_task, 'queue', r.queue));
	WHEN 'pending' THEN a.body := r.reply;
	WHEN 'reply' THEN
		IF r.action = 'output' THEN
			-- What was answered to one person alone is not shown to others by asking again.
			IF r.chat_type <> 'private' AND EXISTS (SELECT FROM task_history h JOIN command c ON c.id = h.command_id
					WHERE h.id = number_of(r.extra) AND c.answer = 'private') THEN
				a.body := say('output_private');
				RETURN a;
			END IF;
			RETURN output_answer(r.user_id, number_of(r.extra));
		END IF;
		a.body := admission_text(r);
	ELSE
		RETURN NULL;
	END CASE;
	RETURN a;
END $$;
COMMENT ON FUNCTION admission_answer(admission, integer, bigint) IS 'What admission answers at once; no body: nothing';

-- Telegram lets a bot delete what is younger than 48 hours: in private chats, and in groups where it may
-- (core.telegram.org/bots/api#deletemessage). Where it may not, its person is told; see outbox_settle().
CREATE OR REPLACE FUNCTION message_take_away(r admission) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
	INSERT INTO outbox (op, chat_id, thread_id, params, update_id, expires_at)
	SELECT 'delete_message', r.chat_id, nullif(r.thread_id, 0), jsonb_build_object('message_id', r.message_id), r.update_id, now() + interval '48 hours'
	WHERE r.message_id <> 0
$$;
COMMENT ON FUNCTION message_take_away(admission) IS 'Has a message deleted that carried a secret';

CREATE OR REPLACE FUNCTION admit_alone(r admission) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	number bigint := number_of(r.extra);
BEGIN
	CASE r.action
	WHEN 'callback' THEN
		RETURN press(r);
	WHEN 'answer', 'badanswer' THEN
		RETURN pending_answer(r);
	WHEN 'approve', 'reject' THEN
		RETURN CASE WHEN number IS NULL THEN say('approve_which') ELSE (pending_decide(r.user_id, r.from_id, number, r.action = 'approve')).toast END;
	WHEN 'cancel' THEN
		IF number IS NULL THEN
			DELETE FROM pending p WHERE p.state IN ('asking', 'confirming', 'fetching') AND p.telegram_id = r.from_id AND p.chat_id = r.chat_id AND p.thread_id = r.thread_id;
			IF FOUND THEN
				RETURN say('dismissed');
			END IF;
		END IF;
		RETURN task_cancel(r.user_id, number);
	ELSE
		RETURN r.reply;
	END CASE;
END $$;
COMMENT ON FUNCTION admit_alone(admission) IS 'Carries out what is admitted by itself; what is answered to it';

-- Arrays run parallel, an update an element; "" and 0 stand for what an update does not have.
-- The caller sorts by update_id and gives at most one update a chat and a person.
CREATE OR REPLACE FUNCTION admit(p_version bigint, p_single boolean, p_rate integer,
	p_update_id bigint[], p_from_id bigint[], p_username text[], p_first_name text[], p_last_name text[], p_language text[],
	p_chat_id bigint[], p_chat_type text[], p_chat_title text[], p_thread_id bigint[], p_message_id bigint[],
	p_action text[], p_command_id bigint[], p_args text[], p_line text[], p_reply text[], p_extra text[])
RETURNS TABLE (update_id bigint, outcome text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
#variable_conflict use_column
DECLARE
	rows admission[];
	-- Whether some row needs what follows: most batches are of people who are known, and of commands that simply run.
	new_chats boolean;
	changed_chats boolean;
	new_accounts boolean;
	strangers boolean;
	requests boolean;
	secrets boolean;
	remarkable boolean;
	queues text[];
	told bigint[];
	unserved text[];
	speaking bigint[];
	made_task bigint[];
	made_update bigint[];
	invited boolean := false;
BEGIN
	IF (SELECT version FROM catalogue_version) <> p_version THEN
		RETURN QUERY SELECT NULL::bigint, 'stale';
		RETURN;
	END IF;

	-- Before anything is decided, since it decides who somebody is. A second delivery finds it used, and is left out as any other.
	IF p_single AND p_action[1] = 'start' AND p_extra[1] <> '' AND p_chat_type[1] = 'private' THEN
		IF NOT EXISTS (SELECT FROM update_seen s WHERE s.update_id = p_update_id[1])
				AND NOT EXISTS (SELECT FROM chat h WHERE h.chat_id = p_chat_id[1] AND NOT h.allowed) THEN
			invited := invite_redeem(p_extra[1], p_from_id[1], p_username[1], trim(p_first_name[1] || ' ' || p_last_name[1]), p_language[1]);
		END IF;
	END IF;

	WITH came AS MATERIALIZED (
		-- What touches other rows than its own chat's is admitted alone.
		SELECT u.*, NOT p_single AND (u.action IN ('callback', 'cancel', 'approve', 'reject', 'migrate')
				OR (u.action = 'start' AND u.extra <> '')
				OR (u.action = 'run' AND EXISTS (SELECT FROM command c WHERE c.id = u.command_id AND c.approvals > 0))
				OR (u.action IN ('text', 'chatter') AND EXISTS (SELECT FROM pending p WHERE p.state = 'asking' AND p.telegram_id = u.from_id
					AND p.chat_id = u.chat_id AND p.thread_id = u.thread_id))) AS deferred
		FROM unnest(p_update_id, p_from_id, p_username, p_first_name, p_last_name, p_language, p_chat_id, p_chat_type,
			p_chat_title, p_thread_id, p_message_id, p_action, p_command_id, p_args, p_line, p_reply, p_extra)
			AS u(update_id, from_id, username, first_name, last_name, language, chat_id, chat_type, chat_title, thread_id,
				message_id, action, command_id, args, line, reply, extra)
	), fresh AS (
		INSERT INTO update_seen (update_id) SELECT u.update_id FROM came u WHERE NOT u.deferred
		ON CONFLICT DO NOTHING RETURNING update_id
	), pace AS (
		INSERT INTO person_pace AS f (telegram_id)
		SELECT u.from_id FROM came u JOIN fresh USING (update_id)
		WHERE p_rate > 0 AND u.from_id <> 0 AND u.action NOT IN ('ignore', 'chatter', 'mychat', 'migrate') ORDER BY u.from_id
		ON CONFLICT (telegram_id) DO UPDATE SET
			since = CASE WHEN f.since < now() - interval '10 seconds' THEN now() ELSE f.since END,
			messages = CASE WHEN f.since < now() - interval '10 seconds' THEN 1 ELSE f.messages + 1 END,
			warned = CASE WHEN f.since < now() - interval '20 seconds' THEN false ELSE f.warned OR f.messages > p_rate END
		RETURNING telegram_id, messages, warned
	), judged AS MATERIALIZED (
		SELECT u.update_id, u.from_id, u.username, u.first_name, u.last_name, u.language,
			u.chat_id, u.chat_type, u.chat_title, u.thread_id, u.message_id,
			CASE WHEN w.complaint IS NULL THEN u.action ELSE 'invalid' END AS action, u.command_id, w.args, u.line,
			CASE WHEN w.complaint IS NULL THEN u.reply
				ELSE w.complaint || E'\n' || say('usage', jsonb_build_object('usage', command_usage(u.command_id))) END AS reply, u.extra,
			p.id AS user_id, p.login, p.enabled,
			a.telegram_id IS NOT NULL AND (a.username, a.name, a.language) IS DISTINCT FROM
				(u.username, trim(u.first_name || ' ' || u.last_name), u.language) AS account_new,
			u.chat_id <> 0 AND (h.chat_id IS NULL OR (h.type, h.title) IS DISTINCT FROM (u.chat_type, u.chat_title)) AS chat_new,
			h.blocked_at IS NOT NULL AS chat_blocked,
			c.queue, c.priority, c.ordered,
			CASE
			WHEN u.deferred THEN 'deferred'
			WHEN f.update_id IS NULL THEN 'duplicate'
			WHEN u.action IN ('ignore', 'chatter', 'mychat', 'migrate') THEN 'ignored'
			WHEN u.from_id = 0 OR u.chat_id = 0 THEN 'ignored'
			WHEN u.action <> 'id' AND NOT coalesce(h.allowed, chat_at_first(u.chat_id, u.chat_type)) THEN 'ignored'
			WHEN p.id IS NULL THEN CASE WHEN u.action = 'callback' THEN 'ignored' ELSE 'stranger' END
			WHEN k.messages > p_rate THEN CASE WHEN k.warned THEN 'flooded' ELSE 'flood' END
			WHEN NOT p.enabled THEN 'disabled'
			WHEN u.action = 'run' AND w.complaint IS NULL THEN CASE WHEN NOT (c.enabled AND EXISTS (SELECT FROM grants_that_fit(p.id, c.id, u.chat_id, w.args))) THEN 'refused'
				WHEN c.dangerous OR c.approvals > 0 OR (u.args LIKE '{%{%' AND files_wanted(w.args)) THEN 'pending' ELSE 'task' END
			WHEN u.action = 'ask' AND w.complaint IS NULL THEN CASE WHEN c.enabled AND may_see(p.id, c.id, u.chat_id) THEN 'pending' ELSE 'refused' END
			WHEN (u.action = 'invalid' OR w.complaint IS NOT NULL) AND u.command_id <> 0 THEN CASE WHEN c.enabled AND may_see(p.id, c.id, u.chat_id) THEN 'reply' ELSE 'refused' END
			ELSE 'reply' END AS outcome
		FROM came u
		CROSS JOIN LATERAL (SELECT CASE WHEN u.args = '' THEN '{}' ELSE u.args::jsonb END) AS v(args)
		LEFT JOIN fresh f ON f.update_id = u.update_id
		LEFT JOIN pace k ON k.telegram_id = u.from_id
		LEFT JOIN telegram_account a ON a.telegram_id = u.from_id
		LEFT JOIN app_user p ON p.id = a.user_id
		LEFT JOIN command c ON c.id = u.command_id
		LEFT JOIN chat h ON h.chat_id = u.chat_id
		-- Only a value that is an object has anything to resolve; OFFSET keeps it from being resolved wherever it is named.
		CROSS JOIN LATERAL (SELECT CASE WHEN u.args LIKE '{%{%' THEN to_jsonb(args_resolve(p.id, u.command_id, v.args)) END AS made OFFSET 0) x
		CROSS JOIN LATERAL (SELECT coalesce(x.made -> 'args', v.args) AS args, x.made ->> 'complaint' AS complaint) w
	)
	SELECT array_agg(ROW(j.*)::admission ORDER BY j.update_id),
		bool_or(j.chat_new AND j.outcome NOT IN ('duplicate', 'deferred')),
		bool_or((j.chat_blocked OR j.action = 'mychat') AND j.outcome NOT IN ('duplicate', 'deferred')),
		bool_or(j.account_new AND j.outcome NOT IN ('duplicate', 'deferred')),
		bool_or(j.outcome = 'stranger'), bool_or(j.outcome = 'pending'), bool_or(strpos(j.line, '•••') > 0),
		bool_or(j.outcome IN ('refused', 'disabled', 'flood', 'stranger') OR (j.outcome = 'reply' AND j.action = 'cancel')),
		-- A target's engines have queues of their own.
		array_agg(j.queue) FILTER (WHERE j.outcome = 'task' AND NOT j.args @? 'strict $.* ? (@.type() == "array")'),
		array_agg(j.chat_id) FILTER (WHERE j.outcome IN ('reply', 'pending', 'refused', 'disabled', 'stranger', 'flood') OR (j.outcome = 'task' AND j.ordered))
	INTO rows, new_chats, changed_chats, new_accounts, strangers, requests, secrets, remarkable, queues, speaking
	FROM judged j;

	IF new_chats THEN
		INSERT INTO chat (chat_id, type, title, allowed)
		SELECT r.chat_id, r.chat_type, r.chat_title, chat_at_first(r.chat_id, r.chat_type) FROM unnest(rows) r
		WHERE r.chat_new AND r.outcome NOT IN ('duplicate', 'deferred') ORDER BY r.chat_id
		ON CONFLICT (chat_id) DO UPDATE SET type = excluded.type, title = excluded.title;
	END IF;
	IF changed_chats THEN
		UPDATE chat h SET blocked_at = CASE WHEN r.action = 'mychat' AND r.extra IN ('kicked', 'left') THEN now() END
		FROM unnest(rows) r WHERE r.chat_id = h.chat_id AND (r.chat_blocked OR r.action = 'mychat')
			AND r.outcome NOT IN ('duplicate', 'deferred');
	END IF;
	IF new_accounts THEN
		UPDATE telegram_account a SET username = r.username, name = trim(r.first_name || ' ' || r.last_name), language = r.language
		FROM unnest(rows) r WHERE r.from_id = a.telegram_id AND r.account_new AND r.outcome NOT IN ('duplicate', 'deferred');
	END IF;
	IF p_single AND rows[1].action = 'migrate' AND rows[1].outcome = 'ignored' THEN
		PERFORM chat_migrate(rows[1].chat_id, number_of(rows[1].extra));
	END IF;

	-- A stranger is answered once; what follows is only counted.
	IF strangers THEN
		WITH asked AS (
			INSERT INTO join_request AS j (telegram_id, name, username, language, chat_id)
			SELECT r.from_id, trim(r.first_name || ' ' || r.last_name), r.username, r.language, r.chat_id
			FROM unnest(rows) r WHERE r.outcome = 'stranger' ORDER BY r.from_id
			ON CONFLICT (telegram_id) DO UPDATE SET messages = j.messages + 1, last_at = now()
			RETURNING telegram_id, messages)
		SELECT array_agg(telegram_id) INTO told FROM asked WHERE messages > 1;
	END IF;

	-- Queues that nobody serves just now: the task waits, and its chat is told so.
	IF queues IS NOT NULL THEN
		SELECT array_agg(q.queue) INTO unserved FROM (SELECT DISTINCT n AS queue FROM unnest(queues) n) q
		WHERE NOT EXISTS (SELECT FROM engine e WHERE e.lease_until > now() AND q.queue = ANY (e.queues));
	END IF;

	-- Rows that speak in a chat, or take their turn in it, hold the chat; in id order, so that batches cannot wait for each other in a circle.
	IF unserved IS NOT NULL THEN
		speaking := coalesce(speaking, '{}') || ARRAY(SELECT r.chat_id FROM unnest(rows) r WHERE r.outcome = 'task' AND r.queue = ANY (unserved));
	END IF;
	IF speaking IS NOT NULL THEN
		IF p_single THEN
			speaking := speaking || admission_chats(rows[1]);
		END IF;
		PERFORM FROM chat h WHERE h.chat_id = ANY (speaking) ORDER BY h.chat_id FOR UPDATE;
	END IF;

	-- The rows stand in the order of their updates, and so do the tasks.
	WITH made AS (
		INSERT INTO task (queue, priority, command_id, user_id, telegram_id, chat_id, thread_id, message_id, update_id, args, line, turn_at, parked)
		SELECT r.queue, r.priority, r.command_id, r.user_id, r.from_id, r.chat_id, nullif(r.thread_id, 0), nullif(r.message_id, 0), r.update_id, r.args, r.line,
			now() + interval '1 second' * (SELECT count(*) FROM (SELECT FROM task t WHERE t.user_id = r.user_id AND t.queue = r.queue LIMIT 3600) n),
			CASE WHEN r.ordered AND EXISTS (SELECT FROM task t WHERE t.chat_id = r.chat_id AND t.command_id = r.command_id) THEN 'turn' ELSE '' END
		FROM unnest(rows) r WHERE r.outcome = 'task'
		RETURNING id, user_id, telegram_id, chat_id, update_id, line
	), noted AS (
		INSERT INTO audit_event (actor, user_id, telegram_id, chat_id, action, object, detail)
		SELECT 'bot', m.user_id, m.telegram_id, m.chat_id, 'admitted', 'task ' || m.id, jsonb_build_object('line', m.line, 'update', m.update_id) FROM made m
	)
	SELECT array_agg(m.id), array_agg(m.update_id) INTO made_task, made_update FROM made m;

	IF invited THEN
		rows[1].reply := 'invited';
	ELSIF p_single AND rows[1].outcome = 'reply' THEN
		rows[1].reply := admit_alone(rows[1]);
	END IF;
	IF requests THEN
		FOR i IN 1 .. cardinality(rows) LOOP
			IF rows[i].outcome = 'pending' THEN
				rows[i].reply := pending_open(rows[i]);
			END IF;
		END LOOP;
	END IF;

	IF speaking IS NOT NULL THEN
		WITH answer AS MATERIALIZED (
			SELECT r.chat_id, r.thread_id, r.message_id, r.update_id, r.chat_type, w.*
			FROM unnest(rows) r, LATERAL admission_answer(r, p_rate, made_task[array_position(made_update, r.update_id)]) w
			WHERE r.outcome IN ('reply', 'pending', 'refused', 'disabled', 'flood') OR (r.outcome = 'task' AND r.queue = ANY (unserved))
				OR (r.outcome = 'stranger' AND r.from_id <> ALL (coalesce(told, '{}')))
		), place AS (
			UPDATE chat h SET out_seq = h.out_seq + 1 FROM answer n WHERE h.chat_id = n.chat_id AND n.body IS NOT NULL
			RETURNING h.chat_id, h.out_seq
		), said AS (
			INSERT INTO outbox (op, chat_id, seq, thread_id, reply_to, text, entities, update_id)
			SELECT CASE WHEN n.document IS NULL THEN 'send' ELSE 'document' END, n.chat_id, s.out_seq, nullif(n.thread_id, 0),
				CASE WHEN n.chat_type <> 'private' THEN nullif(n.message_id, 0) END, n.body, n.entities, n.update_id
			FROM answer n JOIN place s ON s.chat_id = n.chat_id WHERE n.body IS NOT NULL ORDER BY n.update_id
			RETURNING id, update_id
		)
		INSERT INTO outbox_document (outbox_id, name, body)
		SELECT s.id, n.document_name, convert_to(n.document, 'UTF8') FROM said s JOIN answer n USING (update_id) WHERE n.document IS NOT NULL;
		-- A press is answered, or the button spins on.
		INSERT INTO outbox (op, text, params, update_id, expires_at)
		SELECT 'answer_callback', r.reply, jsonb_build_object('callback_query_id', r.extra), r.update_id, now() + interval '150 seconds'
		FROM unnest(rows) r WHERE r.outcome = 'reply' AND r.action = 'callback';
	END IF;

	IF remarkable THEN
		INSERT INTO audit_event (actor, user_id, telegram_id, chat_id, action, object, detail)
		SELECT 'bot', r.user_id, r.from_id, r.chat_id,
			CASE r.outcome WHEN 'stranger' THEN 'stranger' WHEN 'flood' THEN 'flood' WHEN 'reply' THEN 'cancel asked' ELSE 'refused' END,
			CASE r.outcome WHEN 'reply' THEN 'task ' || r.extra ELSE 'update ' || r.update_id END, jsonb_build_object('line', r.line, 'update', r.update_id)
		FROM unnest(rows) r WHERE r.outcome IN ('refused', 'disabled', 'flood') OR (r.outcome = 'reply' AND r.action = 'cancel' AND number_of(r.extra) IS NOT NULL)
			OR (r.outcome = 'stranger' AND r.from_id <> ALL (coalesce(told, '{}')));
	END IF;

	-- TeleBot masks what is secret, or may be; where it did, the message goes.
	IF secrets THEN
		PERFORM message_take_away(r) FROM unnest(rows) r
		WHERE strpos(r.line, '•••') > 0 AND r.outcome NOT IN ('duplicate', 'deferred', 'ignored', 'flooded')
			AND EXISTS (SELECT FROM command_parameter q WHERE q.command_id = r.command_id AND q.secret) ORDER BY r.update_id;
	END IF;

	RETURN QUERY SELECT r.update_id, r.outcome FROM unnest(rows) r;
END $$;
COMMENT ON FUNCTION admit(bigint, boolean, integer, bigint[], bigint[], text[], text[], text[], text[], bigint[], text[], text[], bigint[], bigint[], text[], bigint[], text[], text[], text[], text[])
	IS 'Admits a batch of updates in one transaction: deduplicates, decides who may what, writes tasks, replies and audit. A stale version writes nothing and returns one row (null, stale)';

CREATE OR REPLACE FUNCTION update_reject(p_update_id bigint, p_reason text, p_body text) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
	WITH seen AS (INSERT INTO update_seen (update_id) VALUES (p_update_id) ON CONFLICT DO NOTHING)
	INSERT INTO update_rejected (update_id, reason, body) VALUES (p_update_id, p_reason, left(p_body, 65536)) ON CONFLICT DO NOTHING
$$;
COMMENT ON FUNCTION update_reject(bigint, text, text) IS 'Keeps an update that failed alone, so that it can be answered 200 and looked at';
