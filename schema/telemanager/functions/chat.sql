-- Chats: which of them are answered, and what becomes of one that moves.

CREATE OR REPLACE FUNCTION chat_at_first(p_chat bigint, p_type text) RETURNS boolean
LANGUAGE sql STABLE AS $$
	SELECT p_type = 'private' OR (SELECT allow_new FROM chat_policy) OR EXISTS (SELECT FROM role_command x WHERE x.chat_id = p_chat)
$$;
COMMENT ON FUNCTION chat_at_first(bigint, text) IS 'Whether a chat that nobody has decided on is allowed: private ones, what a grant names, and where new ones are';

-- Of a command that is gone nobody knows any more whom its answers were for: the person alone.
CREATE OR REPLACE FUNCTION answer_chat(p_command bigint, p_chat bigint, p_person bigint) RETURNS bigint
LANGUAGE sql STABLE AS $$
	SELECT CASE WHEN p_chat = p_person OR EXISTS (SELECT FROM command c WHERE c.id = p_command AND c.answer = 'chat') THEN p_chat
		ELSE (SELECT h.chat_id FROM chat h WHERE h.chat_id = p_person AND h.type = 'private' AND h.blocked_at IS NULL) END
$$;
COMMENT ON FUNCTION answer_chat(bigint, bigint, bigint) IS 'Where a task''s answer goes: its chat, or its person''s private one; null: there, but they cannot be written to';

CREATE OR REPLACE FUNCTION answer_chats(p_command bigint, p_chat bigint, p_person bigint) RETURNS SETOF bigint
LANGUAGE sql STABLE AS $$
	SELECT p_chat UNION ALL
	SELECT p_person WHERE p_chat <> p_person AND NOT EXISTS (SELECT FROM command c WHERE c.id = p_command AND c.answer = 'chat')
$$;
COMMENT ON FUNCTION answer_chats(bigint, bigint, bigint) IS 'The chats that a task''s end is told in, to be held beforehand';

CREATE OR REPLACE FUNCTION config_apply_chat(p_chat bigint, p_allowed boolean) RETURNS void
LANGUAGE sql AS $$
	INSERT INTO chat (chat_id, type, allowed, decided_at)
	VALUES (p_chat, CASE WHEN p_chat < -1000000000000 THEN 'supergroup' ELSE 'group' END, p_allowed, now())
	ON CONFLICT (chat_id) DO UPDATE SET allowed = excluded.allowed, decided_at = excluded.decided_at
$$;
COMMENT ON FUNCTION config_apply_chat(bigint, boolean) IS 'Allows or forbids a group or channel, which the bot need not have seen yet';

CREATE OR REPLACE FUNCTION config_chat(p_chat text, p_allowed boolean) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
	number bigint := number_of(p_chat);
	last bigint;
BEGIN
	IF p_chat = 'new' THEN
		UPDATE chat_policy SET allow_new = p_allowed;
	ELSIF number IS NULL OR number = 0 THEN
		RETURN 'is not a chat''s number, nor new; teleops chat list shows them';
	ELSIF number > 0 THEN
		RETURN 'is a private chat: what a person may is a matter of roles';
	ELSE
		LOOP
			SELECT h.migrated_to INTO last FROM chat h WHERE h.chat_id = number;
			EXIT WHEN last IS NULL;
			number := last;
		END LOOP;
		PERFORM config_apply_chat(number, p_allowed);
	END IF;
	INSERT INTO audit_event (actor, chat_id, action, object) VALUES ('operator', number, CASE WHEN p_allowed THEN 'allowed' ELSE 'forbidden' END,
		'chat ' || coalesce(number::text, 'new'));
	RETURN NULL;
END $$;
COMMENT ON FUNCTION config_chat(text, boolean) IS 'For teleops chat allow and forbid: a number, or new for those to come. What is wrong with it; null: done';

CREATE OR REPLACE FUNCTION config_chats() RETURNS json
LANGUAGE sql STABLE AS $$
	SELECT json_build_object('new chats', (SELECT CASE WHEN allow_new THEN 'allowed' ELSE 'not allowed' END FROM chat_policy),
		'chats', coalesce(json_agg(json_build_object('chat', h.chat_id, 'type', h.type, 'title', h.title, 'allowed', h.allowed,
			'decided', date_trunc('second', h.decided_at), 'seen', date_trunc('second', h.created_at),
			'left', date_trunc('second', h.blocked_at)) ORDER BY h.title, h.chat_id), '[]'))
	FROM chat h WHERE h.type <> 'private' AND h.migrated_to IS NULL
$$;
COMMENT ON FUNCTION config_chats() IS 'For teleops chat list: groups and channels, and whether they are allowed';

-- A group became a supergroup under another id: all that waits for it, runs for it or is allowed in it follows.
CREATE OR REPLACE FUNCTION chat_migrate(p_old bigint, p_new bigint) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	base bigint;
	moved integer;
BEGIN
	IF p_new IS NULL OR p_old = p_new THEN
		RETURN;
	END IF;
	INSERT INTO chat (chat_id, type, title, allowed) SELECT x.id, 'supergroup', '', chat_at_first(p_old, 'supergroup') FROM unnest(ARRAY[p_old, p_new]) AS x(id)
	ORDER BY x.id ON CONFLICT DO NOTHING;
	PERFORM FROM chat WHERE chat_id IN (p_old, p_new) ORDER BY chat_id FOR UPDATE;
	SELECT n.out_seq INTO base FROM chat n WHERE n.chat_id = p_new;
	-- Messages of the group cannot be answered or edited from the supergroup.
	WITH turn AS (SELECT o.id, row_number() OVER (ORDER BY o.seq, o.id) AS place FROM outbox o WHERE o.chat_id = p_old AND o.seq IS NOT NULL)
	UPDATE outbox o SET chat_id = p_new, seq = base + t.place, taken_by = NULL, reply_to = NULL,
		message_ids = CASE WHEN o.op = 'live' THEN '{}' ELSE o.message_ids END, sent_version = CASE WHEN o.op = 'live' THEN 0 ELSE o.sent_version END,
		op = CASE WHEN o.op = 'edit' THEN 'send' ELSE o.op END, params = CASE WHEN o.op = 'edit' THEN NULL ELSE o.params END
	FROM turn t WHERE o.id = t.id;
	GET DIAGNOSTICS moved = ROW_COUNT;
	UPDATE outbox SET chat_id = p_new, taken_by = NULL WHERE chat_id = p_old;
	UPDATE chat n SET out_seq = n.out_seq + moved, allowed = CASE WHEN n.decided_at IS NULL THEN o.allowed ELSE n.allowed END,
		decided_at = coalesce(n.decided_at, o.decided_at), title = CASE WHEN n.title = '' THEN o.title ELSE n.title END, blocked_at = NULL
	FROM chat o WHERE n.chat_id = p_new AND o.chat_id = p_old;
	UPDATE chat SET migrated_to = p_new WHERE chat_id = p_old;
	UPDATE task SET chat_id = p_new, message_id = NULL WHERE chat_id = p_old;
	-- Of two conversations of one person in one place the one in the new chat is the later.
	DELETE FROM pending x USING pending y WHERE x.chat_id = p_old AND x.state = 'asking' AND y.chat_id = p_new AND y.state = 'asking'
		AND y.telegram_id = x.telegram_id AND y.thread_id = x.thread_id;
	UPDATE pending SET chat_id = p_new, message_id = NULL WHERE chat_id = p_old;
	UPDATE schedule SET chat_id = p_new WHERE chat_id = p_old;
	UPDATE hook SET chat_id = p_new WHERE chat_id = p_old;
	UPDATE alert SET chat_id = p_new, message_id = NULL WHERE chat_id = p_old;
	DELETE FROM role_command x WHERE x.chat_id = p_old AND EXISTS (SELECT FROM role_command y WHERE y.chat_id = p_new AND y.role_id = x.role_id
		AND y.command_id = x.command_id AND y.constraints = x.constraints AND (y.hours, y.timezone) = (x.hours, x.timezone));
	UPDATE role_command SET chat_id = p_new WHERE chat_id = p_old;
	INSERT INTO audit_event (actor, chat_id, action, object, detail) VALUES ('sender', p_new, 'migrated', 'chat ' || p_old, jsonb_build_object('to', p_new));
	PERFORM pg_notify('outbox', '');
END $$;
COMMENT ON FUNCTION chat_migrate(bigint, bigint) IS 'Follows a group to the supergroup it became: waiting messages, tasks, conversations, schedules, hooks, grants';
