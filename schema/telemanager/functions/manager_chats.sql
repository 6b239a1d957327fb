-- The pages of chats, of what waits to be sent, and of what could not be.

CREATE OR REPLACE FUNCTION manager_chats(p_visit jsonb, p jsonb) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
	PERFORM page_begin(p_visit);
	RETURN page_list(p, $q$ h.chat_id::text AS id, coalesce(nullif(h.title, ''), (SELECT user_name(a.user_id) FROM telegram_account a WHERE a.telegram_id = h.chat_id), h.chat_id::text) AS name,
			jsonb_build_object(h.type, true) AS is, h.allowed, h.blocked_at IS NOT NULL AS blocked, h.migrated_to IS NOT NULL AS migrated, h.type <> 'private' AND h.decided_at IS NULL AS undecided, page_time(h.created_at) AS created $q$,
		'chat h', '-created', '{"created": "h.created_at timestamptz, h.chat_id bigint"}',
		$q$ {"search": "(' ' || lower(h.title)) LIKE page_search($1 ->> 'search') OR h.chat_id = number_of($1 ->> 'search')", "type": "h.type = $1 ->> 'type'",
			"state": "CASE $1 ->> 'state' WHEN 'allowed' THEN h.allowed WHEN 'disallowed' THEN NOT h.allowed WHEN 'blocked' THEN h.blocked_at IS NOT NULL WHEN 'undecided' THEN h.type <> 'private' AND h.decided_at IS NULL END"} $q$)
		|| jsonb_build_object('allow_new', (SELECT y.allow_new FROM chat_policy y));
END $$;
COMMENT ON FUNCTION manager_chats(jsonb, jsonb) IS 'List of chats, the newest first';

CREATE OR REPLACE FUNCTION manager_chat(p_visit jsonb, p jsonb) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	h chat;
BEGIN
	PERFORM page_begin(p_visit);
	SELECT * INTO h FROM chat x WHERE x.chat_id = number_of(p ->> 'id');
	IF h.chat_id IS NULL THEN
		RETURN NULL;
	END IF;
	RETURN jsonb_build_object('id', h.chat_id::text, 'kind', 'chat', 'name', coalesce(nullif(h.title, ''), (SELECT user_name(a.user_id) FROM telegram_account a WHERE a.telegram_id = h.chat_id), h.chat_id::text),
		'is', jsonb_build_object(h.type, true), 'allowed', h.allowed, 'blocked', page_second(h.blocked_at), 'migrated_to', h.migrated_to::text, 'created', page_second(h.created_at), 'undecided', h.type <> 'private' AND h.decided_at IS NULL, 'decided', page_second(h.decided_at),
		'person', (SELECT jsonb_build_object('id', a.user_id, 'name', user_name(a.user_id)) FROM telegram_account a WHERE a.telegram_id = h.chat_id),
		'open', (SELECT page_count(count(*)) FROM (SELECT FROM task t WHERE t.chat_id = h.chat_id LIMIT 1001) x),
		'messages', (SELECT page_count(count(*)) FROM (SELECT FROM outbox o WHERE o.chat_id = h.chat_id AND o.wanted_version > o.sent_version LIMIT 1001) x),
		'requests', (SELECT page_count(count(*)) FROM (SELECT FROM pending n WHERE n.chat_id = h.chat_id LIMIT 1001) x),
		'schedules', (SELECT string_agg(s.name, ', ' ORDER BY s.name) FROM schedule s WHERE s.chat_id = h.chat_id),
		'grants', (SELECT string_agg(DISTINCT '/' || c.name || ' (' || r.name || ')', ', ') FROM role_command g JOIN command c ON c.id = g.command_id JOIN role r ON r.id = g.role_id WHERE g.chat_id = h.chat_id));
END $$;
COMMENT ON FUNCTION manager_chat(jsonb, jsonb) IS 'A chat for its page';

CREATE OR REPLACE FUNCTION manager_chat_act(p_visit jsonb, p jsonb) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	ids bigint[] := ARRAY(SELECT number_of(i) FROM jsonb_array_elements_text(p -> 'ids') i);
	act text := p ->> 'action';
	h chat;
	done text[] := '{}';
BEGIN
	IF NOT (p ->> 'confirmed')::boolean THEN
		RETURN jsonb_build_object('objects', (SELECT coalesce(jsonb_agg(jsonb_build_object('id', x.chat_id::text, 'name', coalesce(nullif(x.title, ''), x.chat_id::text), 'note', x.chat_id::text) ORDER BY x.chat_id), '[]')
			FROM chat x WHERE x.chat_id = ANY (ids)));
	END IF;
	IF p -> 'ids' ? 'new' AND act <> 'reopen' THEN
		UPDATE chat_policy y SET allow_new = (act = 'allow') WHERE y.allow_new <> (act = 'allow');
		IF FOUND THEN
			PERFORM page_record(p_visit, 'changed', 'chat new', jsonb_build_object('allowed', act <> 'allow'), jsonb_build_object('allowed', act = 'allow'));
		END IF;
		RETURN jsonb_build_object('flash', 'chats_new', 'done', jsonb_build_object('allowed', act = 'allow'));
	END IF;
	FOR h IN SELECT * FROM chat x WHERE x.chat_id = ANY (ids) AND CASE act WHEN 'allow' THEN NOT x.allowed OR (x.type <> 'private' AND x.decided_at IS NULL) WHEN 'disallow' THEN x.allowed ELSE x.blocked_at IS NOT NULL END ORDER BY x.chat_id FOR UPDATE LOOP
		UPDATE chat x SET decided_at = CASE act WHEN 'reopen' THEN x.decided_at ELSE now() END, allowed = CASE act WHEN 'allow' THEN true WHEN 'disallow' THEN false ELSE x.allowed END, blocked_at = CASE WHEN act <> 'reopen' THEN x.blocked_at END WHERE x.chat_id = h.chat_id;
		PERFORM page_record(p_visit, 'changed', 'chat ' || h.chat_id, jsonb_build_object('allowed', h.allowed, 'blocked', h.blocked_at IS NOT NULL),
			jsonb_build_object('allowed', CASE act WHEN 'allow' THEN true WHEN 'disallow' THEN false ELSE h.allowed END, 'blocked', h.blocked_at IS NOT NULL AND act <> 'reopen'));
		done := done || coalesce(nullif(h.title, ''), h.chat_id::text);
	END LOOP;
	RETURN jsonb_build_object('flash', 'chats_' || act, 'done', jsonb_build_object('count', cardinality(done), 'names', array_to_string(done[:10], ', ')));
END $$;
COMMENT ON FUNCTION manager_chat_act(jsonb, jsonb) IS 'Allows chats, takes that away, or tries those again that had closed to the bot';

-- What waits to be sent

CREATE OR REPLACE FUNCTION manager_messages(p_visit jsonb, p jsonb) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
	PERFORM page_begin(p_visit);
	RETURN page_list(p, $q$ o.id, o.id AS name, o.op, o.chat_id::text AS chat_id, (SELECT nullif(h.title, '') FROM chat h WHERE h.chat_id = o.chat_id) AS chat, left(o.text, 100) AS text, o.task_id,
			o.taken_by IS NOT NULL AS taken, o.wanted_version <= o.sent_version AS shown, nullif(o.attempts, 0) AS attempts, o.last_error AS error, page_second(o.created_at) AS created $q$,
		'outbox o', 'id', '{"id": "o.id bigint"}',
		$q$ {"chat": "o.chat_id = number_of($1 ->> 'chat')", "op": "o.op = $1 ->> 'op'",
			"state": "CASE $1 ->> 'state' WHEN 'failing' THEN o.attempts > 0 WHEN 'shown' THEN o.wanted_version <= o.sent_version ELSE o.wanted_version > o.sent_version END"} $q$);
END $$;
COMMENT ON FUNCTION manager_messages(jsonb, jsonb) IS 'List of what waits to be sent, the oldest first';

CREATE OR REPLACE FUNCTION manager_message_act(p_visit jsonb, p jsonb) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	ids bigint[] := ARRAY(SELECT number_of(i) FROM jsonb_array_elements_text(p -> 'ids') i);
	o outbox;
	n integer := 0;
BEGIN
	IF NOT (p ->> 'confirmed')::boolean THEN
		RETURN jsonb_build_object('objects', (SELECT coalesce(jsonb_agg(jsonb_build_object('id', x.id, 'name', x.op || ' ' || x.id, 'note', left(x.text, 100)) ORDER BY x.id), '[]') FROM outbox x WHERE x.id = ANY (ids)));
	END IF;
	-- What the sender has in its hands may have been sent; what shows a running task is its task's.
	FOR o IN DELETE FROM outbox x WHERE x.id = ANY (ids) AND x.taken_by IS NULL AND x.op <> 'live' RETURNING x.* LOOP
		INSERT INTO outbox_dead (id, op, chat_id, thread_id, reply_to, text, entities, markup, params, task_id, update_id, parts_sent, message_ids, attempts, reason, created_at)
		VALUES (o.id, o.op, o.chat_id, o.thread_id, o.reply_to, o.text, o.entities, o.markup, o.params, o.task_id, o.update_id, o.parts_sent, o.message_ids, o.attempts,
			'held back by ' || user_name((p_visit ->> 'user')::bigint), o.created_at);
		PERFORM page_record(p_visit, 'held back', 'message ' || o.id, jsonb_strip_nulls(jsonb_build_object('operation', o.op, 'chat', o.chat_id, 'task', o.task_id)));
		n := n + 1;
	END LOOP;
	RETURN jsonb_build_object('flash', 'messages_' || (p ->> 'action'), 'done', jsonb_build_object('count', n));
END $$;
COMMENT ON FUNCTION manager_message_act(jsonb, jsonb) IS 'Takes messages out of the outbox, to where what could not be sent is';

CREATE OR REPLACE FUNCTION manager_dead(p_visit jsonb, p jsonb) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
	PERFORM page_begin(p_visit);
	RETURN page_list(p, $q$ d.id, d.id AS name, d.op, d.chat_id::text AS chat_id, (SELECT nullif(h.title, '') FROM chat h WHERE h.chat_id = d.chat_id) AS chat,
			(SELECT h.blocked_at IS NOT NULL FROM chat h WHERE h.chat_id = d.chat_id) AS blocked, left(d.text, 100) AS text, d.task_id, d.reason, page_second(d.died_at) AS died $q$,
		'outbox_dead d', '-died', '{"died": "d.died_at timestamptz, d.id bigint"}',
		$q$ {"chat": "d.chat_id = number_of($1 ->> 'chat')", "op": "d.op = $1 ->> 'op'"} $q$);
END $$;
COMMENT ON FUNCTION manager_dead(jsonb, jsonb) IS 'List of what could not be sent, the newest first';

CREATE OR REPLACE FUNCTION manager_dead_act(p_visit jsonb, p jsonb) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	ids bigint[] := ARRAY(SELECT number_of(i) FROM jsonb_array_elements_text(p -> 'ids') i);
	d outbox_dead;
	place bigint;
	made bigint;
	n integer := 0;
	kept integer := 0;
BEGIN
	IF NOT (p ->> 'confirmed')::boolean THEN
		RETURN jsonb_build_object('objects', (SELECT coalesce(jsonb_agg(jsonb_build_object('id', x.id, 'name', x.op || ' ' || x.id, 'note', left(x.text, 100)) ORDER BY x.id), '[]') FROM outbox_dead x WHERE x.id = ANY (ids)));
	END IF;
	PERFORM FROM chat h WHERE h.chat_id IN (SELECT x.chat_id FROM outbox_dead x WHERE x.id = ANY (ids)) ORDER BY h.chat_id FOR UPDATE;
	FOR d IN SELECT * FROM outbox_dead x WHERE x.id = ANY (ids) ORDER BY x.id FOR UPDATE LOOP
		IF p ->> 'action' = 'again' THEN
			-- An answer to a press is of use for seconds; a message that showed a running task has lost it; a closed chat takes nothing.
			IF d.op NOT IN ('send', 'edit', 'document', 'set_commands', 'delete_message') OR EXISTS (SELECT FROM chat h WHERE h.chat_id = d.chat_id AND h.blocked_at IS NOT NULL) THEN
				kept := kept + 1;
				CONTINUE;
			END IF;
			place := NULL;
			IF d.op IN ('send', 'edit', 'document') THEN
				UPDATE chat h SET out_seq = h.out_seq + 1 WHERE h.chat_id = d.chat_id RETURNING h.out_seq INTO place;
			END IF;
			INSERT INTO outbox (op, chat_id, seq, thread_id, reply_to, text, entities, markup, params, task_id, update_id, parts_sent, message_ids, last_error)
			VALUES (d.op, d.chat_id, place, d.thread_id, d.reply_to, d.text, d.entities, d.markup, d.params, d.task_id, d.update_id, d.parts_sent, d.message_ids, d.reason) RETURNING id INTO made;
			UPDATE outbox_document f SET outbox_id = made WHERE f.outbox_id = d.id;
		ELSE
			DELETE FROM outbox_document f WHERE f.outbox_id = d.id;
		END IF;
		DELETE FROM outbox_dead x WHERE x.id = d.id;
		PERFORM page_record(p_visit, CASE p ->> 'action' WHEN 'again' THEN 'sent again' ELSE 'discarded' END, 'message ' || d.id,
			jsonb_strip_nulls(jsonb_build_object('operation', d.op, 'chat', d.chat_id, 'task', d.task_id, 'reason', d.reason)));
		n := n + 1;
	END LOOP;
	PERFORM pg_notify('outbox', '');
	RETURN jsonb_build_object('flash', 'dead_' || (p ->> 'action'), 'done', jsonb_build_object('count', n, 'kept', kept));
END $$;
COMMENT ON FUNCTION manager_dead_act(jsonb, jsonb) IS 'Sends again what could not be sent, in its chat''s turn, or discards it';

-- Requests that wait for a person

CREATE OR REPLACE FUNCTION manager_pending(p_visit jsonb, p jsonb) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
	PERFORM page_begin(p_visit);
	RETURN page_list(p || jsonb_build_object('filters', task_filters(p)), $q$ n.id, n.id AS name, jsonb_build_object(n.state, true) AS is, left(n.line, 200) AS line, c.name AS command, user_name(n.user_id) AS person,
			(SELECT u.login FROM app_user u WHERE u.id = n.user_id) AS login, n.chat_id::text AS chat_id, (SELECT nullif(h.title, '') FROM chat h WHERE h.chat_id = n.chat_id) AS chat,
			CASE WHEN n.state = 'asking' THEN n.asked END AS asked, CASE WHEN n.state = 'approving' THEN c.approvals::text END AS needed,
			(SELECT count(*) FROM approval a WHERE a.pending_id = n.id)::text AS have, (SELECT string_agg(user_name(a.user_id), ', ') FROM approval a WHERE a.pending_id = n.id) AS by,
			(SELECT r.name FROM role r WHERE r.id = c.approver_role_id AND n.state = 'approving') AS role, page_second(n.created_at) AS created, page_second(n.expires_at) AS expires $q$,
		'pending n JOIN command c ON c.id = n.command_id', 'created', '{"created": "n.created_at timestamptz, n.id bigint"}',
		$q$ {"state": "CASE WHEN $1 ->> 'state' = 'approving' THEN n.state = 'approving' ELSE n.state <> 'approving' END", "person": "n.user_id = ($1 ->> 'person')::bigint"} $q$);
END $$;
COMMENT ON FUNCTION manager_pending(jsonb, jsonb) IS 'List of requests that wait for a person, the oldest first';

CREATE OR REPLACE FUNCTION manager_pending_act(p_visit jsonb, p jsonb) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	ids bigint[] := ARRAY(SELECT number_of(i) FROM jsonb_array_elements_text(p -> 'ids') i);
	n pending;
	done integer := 0;
BEGIN
	IF NOT (p ->> 'confirmed')::boolean THEN
		RETURN jsonb_build_object('objects', (SELECT coalesce(jsonb_agg(jsonb_build_object('id', x.id, 'name', x.id::text, 'note', left(x.line, 100)) ORDER BY x.id), '[]') FROM pending x WHERE x.id = ANY (ids)));
	END IF;
	-- Chats before requests, as everywhere.
	PERFORM FROM chat h WHERE h.chat_id IN (SELECT x.chat_id FROM pending x WHERE x.id = ANY (ids)) ORDER BY h.chat_id FOR UPDATE;
	FOR n IN SELECT * FROM pending x WHERE x.id = ANY (ids) ORDER BY x.id FOR UPDATE LOOP
		DELETE FROM pending x WHERE x.id = n.id;
		PERFORM page_record(p_visit, 'withdrawn', 'request ' || n.id, jsonb_build_object('line', n.line, 'login', (SELECT u.login FROM app_user u WHERE u.id = n.user_id)));
		PERFORM chat_say(n.chat_id, n.thread_id, say('withdrawn', jsonb_build_object('request', n.id, 'line', n.line, 'by', user_name((p_visit ->> 'user')::bigint))), NULL, n.message_id, n.update_id, NULL, NULL);
		done := done + 1;
	END LOOP;
	PERFORM pg_notify('outbox', '');
	RETURN jsonb_build_object('flash', 'pending_withdraw', 'done', jsonb_build_object('count', done));
END $$;
COMMENT ON FUNCTION manager_pending_act(jsonb, jsonb) IS 'Withdraws requests; their chats are told';
