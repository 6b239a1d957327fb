-- Files: from a chat through the sender to an engine, and from an engine through the sender to a chat, a chunk at a time.

CREATE OR REPLACE FUNCTION file_most(q command_parameter) RETURNS bigint
LANGUAGE sql STABLE AS $$ SELECT least(q.maximum::bigint, setting_of('file_megabytes') * 1048576::bigint) $$;
COMMENT ON FUNCTION file_most(command_parameter) IS 'How many bytes a file for this parameter may have';

CREATE OR REPLACE FUNCTION file_complaint(q command_parameter, p_given jsonb) RETURNS text
LANGUAGE sql STABLE AS $$
	SELECT CASE WHEN (p_given ->> 'size')::bigint > file_most(q) THEN say('file_long', jsonb_build_object('parameter', q.name, 'name', p_given ->> 'name',
		'size', pg_size_pretty((p_given ->> 'size')::bigint), 'most', pg_size_pretty(file_most(q)))) END
$$;
COMMENT ON FUNCTION file_complaint(command_parameter, jsonb) IS 'What is wrong with a document given for a parameter; null: nothing that can be told before it is there';

CREATE OR REPLACE FUNCTION files_wanted(p_args jsonb) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$ SELECT p_args @? 'strict $.* ? (@.type() == "object" && exists (@.document))' $$;
COMMENT ON FUNCTION files_wanted(jsonb) IS 'Whether a document is among arguments that nobody has fetched yet';

-- TeleBot's {"document": Telegram's file_id, "name", "size"} becomes {"file": id, "name"}.
CREATE OR REPLACE FUNCTION pending_fetch(p pending) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	q command_parameter;
	made bigint;
BEGIN
	FOR q IN SELECT x.* FROM command_parameter x WHERE x.command_id = p.command_id AND x.type = 'file' AND p.args -> x.name ? 'document' ORDER BY x.position LOOP
		INSERT INTO file (name, pending_id) VALUES (p.args -> q.name ->> 'name', p.id) RETURNING id INTO made;
		INSERT INTO outbox (op, params, update_id)
		VALUES ('get_file', jsonb_build_object('file_id', p.args -> q.name ->> 'document', 'file', made, 'most', file_most(q)), p.update_id);
		p.args := p.args || jsonb_build_object(q.name, jsonb_build_object('file', made, 'name', p.args -> q.name ->> 'name'));
	END LOOP;
	UPDATE pending SET state = 'fetching', args = p.args, expires_at = now() + pending_lifetime('fetching') WHERE id = p.id;
	PERFORM pg_notify('outbox', '');
END $$;
COMMENT ON FUNCTION pending_fetch(pending) IS 'Has the documents of a request fetched; it goes on once they are there';

CREATE OR REPLACE FUNCTION file_put(p_epoch bigint, p_outbox bigint, p_part integer, p_body bytea) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	which bigint;
BEGIN
	SELECT (o.params ->> 'file')::bigint INTO which FROM outbox o WHERE o.id = p_outbox AND o.op = 'get_file' AND o.taken_by = p_epoch;
	-- Nobody may be waiting for it any more.
	IF NOT EXISTS (SELECT FROM file f WHERE f.id = which AND NOT f.complete AND f.pending_id IS NOT NULL FOR NO KEY UPDATE) THEN
		RETURN false;
	END IF;
	IF p_part = 0 THEN
		-- A download that begins anew.
		DELETE FROM file_chunk WHERE file_id = which;
	END IF;
	INSERT INTO file_chunk (file_id, part, body) VALUES (which, p_part, p_body) ON CONFLICT (file_id, part) DO UPDATE SET body = excluded.body;
	RETURN true;
END $$;
COMMENT ON FUNCTION file_put(bigint, bigint, integer, bytea) IS 'Keeps a part of what the active sender downloads for a row of the outbox; false: it is not wanted any more';

-- p_why: why it could not be had, a name in message_text without its file_; empty: it is there.
CREATE OR REPLACE FUNCTION file_end(p_epoch bigint, p_outbox bigint, p_why text, p_words text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	o outbox;
	f file;
	p pending;
	q text;
	said text;
BEGIN
	-- Chats before all else, as everywhere: what follows may write to its own and to approvers'.
	SELECT x.* INTO p FROM outbox w JOIN file y ON y.id = (w.params ->> 'file')::bigint JOIN pending x ON x.id = y.pending_id
	WHERE w.id = p_outbox AND w.op = 'get_file' AND w.taken_by = p_epoch;
	PERFORM FROM chat h WHERE h.chat_id = p.chat_id OR h.chat_id = ANY (approver_chats(p.command_id, p.user_id)) ORDER BY h.chat_id FOR UPDATE;
	DELETE FROM outbox x WHERE x.id = p_outbox AND x.op = 'get_file' AND x.taken_by = p_epoch RETURNING * INTO o;
	SELECT * INTO p FROM pending x WHERE x.id = p.id AND x.state = 'fetching' FOR UPDATE;
	IF o.id IS NULL OR p.id IS NULL THEN
		RETURN;
	END IF;
	IF p_why = '' THEN
		UPDATE file x SET complete = true, size = (SELECT coalesce(sum(octet_length(c.body)), 0) FROM file_chunk c WHERE c.file_id = x.id)
		WHERE x.id = (o.params ->> 'file')::bigint;
		IF NOT EXISTS (SELECT FROM file x WHERE x.pending_id = p.id AND NOT x.complete) THEN
			said := pending_go_on(p.id);
		END IF;
	ELSE
		SELECT * INTO f FROM file x WHERE x.id = (o.params ->> 'file')::bigint;
		SELECT a.key INTO q FROM jsonb_each(p.args) a WHERE a.value -> 'file' = to_jsonb(f.id);
		said := say('file_' || p_why, jsonb_build_object('parameter', q, 'name', f.name, 'words', p_words, 'most', pg_size_pretty((o.params ->> 'most')::bigint)))
			|| E'\n' || say('file_not_run', jsonb_build_object('line', p.line));
		PERFORM pending_note(p, 'file not fetched', p.user_id, p.telegram_id, NULL);
		DELETE FROM pending WHERE id = p.id;
	END IF;
	IF said IS NOT NULL THEN
		PERFORM chat_say(p.chat_id, p.thread_id, said, NULL, p.message_id, p.update_id, NULL, NULL);
	END IF;
	PERFORM pg_notify('outbox', '');
END $$;
COMMENT ON FUNCTION file_end(bigint, bigint, text, text) IS 'A download of the active sender has ended: its request goes on, or its person hears why it does not';

CREATE OR REPLACE FUNCTION file_part(p_epoch bigint, p_outbox bigint, p_part integer) RETURNS TABLE (body bytea)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
	SELECT c.body FROM outbox o JOIN outbox_document d ON d.outbox_id = o.id JOIN file_chunk c ON c.file_id = d.file_id
	WHERE o.id = p_outbox AND o.taken_by = p_epoch AND c.part = p_part
$$;
COMMENT ON FUNCTION file_part(bigint, bigint, integer) IS 'A part of what an operation taken sends';

-- -- engines

CREATE OR REPLACE FUNCTION task_file(p_engine bigint, p_epoch bigint, p_task bigint, p_file bigint, p_part integer) RETURNS TABLE (body bytea, last boolean)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
	SELECT coalesce(c.body, ''), NOT EXISTS (SELECT FROM file_chunk n WHERE n.file_id = f.id AND n.part > p_part)
	FROM task t JOIN file f ON f.id = p_file AND f.complete LEFT JOIN file_chunk c ON c.file_id = f.id AND c.part = p_part
	WHERE t.id = p_task AND t.engine_id = p_engine AND t.epoch = p_epoch
		AND EXISTS (SELECT FROM jsonb_each(t.args) a WHERE a.value -> 'file' = to_jsonb(p_file))
$$;
COMMENT ON FUNCTION task_file(bigint, bigint, bigint, bigint, integer) IS 'A part of a file among the arguments of a task that an engine holds, and whether it is the last; no row: there is no such file any more';

CREATE OR REPLACE FUNCTION result_put(p_engine bigint, p_epoch bigint, p_task bigint, p_attempt integer, p_number integer, p_name text, p_part integer,
	p_body bytea, p_last boolean) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	which bigint;
BEGIN
	IF NOT EXISTS (SELECT FROM task t WHERE t.id = p_task AND t.attempt = p_attempt AND t.engine_id = p_engine AND t.epoch = p_epoch) THEN
		RETURN false;
	END IF;
	INSERT INTO file AS f (name, task_id, attempt, number) VALUES (p_name, p_task, p_attempt, p_number)
	ON CONFLICT (task_id, attempt, number) DO UPDATE SET name = f.name RETURNING id INTO which;
	INSERT INTO file_chunk (file_id, part, body) VALUES (which, p_part, p_body) ON CONFLICT (file_id, part) DO UPDATE SET body = excluded.body;
	IF p_last THEN
		UPDATE file f SET complete = true, size = (SELECT sum(octet_length(c.body)) FROM file_chunk c WHERE c.file_id = f.id) WHERE f.id = which;
	END IF;
	RETURN true;
END $$;
COMMENT ON FUNCTION result_put(bigint, bigint, bigint, integer, integer, text, integer, bytea, boolean)
	IS 'Keeps a part of a file that a command left as its result; false: the task is not the caller''s any more';

-- The caller holds the chats.
CREATE OR REPLACE FUNCTION results_say(p_tasks bigint[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	r record;
	place bigint;
	made bigint;
BEGIN
	FOR r IN SELECT f.id, f.name, h.id AS task_id, h.host, h.thread_id, h.message_id, h.update_id, h.chat_id AS asked, c.chat_id, c.type
			FROM file f JOIN task_history h ON h.id = f.task_id AND h.attempt = f.attempt
			JOIN chat c ON c.chat_id = answer_chat(h.command_id, h.chat_id, h.telegram_id) AND c.allowed AND c.blocked_at IS NULL
			WHERE f.task_id = ANY (p_tasks) AND f.complete ORDER BY c.chat_id, f.task_id, f.number LOOP
		UPDATE chat SET out_seq = out_seq + 1 WHERE chat_id = r.chat_id RETURNING out_seq INTO place;
		INSERT INTO outbox (op, chat_id, seq, thread_id, reply_to, text, task_id, update_id)
		VALUES ('document', r.chat_id, place, CASE WHEN r.chat_id = r.asked THEN r.thread_id END, CASE WHEN r.type <> 'private' THEN r.message_id END,
			CASE WHEN r.host <> '' THEN say('file_of_host', jsonb_build_object('host', r.host)) ELSE '' END, r.task_id, r.update_id) RETURNING id INTO made;
		INSERT INTO outbox_document (outbox_id, name, body, file_id) VALUES (made, r.name, '', r.id);
	END LOOP;
END $$;
COMMENT ON FUNCTION results_say(bigint[]) IS 'Sends the files that tasks which have just ended left as their results';

-- --

-- What something still waits for stays: a task, a request, a message.
CREATE OR REPLACE FUNCTION files_forget() RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
	DELETE FROM file WHERE id IN (SELECT f.id FROM file f WHERE f.created_at < now() - interval '1 hour' * setting_of('file_hours')
		AND f.pending_id IS NULL
		AND NOT EXISTS (SELECT FROM task t WHERE t.id = f.task_id)
		AND NOT EXISTS (SELECT FROM task t, jsonb_each(t.args) a WHERE t.args @? 'strict $.* ? (@.type() == "object")' AND a.value -> 'file' = to_jsonb(f.id))
		AND NOT EXISTS (SELECT FROM outbox_document d JOIN outbox o ON o.id = d.outbox_id WHERE d.file_id = f.id)
		ORDER BY f.created_at LIMIT 1000)
$$;
COMMENT ON FUNCTION files_forget() IS 'Removes files that have been kept long enough';
