-- The sender: takes operations from the outbox and settles what became of them.

CREATE OR REPLACE FUNCTION sender_lead() RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	e bigint;
BEGIN
	-- Held by the session: it ends with the connection, and a standby takes over.
	IF NOT pg_try_advisory_lock(hashtext('teleops.sender')) THEN
		RETURN NULL;
	END IF;
	UPDATE bot_status SET sender_epoch = sender_epoch + 1 RETURNING sender_epoch INTO e;
	UPDATE outbox SET taken_by = NULL WHERE taken_by IS NOT NULL;
	RETURN e;
END $$;
COMMENT ON FUNCTION sender_lead() IS 'Tries to become the one active sender; its epoch, or null while another is. What a former sender held waits again';

CREATE OR REPLACE FUNCTION outbox_take(p_epoch bigint, p_busy bigint[], p_limit integer)
RETURNS TABLE (id bigint, op text, chat_id bigint, seq bigint, thread_id bigint, reply_to bigint, text text, entities jsonb, markup jsonb,
	params jsonb, task_id bigint, update_id bigint, version integer, final boolean, message_id bigint, parts_sent integer, attempts integer, expires_s double precision,
	blocked boolean, created_at timestamptz)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
#variable_conflict use_column
BEGIN
	IF NOT EXISTS (SELECT FROM bot_status WHERE sender_epoch = p_epoch) THEN
		RAISE EXCEPTION USING ERRCODE = 'object_not_in_prerequisite_state', MESSAGE = 'another sender is active';
	END IF;
	-- A few a chat, so that one with a thousand messages does not fill the sender; a chat that has some in hand is left out.
	RETURN QUERY
	WITH front AS MATERIALIZED (
		SELECT o.id, o.chat_id FROM outbox o
		WHERE o.taken_by IS NULL AND o.wanted_version > o.sent_version
			AND (o.chat_id IS NULL OR o.seq IS NULL OR (o.op = 'live' AND (NOT o.final OR o.message_ids <> '{}'))
				OR o.chat_id <> ALL (p_busy)) ORDER BY o.id LIMIT p_limit * 4
	), chosen AS (
		SELECT f.id FROM (SELECT f.id, f.chat_id, row_number() OVER (PARTITION BY f.chat_id ORDER BY f.id) AS place FROM front f) f
		WHERE f.chat_id IS NULL OR f.place <= 8 ORDER BY f.id LIMIT p_limit
	), taken AS (
		UPDATE outbox o SET taken_by = p_epoch FROM chosen c WHERE o.id = c.id AND o.taken_by IS NULL RETURNING o.*
	)
	SELECT t.id, t.op, t.chat_id, t.seq, t.thread_id, t.reply_to, t.text, t.entities, t.markup, t.params, t.task_id, t.update_id,
		t.wanted_version, t.final, t.message_ids[1], t.parts_sent, t.attempts, extract(epoch FROM t.expires_at - clock_timestamp())::double precision,
		coalesce(h.blocked_at IS NOT NULL, false), t.created_at
	FROM taken t LEFT JOIN chat h ON h.chat_id = t.chat_id ORDER BY t.chat_id, t.seq, t.id;
END $$;
COMMENT ON FUNCTION outbox_take(bigint, bigint[], integer)
	IS 'Takes waiting operations for the active sender, in order within each chat, none of the chats given as busy';

CREATE OR REPLACE FUNCTION outbox_text(p_epoch bigint, p_id bigint) RETURNS TABLE (text text, entities jsonb, markup jsonb, version integer, final boolean)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
	SELECT coalesce((SELECT s.body FROM task t, hosts_shown(t.id, t.line) s WHERE t.id = o.task_id AND t.parked = 'hosts' AND o.op = 'live' AND NOT o.final), o.text),
		o.entities, o.markup, o.wanted_version, o.final FROM outbox o WHERE o.id = p_id AND o.taken_by = p_epoch
$$;
COMMENT ON FUNCTION outbox_text(bigint, bigint) IS 'What an operation taken says by now: only the newest is worth an edit';

CREATE OR REPLACE FUNCTION outbox_file(p_epoch bigint, p_id bigint) RETURNS TABLE (name text, body bytea, file_id bigint, size bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
	SELECT d.name, d.body, f.id, coalesce(f.size, octet_length(d.body)) FROM outbox_document d JOIN outbox o ON o.id = d.outbox_id
	LEFT JOIN file f ON f.id = d.file_id WHERE o.id = p_id AND o.taken_by = p_epoch
$$;
COMMENT ON FUNCTION outbox_file(bigint, bigint) IS 'The document of an operation taken, or the file whose parts file_part() has; no row: it has none';

-- outcome: sent (carried out, in the version given), part (one part of a long text sent, more follow), failed (tried, will be tried again),
-- dead (refused for good), blocked (the chat is closed to us: all that waits for it dies too), expired (too late, dropped),
-- moved (the chat is the one given as message id now), anew (the message to be edited is gone: another takes its place). again: something of it waits to be taken.
CREATE OR REPLACE FUNCTION outbox_settle(p_epoch bigint, p_id bigint[], p_outcome text[], p_version integer[], p_parts integer[], p_message_id bigint[],
	p_reason text[]) RETURNS TABLE (dead integer, again boolean)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
#variable_conflict use_column
DECLARE
	move record;
	undeleted outbox[];
BEGIN
	dead := 0;
	again := false;
	-- One that is being overwritten is waited for here: below it is either done or goes out again, by what it says then. Else the one
	-- part of the statement would find it changed, the other would not see that yet, and it would stay taken for ever.
	PERFORM FROM outbox o WHERE o.id = ANY (p_id) AND o.coalesce_key IS NOT NULL ORDER BY o.id FOR UPDATE;
	-- A message with a secret that Telegram does not let us delete; one that is gone is as good as deleted.
	SELECT array_agg(o ORDER BY o.chat_id, o.id) INTO undeleted FROM unnest(p_id, p_outcome, p_reason) AS r(id, outcome, reason) JOIN outbox o ON o.id = r.id
	WHERE o.op = 'delete_message' AND r.outcome = 'expired' AND r.reason ~ 'can''t be deleted';
	WITH r AS MATERIALIZED (
		SELECT * FROM unnest(p_id, p_outcome, p_version, p_parts, p_message_id, p_reason) AS r(id, outcome, version, parts, message_id, reason)
	), sent AS (
		DELETE FROM outbox o USING r
		WHERE o.id = r.id AND (r.outcome = 'expired' OR (r.outcome = 'sent' AND o.final AND o.wanted_version <= r.version))
		RETURNING o.id, o.op, o.task_id, r.outcome, coalesce(o.message_ids[1], r.message_id) AS message_id
	), shown AS (
		-- What comes later changes this message.
		UPDATE alert a SET message_id = coalesce(nullif(s.message_id, 0), a.message_id), outbox_id = NULL FROM sent s
		WHERE s.op = 'live' AND s.task_id IS NULL AND s.outcome = 'sent' AND a.outbox_id = s.id
	), detached AS (
		DELETE FROM outbox_document d USING sent s WHERE s.op = 'document' AND d.outbox_id = s.id
	), noted AS (
		UPDATE task_history h SET sent_at = clock_timestamp() FROM sent s
		WHERE h.id = s.task_id AND s.outcome = 'sent' AND h.sent_at IS NULL
	), stays AS (
		UPDATE outbox o SET sent_version = r.version, taken_by = NULL, attempts = 0,
			message_ids = CASE WHEN o.op = 'live' AND o.message_ids = '{}' AND r.message_id <> 0 THEN ARRAY[r.message_id] ELSE o.message_ids END
		FROM r WHERE o.id = r.id AND r.outcome = 'sent' AND NOT (o.final AND o.wanted_version <= r.version) RETURNING o.wanted_version > o.sent_version AS newer
	), anew AS (
		UPDATE outbox o SET message_ids = '{}', sent_version = 0, taken_by = NULL FROM r WHERE o.id = r.id AND r.outcome = 'anew'
	), kept AS (
		UPDATE outbox o SET parts_sent = CASE WHEN r.outcome = 'part' THEN r.parts ELSE o.parts_sent END,
			message_ids = CASE WHEN r.outcome = 'part' THEN o.message_ids || r.message_id ELSE o.message_ids END,
			attempts = CASE WHEN r.outcome = 'failed' THEN o.attempts + 1 ELSE o.attempts END,
			last_error = CASE WHEN r.outcome = 'failed' THEN r.reason ELSE o.last_error END
		FROM r WHERE o.id = r.id AND r.outcome IN ('part', 'failed')
	), shut AS (
		UPDATE chat h SET blocked_at = now() FROM outbox o, r
		WHERE o.id = r.id AND r.outcome = 'blocked' AND h.chat_id = o.chat_id RETURNING h.chat_id, r.reason
	), died AS (
		-- Only where a chat was closed is the outbox read for what else waits for it.
		DELETE FROM outbox o
		WHERE o.id IN (SELECT r.id FROM r WHERE r.outcome IN ('dead', 'blocked')
			UNION SELECT w.id FROM shut s, LATERAL (SELECT x.id FROM outbox x WHERE x.chat_id = s.chat_id AND x.taken_by IS NULL OFFSET 0) w)
		RETURNING o.*
	), buried AS (
		INSERT INTO outbox_dead (id, op, chat_id, thread_id, reply_to, text, entities, markup, params, task_id, update_id, parts_sent, message_ids,
			attempts, reason, created_at)
		SELECT d.id, d.op, d.chat_id, d.thread_id, d.reply_to, d.text, d.entities, d.markup, d.params, d.task_id, d.update_id, d.parts_sent, d.message_ids,
			d.attempts, coalesce((SELECT r.reason FROM r WHERE r.id = d.id), (SELECT s.reason FROM shut s WHERE s.chat_id = d.chat_id LIMIT 1), ''), d.created_at
		FROM died d WHERE d.op <> 'chat_action' RETURNING id
	)
	SELECT (SELECT count(*) FROM buried), EXISTS (SELECT FROM stays WHERE newer) OR 'anew' = ANY (p_outcome) INTO dead, again;
	FOR move IN SELECT s.* FROM unnest(undeleted) s JOIN chat h ON h.chat_id = s.chat_id WHERE h.blocked_at IS NULL LOOP
		PERFORM chat_say(move.chat_id, move.thread_id, say('secret_stays'), NULL, (move.params ->> 'message_id')::bigint, move.update_id, NULL, NULL);
		again := true;
	END LOOP;
	IF 'moved' = ANY (p_outcome) THEN
		FOR move IN SELECT DISTINCT o.chat_id AS old, r.message_id AS new FROM unnest(p_id, p_outcome, p_message_id) AS r(id, outcome, message_id)
				JOIN outbox o ON o.id = r.id WHERE r.outcome = 'moved' ORDER BY 1 LOOP
			PERFORM chat_migrate(move.old, move.new);
			again := true;
		END LOOP;
	END IF;
	RETURN NEXT;
END $$;
COMMENT ON FUNCTION outbox_settle(bigint, bigint[], text[], integer[], integer[], bigint[], text[])
	IS 'What became of operations taken; how many died, and whether something waits again';

CREATE OR REPLACE FUNCTION bot_seen(p_bot_id bigint, p_username text, p_name text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
	UPDATE bot_status SET seen_at = now();
	-- Only a change of name makes a new catalogue version: its trigger counts statements, not rows.
	IF EXISTS (SELECT FROM bot_status WHERE (bot_id, username, name) IS DISTINCT FROM (p_bot_id, p_username, p_name)) THEN
		UPDATE bot_status SET bot_id = p_bot_id, username = p_username, name = p_name;
	END IF;
END $$;
COMMENT ON FUNCTION bot_seen(bigint, text, text) IS 'Notes what getMe said';

CREATE OR REPLACE FUNCTION bot_webhook(p_info jsonb) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
	UPDATE bot_status SET webhook = p_info, webhook_at = clock_timestamp(), seen_at = clock_timestamp()
$$;
COMMENT ON FUNCTION bot_webhook(jsonb) IS 'Notes what getWebhookInfo said';

CREATE OR REPLACE FUNCTION bot_certificate(p_seen jsonb) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
	UPDATE bot_status SET certificate = p_seen, certificate_at = clock_timestamp()
$$;
COMMENT ON FUNCTION bot_certificate(jsonb) IS 'Notes which certificate the webhook''s address serves';
