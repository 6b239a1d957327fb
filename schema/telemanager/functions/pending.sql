-- Requests on their way to a task: asked for what is missing, confirmed where it is dangerous, approved where others must agree. Each stage
-- is a state of the row in `pending`; whoever sends an answer or presses a button moves it on. All of it is admitted singly.

-- RFC 2104 with SHA-256, whose block has 64 bytes.
CREATE OR REPLACE FUNCTION hmac_sha256(p_key bytea, p_data bytea) RETURNS bytea
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
	inner_pad bytea := decode(repeat('36', 64), 'hex');
	outer_pad bytea := decode(repeat('5c', 64), 'hex');
BEGIN
	FOR i IN 0 .. length(p_key) - 1 LOOP
		inner_pad := set_byte(inner_pad, i, get_byte(p_key, i) # 54);
		outer_pad := set_byte(outer_pad, i, get_byte(p_key, i) # 92);
	END LOOP;
	RETURN sha256(outer_pad || sha256(inner_pad || p_data));
END $$;
COMMENT ON FUNCTION hmac_sha256(bytea, bytea) IS 'HMAC-SHA-256; the key has 64 bytes at most';

CREATE OR REPLACE FUNCTION command_digest(p_command bigint, p_user bigint, p_args jsonb) RETURNS bytea
LANGUAGE sql STABLE AS $$
	SELECT hmac_sha256((SELECT key FROM signing_key), convert_to(jsonb_build_array(p_user, p_args,
		to_jsonb(c) - 'running' - 'version' - 'updated_at' - 'description' - 'detail')::text, 'UTF8'))
	FROM command c WHERE c.id = p_command
$$;
COMMENT ON FUNCTION command_digest(bigint, bigint, jsonb) IS 'Keyed digest of who runs which command, as it is defined now, with which arguments';

CREATE OR REPLACE FUNCTION expand(p_template text, p_args jsonb) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
	made text := '';
	rest text := p_template;
	found text[];
BEGIN
	-- One pass, as lib/expand.c: what an argument holds is never expanded again.
	LOOP
		found := regexp_match(rest, '^(.*?)\{([a-z][a-z0-9_]{0,31})\}(.*)$', 's');
		EXIT WHEN found IS NULL;
		made := made || found[1] || coalesce(p_args ->> found[2], '');
		rest := found[3];
	END LOOP;
	RETURN made || rest;
END $$;
COMMENT ON FUNCTION expand(text, jsonb) IS 'A template with its {parameters} replaced';

CREATE OR REPLACE FUNCTION word_quoted(p_word text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
	SELECT CASE WHEN p_word ~ '^[A-Za-z0-9_@%+=:,./-]+$' THEN p_word ELSE '''' || replace(p_word, '''', '''\''''') || '''' END
$$;
COMMENT ON FUNCTION word_quoted(text) IS 'An argument as a shell would need it written, so that a reader sees where each begins and ends';

CREATE OR REPLACE FUNCTION command_call_text(c command) RETURNS text
LANGUAGE sql STABLE AS $$
	SELECT CASE c.kind
		WHEN 'sql' THEN concat_ws(' ', c.kind, c.connection, CASE WHEN c.writes THEN say('resolved_writes') END) || E'\n' || c.statement
		WHEN 'http' THEN concat_ws(E'\n', concat_ws(' ', c.method, c.connection || c.path), nullif(c.headers, '{}')::text, c.body::text) END
$$;
COMMENT ON FUNCTION command_call_text(command) IS 'What a command of kind sql or http asks, to be read; null for others';

CREATE OR REPLACE FUNCTION command_resolved(p_command bigint, p_args jsonb) RETURNS text
LANGUAGE sql STABLE AS $$
	SELECT CASE c.kind
		WHEN 'exec' THEN concat_ws(' ', c.program, (SELECT string_agg(word_quoted(expand(a, args_of_all(args_masked(p_args)))), ' ' ORDER BY n)
			FROM unnest(c.args) WITH ORDINALITY AS x(a, n)))
		ELSE coalesce(command_call_text(c), c.kind) END
		-- Of a program its arguments tell all but the secrets.
		|| coalesce(E'\n' || (SELECT string_agg(p.name || ' = ' || (args_masked(p_args) ->> p.name), E'\n' ORDER BY p.position)
			FROM command_parameter p WHERE p.command_id = c.id AND p_args ? p.name AND p.type <> 'target' AND (c.kind <> 'exec' OR p.secret)), '')
		|| coalesce(E'\n' || (SELECT say('resolved_hosts', jsonb_build_object('count', jsonb_array_length(p_args -> p.name),
				'hosts', (SELECT string_agg(h, ', ') FROM jsonb_array_elements_text(p_args -> p.name) h)))
			FROM command_parameter p WHERE p.command_id = c.id AND p.type = 'target' AND jsonb_typeof(p_args -> p.name) = 'array'), '')
		|| E'\n' || say('resolved_where', jsonb_build_object('queue', c.queue, 'timeout', c.timeout_s))
	FROM command c WHERE c.id = p_command
$$;
COMMENT ON FUNCTION command_resolved(bigint, jsonb) IS 'What a run does, in full: program and arguments, statement or request, and the values of its parameters';

CREATE OR REPLACE FUNCTION button_make(p_kind text, p_pending bigint, p_telegram_id bigint, p_value text, p_expires timestamptz, p_task bigint) RETURNS text
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
	INSERT INTO button (token, kind, pending_id, telegram_id, value, expires_at, task_id)
	VALUES (replace(gen_random_uuid()::text, '-', ''), p_kind, p_pending, p_telegram_id, p_value, p_expires, p_task) RETURNING token
$$;
COMMENT ON FUNCTION button_make(text, bigint, bigint, text, timestamptz, bigint) IS 'A new button; its token';

CREATE OR REPLACE FUNCTION button_json(p_text text, p_token text) RETURNS jsonb
LANGUAGE sql IMMUTABLE AS $$ SELECT jsonb_build_object('text', p_text, 'callback_data', p_token) $$;
COMMENT ON FUNCTION button_json(text, text) IS 'InlineKeyboardButton (core.telegram.org/bots/api#inlinekeyboardbutton)';

-- The caller holds the chat's row, or is alone in its transaction.
CREATE OR REPLACE FUNCTION chat_say(p_chat bigint, p_thread bigint, p_body text, p_markup jsonb, p_reply_to bigint, p_update bigint, p_document text,
	p_document_name text) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	place bigint;
	made bigint;
	kind text;
BEGIN
	UPDATE chat SET out_seq = out_seq + 1 WHERE chat_id = p_chat RETURNING out_seq, type INTO place, kind;
	IF place IS NULL THEN
		RETURN NULL;
	END IF;
	INSERT INTO outbox (op, chat_id, seq, thread_id, reply_to, text, markup, update_id)
	VALUES (CASE WHEN p_document IS NULL THEN 'send' ELSE 'document' END, p_chat, place, nullif(p_thread, 0),
		CASE WHEN kind <> 'private' THEN nullif(p_reply_to, 0) END, p_body, p_markup, p_update) RETURNING id INTO made;
	IF p_document IS NOT NULL THEN
		INSERT INTO outbox_document (outbox_id, name, body) VALUES (made, p_document_name, convert_to(p_document, 'UTF8'));
	END IF;
	RETURN made;
END $$;
COMMENT ON FUNCTION chat_say(bigint, bigint, text, jsonb, bigint, bigint, text, text) IS 'A message to a chat, in its turn; the outbox row, null: the chat is not known';

CREATE OR REPLACE FUNCTION chat_edit(p_chat bigint, p_message bigint, p_body text, p_markup jsonb, p_update bigint) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	place bigint;
BEGIN
	IF coalesce(p_message, 0) = 0 THEN
		RETURN;
	END IF;
	UPDATE chat SET out_seq = out_seq + 1 WHERE chat_id = p_chat RETURNING out_seq INTO place;
	INSERT INTO outbox (op, chat_id, seq, text, markup, params, update_id)
	SELECT 'edit', p_chat, place, p_body, p_markup, jsonb_build_object('message_id', p_message), p_update WHERE place IS NOT NULL;
END $$;
COMMENT ON FUNCTION chat_edit(bigint, bigint, text, jsonb, bigint) IS 'Changes a message of the bot; without markup its buttons go';

CREATE OR REPLACE FUNCTION task_make(p pending) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	made bigint;
	c command;
BEGIN
	SELECT * INTO c FROM command WHERE id = p.command_id;
	INSERT INTO task (queue, priority, command_id, user_id, telegram_id, chat_id, thread_id, message_id, update_id, args, line, turn_at, parked)
	VALUES (c.queue, c.priority, c.id, p.user_id, p.telegram_id, p.chat_id, nullif(p.thread_id, 0), p.message_id, p.update_id, p.args, p.line,
		now() + interval '1 second' * (SELECT count(*) FROM (SELECT FROM task t WHERE t.user_id = p.user_id AND t.queue = c.queue LIMIT 3600) n),
		CASE WHEN c.ordered AND EXISTS (SELECT FROM task t WHERE t.chat_id = p.chat_id AND t.command_id = c.id) THEN 'turn' ELSE '' END)
	RETURNING id INTO made;
	IF NOT EXISTS (SELECT FROM task t WHERE t.id = made AND t.parked = 'hosts')
			AND NOT EXISTS (SELECT FROM engine e WHERE e.lease_until > now() AND c.queue = ANY (e.queues)) THEN
		PERFORM chat_say(p.chat_id, p.thread_id, say('unserved', jsonb_build_object('task', made, 'queue', c.queue)), NULL, p.message_id, p.update_id, NULL, NULL);
	END IF;
	DELETE FROM pending WHERE id = p.id;
	PERFORM pg_notify('task', '');
	RETURN made;
END $$;
COMMENT ON FUNCTION task_make(pending) IS 'Turns a request that nothing stands in the way of into a task; its number';

CREATE OR REPLACE FUNCTION pending_note(p pending, p_action text, p_by bigint, p_telegram bigint, p_task bigint) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
	INSERT INTO audit_event (actor, user_id, telegram_id, chat_id, action, object, detail)
	VALUES ('bot', p_by, p_telegram, p.chat_id, p_action, CASE WHEN p_task IS NULL THEN 'request ' || p.id ELSE 'task ' || p_task END,
		jsonb_strip_nulls(jsonb_build_object('line', p.line, 'args', args_masked(p.args), 'request', p.id, 'update', p.update_id, 'digest', encode(p.digest, 'hex'))))
$$;
COMMENT ON FUNCTION pending_note(pending, text, bigint, bigint, bigint) IS 'What became of a request, in the record';

CREATE OR REPLACE FUNCTION pending_lifetime(p_state text) RETURNS interval
LANGUAGE sql STABLE AS $$
	SELECT CASE p_state WHEN 'fetching' THEN interval '1 hour' * setting_of('file_hours')
		WHEN 'approving' THEN interval '1 hour' * setting_of('approving_hours') WHEN 'asking' THEN interval '1 minute' * setting_of('asking_minutes')
		ELSE interval '1 minute' * setting_of('confirming_minutes') END
$$;
COMMENT ON FUNCTION pending_lifetime(text) IS 'How long a request waits in a state';

-- A text that may be too long for one message becomes a document: what cannot be read in full is not confirmed or approved.
CREATE OR REPLACE FUNCTION prompt_say(p pending, p_chat bigint, p_thread bigint, p_head text, p_full text, p_tail text, p_markup jsonb) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
	IF utf16_length(p_full) <= 3000 THEN
		PERFORM chat_say(p_chat, p_thread, p_head || E'\n\n' || p_full || E'\n\n' || p_tail, p_markup, p.message_id, p.update_id, NULL, NULL);
	ELSE
		PERFORM chat_say(p_chat, p_thread, left(p_head, 300) || E'\n\n' || say('in_file') || E'\n\n' || p_tail, p_markup, p.message_id, p.update_id, p_full,
			'request-' || p.id || '.txt');
	END IF;
END $$;
COMMENT ON FUNCTION prompt_say(pending, bigint, bigint, text, text, text, jsonb) IS 'Shows a request in full, with its buttons';

CREATE OR REPLACE FUNCTION pending_confirm(p pending) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	until timestamptz := now() + pending_lifetime('confirming');
BEGIN
	UPDATE pending SET state = 'confirming', digest = command_digest(p.command_id, p.user_id, p.args), expires_at = until WHERE id = p.id RETURNING * INTO p;
	PERFORM prompt_say(p, p.chat_id, p.thread_id, p.line, command_resolved(p.command_id, p.args), say('confirm'), jsonb_build_object('inline_keyboard',
		jsonb_build_array(jsonb_build_array(button_json(say('button_run'), button_make('run', p.id, p.telegram_id, '', until, NULL)),
			button_json(say('button_cancel'), button_make('dismiss', p.id, p.telegram_id, '', until, NULL))))));
	PERFORM pending_note(p, 'confirmation asked', p.user_id, p.telegram_id, NULL);
END $$;
COMMENT ON FUNCTION pending_confirm(pending) IS 'Shows what would run, in full, and asks whether it should';

-- Members of the approvers' role that have written to the bot in private, but not who asks.
CREATE OR REPLACE FUNCTION approver_chats(p_command bigint, p_requester bigint) RETURNS bigint[]
LANGUAGE sql STABLE AS $$
	SELECT coalesce(array_agg(h.chat_id ORDER BY h.chat_id), '{}')
	FROM (SELECT a.telegram_id AS chat_id FROM telegram_account a JOIN app_user u ON u.id = a.user_id JOIN command c ON c.id = p_command
		JOIN chat h ON h.chat_id = a.telegram_id AND h.type = 'private' AND h.blocked_at IS NULL
		WHERE u.enabled AND u.id <> p_requester AND has_role(u.id, c.approver_role_id) LIMIT 50) h
$$;
COMMENT ON FUNCTION approver_chats(bigint, bigint) IS 'Private chats of those who may approve a run of this command';

CREATE OR REPLACE FUNCTION has_role(p_user bigint, p_role bigint) RETURNS boolean
LANGUAGE sql STABLE AS $$
	SELECT EXISTS (SELECT FROM user_role WHERE user_id = p_user AND role_id = p_role)
		OR EXISTS (SELECT FROM user_group_member m JOIN group_role g ON g.group_id = m.group_id WHERE m.user_id = p_user AND g.role_id = p_role)
$$;
COMMENT ON FUNCTION has_role(bigint, bigint) IS 'Whether a person has a role, own or by a group';

CREATE OR REPLACE FUNCTION pending_approve(p pending) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	until timestamptz := now() + pending_lifetime('approving');
	c command;
	words jsonb;
	keys jsonb;
	chats bigint[] := approver_chats(p.command_id, p.user_id);
	place bigint;
BEGIN
	SELECT * INTO c FROM command WHERE id = p.command_id;
	UPDATE pending SET state = 'approving', digest = command_digest(p.command_id, p.user_id, p.args), expires_at = until WHERE id = p.id RETURNING * INTO p;
	words := jsonb_build_object('request', p.id, 'line', p.line, 'name', user_name(p.user_id), 'needed', c.approvals,
		'role', (SELECT r.name FROM role r WHERE r.id = c.approver_role_id), 'digest', left(encode(p.digest, 'hex'), 8));
	keys := jsonb_build_object('inline_keyboard', jsonb_build_array(jsonb_build_array(
		button_json(say('button_approve'), button_make('approve', p.id, NULL, '', until, NULL)),
		button_json(say('button_reject'), button_make('reject', p.id, NULL, '', until, NULL)))));
	-- In a group the approvers read along; elsewhere they are written to.
	IF (SELECT h.type FROM chat h WHERE h.chat_id = p.chat_id) = 'private' THEN
		PERFORM chat_say(p.chat_id, p.thread_id, say(CASE WHEN cardinality(chats) > 0 THEN 'approval_waits' ELSE 'approval_nobody' END, words), NULL,
			p.message_id, p.update_id, NULL, NULL);
		FOREACH place IN ARRAY chats LOOP
			PERFORM prompt_say(p, place, 0, say('approval', words), command_resolved(p.command_id, p.args), say('approval_tail', words), keys);
		END LOOP;
	ELSE
		PERFORM prompt_say(p, p.chat_id, p.thread_id, say('approval', words), command_resolved(p.command_id, p.args), say('approval_tail', words), keys);
	END IF;
	PERFORM pending_note(p, 'approval asked', p.user_id, p.telegram_id, NULL);
END $$;
COMMENT ON FUNCTION pending_approve(pending) IS 'Shows a request in full to those who may approve it';

-- Rights are looked at each time anew: what was withdrawn, or changed, since the request began does not run.
CREATE OR REPLACE FUNCTION pending_go_on(p_id bigint) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	p pending;
	c command;
	made bigint;
BEGIN
	SELECT * INTO p FROM pending WHERE id = p_id FOR UPDATE;
	SELECT * INTO c FROM command WHERE id = p.command_id;
	IF NOT (c.enabled AND (SELECT u.enabled FROM app_user u WHERE u.id = p.user_id) AND may_run(p.user_id, c.id, p.chat_id, p.args)) THEN
		PERFORM pending_note(p, 'refused', p.user_id, p.telegram_id, NULL);
		DELETE FROM pending WHERE id = p.id;
		RETURN refusal_text(p.user_id, c.id, p.chat_id, p.args);
	ELSIF p.digest IS NOT NULL AND p.digest <> command_digest(p.command_id, p.user_id, p.args) THEN
		PERFORM pending_note(p, 'changed meanwhile', p.user_id, p.telegram_id, NULL);
		DELETE FROM pending WHERE id = p.id;
		RETURN say('pending_changed', jsonb_build_object('command', c.name));
	ELSIF files_wanted(p.args) THEN
		PERFORM pending_fetch(p);
	ELSIF c.dangerous AND NOT p.confirmed THEN
		PERFORM pending_confirm(p);
	ELSIF c.approvals > (SELECT count(*) FROM approval a WHERE a.pending_id = p.id) THEN
		PERFORM pending_approve(p);
	ELSE
		made := task_make(p);
		PERFORM pending_note(p, 'admitted', p.user_id, p.telegram_id, made);
	END IF;
	RETURN NULL;
END $$;
COMMENT ON FUNCTION pending_go_on(bigint) IS 'The next stage of a request whose arguments are complete: files, confirmation, approval, task. A text: why it ended instead';

-- Choices as buttons, two a row; whose conversation it is alone may press them.
CREATE OR REPLACE FUNCTION question_keys(p pending, q command_parameter, p_private boolean) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	choices text[] := CASE q.type WHEN 'choice' THEN choices_of(q) WHEN 'boolean' THEN ARRAY['true', 'false'] ELSE '{}' END;
	rows jsonb := '[]';
	last jsonb := '[]';
BEGIN
	-- Who is to type in a group is heard only when it is a reply.
	IF cardinality(choices) = 0 AND NOT p_private THEN
		RETURN '{"force_reply": true, "selective": true}';
	END IF;
	FOR i IN 1 .. least(cardinality(choices), 80) LOOP
		last := last || button_json(left(choices[i], 60), button_make('choice', p.id, p.telegram_id, choices[i], p.expires_at, NULL));
		IF i % 2 = 0 OR i = cardinality(choices) THEN
			rows := rows || jsonb_build_array(last);
			last := '[]';
		END IF;
	END LOOP;
	IF cardinality(p.answered) > 0 THEN
		last := last || button_json(say('button_back'), button_make('back', p.id, p.telegram_id, '', p.expires_at, NULL));
	END IF;
	last := last || button_json(say('button_cancel'), button_make('dismiss', p.id, p.telegram_id, '', p.expires_at, NULL));
	RETURN jsonb_build_object('inline_keyboard', rows || jsonb_build_array(last));
END $$;
COMMENT ON FUNCTION question_keys(pending, command_parameter, boolean) IS 'The keyboard of a question';

-- p_message: the question to be changed into the next one; 0: a new message.
CREATE OR REPLACE FUNCTION pending_ask(p_id bigint, p_complaint text, p_message bigint) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	p pending;
	q command_parameter;
	c_name text;
	question text;
	keys jsonb;
BEGIN
	UPDATE pending SET expires_at = now() + pending_lifetime('asking') WHERE id = p_id RETURNING * INTO p;
	SELECT x.* INTO q FROM command_parameter x WHERE x.command_id = p.command_id AND x.required AND NOT p.args ? x.name ORDER BY x.position LIMIT 1;
	SELECT c.name INTO c_name FROM command c WHERE c.id = p.command_id;
	IF q.name IS NULL THEN
		IF p_message <> 0 THEN
			PERFORM chat_edit(p.chat_id, p_message, p.line, NULL, p.update_id);
		END IF;
		RETURN pending_go_on(p.id);
	END IF;
	UPDATE pending SET asked = q.name WHERE id = p.id;
	DELETE FROM button WHERE pending_id = p.id;
	question := concat_ws(E'\n', nullif(p_complaint, ''), say('ask', jsonb_build_object('command', c_name, 'parameter', parameter_text(q))),
		CASE WHEN q.type = 'file' THEN say('ask_file') END);
	keys := question_keys(p, q, p.chat_id > 0);
	IF p_message <> 0 AND keys ? 'inline_keyboard' THEN
		PERFORM chat_edit(p.chat_id, p_message, question, keys, p.update_id);
	ELSE
		PERFORM chat_say(p.chat_id, p.thread_id, question, keys, p.message_id, p.update_id, NULL, NULL);
	END IF;
	RETURN NULL;
END $$;
COMMENT ON FUNCTION pending_ask(bigint, text, bigint) IS 'Asks for the next missing argument, or goes on when none is. A text: why it ended instead';

-- A last text takes the rest of the line as it stands; elsewhere what would be several words is quoted.
CREATE OR REPLACE FUNCTION line_with(p_line text, q command_parameter, p_value text) RETURNS text
LANGUAGE sql STABLE AS $$
	SELECT p_line || ' ' || q.name || '=' || CASE
		WHEN q.secret THEN '•••'
		WHEN q.type = 'text' AND NOT EXISTS (SELECT FROM command_parameter x WHERE x.command_id = q.command_id AND x.position > q.position AND x.type <> 'file') THEN p_value
		WHEN p_value = '' OR p_value ~ '[\s''"\\]' THEN word_quoted(p_value)
		ELSE p_value END
$$;
COMMENT ON FUNCTION line_with(text, command_parameter, text) IS 'A command line with one more argument, as it could have been typed';

-- Opens a request. The admission's person may see the command; arguments are complete for a run.
CREATE OR REPLACE FUNCTION pending_open(r admission) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	made bigint;
BEGIN
	IF r.action = 'ask' THEN
		-- One conversation at a time: a new one takes the place of an old one.
		DELETE FROM pending WHERE state = 'asking' AND telegram_id = r.from_id AND chat_id = r.chat_id AND thread_id = r.thread_id;
	END IF;
	INSERT INTO pending (state, user_id, telegram_id, chat_id, thread_id, message_id, update_id, command_id, args, line, expires_at)
	VALUES (CASE r.action WHEN 'ask' THEN 'asking' ELSE 'confirming' END, r.user_id, r.from_id, r.chat_id, r.thread_id, nullif(r.message_id, 0), r.update_id,
		r.command_id, r.args, r.line, now() + pending_lifetime('asking')) RETURNING id INTO made;
	RETURN CASE r.action WHEN 'ask' THEN pending_ask(made, '', 0) ELSE pending_go_on(made) END;
END $$;
COMMENT ON FUNCTION pending_open(admission) IS 'Begins a request that must be asked, confirmed or approved. A text: why it ended at once';

CREATE OR REPLACE FUNCTION pending_take(p_id bigint, p_value jsonb, p_message bigint) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	r record;
BEGIN
	SELECT x.args, x.complaint INTO r FROM pending p, args_resolve(p.user_id, p.command_id, jsonb_build_object(p.asked, p_value)) x WHERE p.id = p_id;
	IF r.complaint IS NOT NULL THEN
		RETURN pending_ask(p_id, r.complaint, 0);
	END IF;
	UPDATE pending p SET args = p.args || r.args, answered = p.answered || p.asked, line = line_with(p.line, q, args_masked(r.args) ->> q.name)
	FROM command_parameter q WHERE p.id = p_id AND q.command_id = p.command_id AND q.name = p.asked;
	RETURN pending_ask(p_id, '', p_message);
END $$;
COMMENT ON FUNCTION pending_take(bigint, jsonb, bigint) IS 'Takes an answer, which is what args_resolve() takes, and asks on';

CREATE OR REPLACE FUNCTION pending_asked(p_telegram bigint, p_chat bigint, p_thread bigint) RETURNS TABLE (command_id bigint, parameter text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
	SELECT p.command_id, p.asked FROM pending p
	WHERE p.state = 'asking' AND p.telegram_id = p_telegram AND p.chat_id = p_chat AND p.thread_id = p_thread AND p.expires_at > now()
$$;
COMMENT ON FUNCTION pending_asked(bigint, bigint, bigint) IS 'What a person is being asked for in a chat and topic; no row: nothing';

CREATE OR REPLACE FUNCTION pending_answer(r admission) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	p bigint;
BEGIN
	SELECT x.id INTO p FROM pending x
	WHERE x.state = 'asking' AND x.telegram_id = r.from_id AND x.chat_id = r.chat_id AND x.thread_id = r.thread_id AND x.expires_at > now() FOR UPDATE;
	IF EXISTS (SELECT FROM pending x JOIN command_parameter q ON q.command_id = x.command_id AND q.name = x.asked WHERE x.id = p AND q.secret) THEN
		PERFORM message_take_away(r);
	END IF;
	IF p IS NULL THEN
		RETURN CASE WHEN r.chat_type = 'private' THEN say('plain') END;
	ELSIF r.action = 'badanswer' THEN
		RETURN pending_ask(p, r.reply, 0);
	END IF;
	RETURN pending_take(p, r.extra::jsonb, 0);
END $$;
COMMENT ON FUNCTION pending_answer(admission) IS 'A person typed what was asked for (checked by who reads the line). A text to answer with; null: said already';

-- One of several who must agree. What is said to who decided; p_note: for the message whose button was pressed.
CREATE OR REPLACE FUNCTION pending_decide(p_user bigint, p_telegram bigint, p_id bigint, p_approve boolean, OUT toast text, OUT note text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	p pending;
	c command;
	words jsonb;
	trouble text;
BEGIN
	SELECT * INTO p FROM pending x WHERE x.id = p_id AND x.state = 'approving' AND x.expires_at > now() FOR UPDATE;
	SELECT * INTO c FROM command WHERE id = p.command_id;
	words := jsonb_build_object('request', p_id, 'line', p.line, 'name', user_name(p_user), 'command', c.name);
	IF p.id IS NULL THEN
		toast := say('approve_unknown', words);
	ELSIF p.user_id = p_user AND p_approve THEN
		toast := say('approve_own', words);
	ELSIF p.user_id <> p_user AND NOT has_role(p_user, c.approver_role_id) THEN
		-- Who may not decide does not learn what it is about.
		toast := say('approve_unknown', words);
	ELSIF NOT p_approve THEN
		PERFORM pending_note(p, 'rejected', p_user, p_telegram, NULL);
		DELETE FROM pending WHERE id = p.id;
		note := say('approval_rejected', words);
		toast := note;
		PERFORM chat_say(p.chat_id, p.thread_id, note, NULL, p.message_id, p.update_id, NULL, NULL);
	ELSIF EXISTS (SELECT FROM approval a WHERE a.pending_id = p.id AND a.user_id = p_user) THEN
		toast := say('approve_twice', words);
	ELSE
		INSERT INTO approval (pending_id, user_id) VALUES (p.id, p_user);
		PERFORM pending_note(p, 'approved', p_user, p_telegram, NULL);
		words := words || jsonb_build_object('have', (SELECT count(*) FROM approval a WHERE a.pending_id = p.id), 'needed', c.approvals,
			'names', (SELECT string_agg(user_name(a.user_id), ', ' ORDER BY a.approved_at) FROM approval a WHERE a.pending_id = p.id));
		note := say('approval_by', words);
		toast := note;
		IF (words ->> 'have')::integer >= c.approvals THEN
			trouble := pending_go_on(p.id);
			PERFORM chat_say(p.chat_id, p.thread_id, coalesce(trouble, say('approval_done', words)), NULL, p.message_id, p.update_id, NULL, NULL);
			note := coalesce(trouble, note);
			toast := note;
		END IF;
	END IF;
END $$;
COMMENT ON FUNCTION pending_decide(bigint, bigint, bigint, boolean) IS 'Approves or rejects a request; what is said to who did, and what its message becomes (null: it stays)';

-- A pressed button. The answer to the press: shown to who pressed, at most 200 characters; empty: nothing is said.
CREATE OR REPLACE FUNCTION press(r admission) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	b button;
	p pending;
	said text;
	note text;
BEGIN
	SELECT * INTO b FROM button x WHERE x.token = r.reply AND x.expires_at > now();
	IF b.token IS NULL THEN
		RETURN say('button_old');
	ELSIF b.telegram_id <> r.from_id THEN
		RETURN say('button_not_yours');
	END IF;
	SELECT * INTO p FROM pending x WHERE x.id = b.pending_id FOR UPDATE;
	IF b.pending_id IS NOT NULL AND (p.id IS NULL OR p.expires_at <= now()) THEN
		RETURN say('button_old');
	END IF;
	CASE b.kind
	WHEN 'command' THEN
		RETURN left(alert_press(r, b), 200);
	WHEN 'cancel' THEN
		RETURN left(coalesce(task_cancel(r.user_id, b.task_id), say('cancel_done', jsonb_build_object('task', b.task_id))), 200);
	WHEN 'approve', 'reject' THEN
		SELECT d.toast, d.note INTO said, note FROM pending_decide(r.user_id, r.from_id, p.id, b.kind = 'approve') d;
		IF note IS NOT NULL THEN
			-- As long as more must agree the buttons stay.
			PERFORM chat_edit(r.chat_id, r.message_id, concat_ws(E'\n', p.line, note),
				CASE WHEN EXISTS (SELECT FROM pending x WHERE x.id = p.id) THEN (SELECT jsonb_build_object('inline_keyboard', jsonb_build_array(jsonb_agg(
					button_json(say('button_' || k.kind), k.token) ORDER BY k.kind))) FROM button k WHERE k.pending_id = p.id) END, r.update_id);
		END IF;
		RETURN left(said, 200);
	WHEN 'dismiss' THEN
		PERFORM pending_note(p, 'dismissed', r.user_id, r.from_id, NULL);
		DELETE FROM pending WHERE id = p.id;
		PERFORM chat_edit(r.chat_id, r.message_id, p.line || E'\n\n' || say('dismissed'), NULL, r.update_id);
		RETURN '';
	WHEN 'choice' THEN
		said := pending_take(p.id, to_jsonb(b.value), r.message_id);
	WHEN 'back' THEN
		UPDATE pending SET args = args - answered[cardinality(answered)], answered = answered[: cardinality(answered) - 1],
			line = regexp_replace(line, ' ' || answered[cardinality(answered)] || '=.*$', '') WHERE id = p.id;
		said := pending_ask(p.id, '', r.message_id);
	WHEN 'run' THEN
		PERFORM pending_note(p, 'confirmed', r.user_id, r.from_id, NULL);
		UPDATE pending SET confirmed = true WHERE id = p.id;
		DELETE FROM button WHERE pending_id = p.id;
		PERFORM chat_edit(r.chat_id, r.message_id, p.line || E'\n\n' || say('confirmed'), NULL, r.update_id);
		said := pending_go_on(p.id);
	END CASE;
	IF said IS NOT NULL THEN
		PERFORM chat_say(r.chat_id, r.thread_id, said, NULL, r.message_id, r.update_id, NULL, NULL);
	END IF;
	RETURN '';
END $$;
COMMENT ON FUNCTION press(admission) IS 'What a pressed button does, checked against who pressed it';

-- The chats that an admission by itself may speak in beside its own, so that they are held in order beforehand.
CREATE OR REPLACE FUNCTION admission_chats(r admission) RETURNS bigint[]
LANGUAGE plpgsql STABLE AS $$
DECLARE
	p pending;
BEGIN
	CASE r.action
	WHEN 'cancel' THEN RETURN ARRAY(SELECT t.chat_id FROM task t WHERE t.id = number_of(r.extra));
	WHEN 'approve', 'reject' THEN SELECT * INTO p FROM pending x WHERE x.id = number_of(r.extra);
	WHEN 'callback' THEN SELECT x.* INTO p FROM button b JOIN pending x ON x.id = b.pending_id WHERE b.token = r.reply;
		RETURN p.chat_id || approver_chats(p.command_id, p.user_id) || ARRAY(SELECT t.chat_id FROM button b JOIN task t ON t.id = b.task_id WHERE b.token = r.reply)
			|| (SELECT approver_chats(b.command_id, r.user_id) FROM button b WHERE b.token = r.reply AND b.kind = 'command');
	WHEN 'run', 'ask' THEN RETURN approver_chats(r.command_id, r.user_id);
	WHEN 'answer' THEN RETURN (SELECT approver_chats(x.command_id, x.user_id) FROM pending x
		WHERE x.state = 'asking' AND x.telegram_id = r.from_id AND x.chat_id = r.chat_id AND x.thread_id = r.thread_id);
	ELSE RETURN '{}';
	END CASE;
	RETURN ARRAY[p.chat_id];
END $$;
COMMENT ON FUNCTION admission_chats(admission) IS 'Chats beside its own that an admission may write to';

-- Requests nobody answered. Only an approval, or a file, was waited for by somebody, who hears of it.
CREATE OR REPLACE FUNCTION pending_expire() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	p pending;
	over bigint[] := ARRAY(SELECT x.id FROM pending x WHERE x.expires_at < now() ORDER BY x.chat_id, x.id LIMIT 500);
BEGIN
	-- Not locked by the loop's own query: a chat that was written to for one request would be passed over for the next.
	PERFORM FROM chat h WHERE h.chat_id IN (SELECT x.chat_id FROM pending x WHERE x.id = ANY (over)) ORDER BY h.chat_id FOR UPDATE;
	FOR p IN SELECT * FROM pending x WHERE x.id = ANY (over) ORDER BY x.chat_id, x.id LOOP
		-- Who waited for the chat may find it answered, or given more time.
		DELETE FROM pending WHERE id = p.id AND expires_at < now();
		CONTINUE WHEN NOT FOUND;
		PERFORM pending_note(p, 'expired', p.user_id, p.telegram_id, NULL);
		IF p.state = 'approving' THEN
			PERFORM chat_say(p.chat_id, p.thread_id, say('approval_expired', jsonb_build_object('request', p.id, 'line', p.line)), NULL, p.message_id,
				p.update_id, NULL, NULL);
			PERFORM pg_notify('outbox', '');
		ELSIF p.state = 'fetching' THEN
			PERFORM chat_say(p.chat_id, p.thread_id, say('file_late') || E'\n' || say('file_not_run', jsonb_build_object('line', p.line)), NULL, p.message_id,
				p.update_id, NULL, NULL);
			PERFORM pg_notify('outbox', '');
		END IF;
	END LOOP;
	DELETE FROM button WHERE expires_at < now() - interval '1 day';
END $$;
COMMENT ON FUNCTION pending_expire() IS 'Ends requests whose time is over';
