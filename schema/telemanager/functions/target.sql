-- Targets: which engines are meant, and the one answer that is gathered of what they say. Parts (tasks with a parent) say nothing in a
-- chat themselves; whatever ends some calls task_gather() in the same transaction, so nothing has to be polled.

CREATE OR REPLACE FUNCTION glob_like(p_glob text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
	SELECT translate(regexp_replace(p_glob, '([\\%_])', '\\\1', 'g'), '*?', '%_')
$$;
COMMENT ON FUNCTION glob_like(text) IS 'A pattern with * and ? as LIKE has it';

CREATE OR REPLACE FUNCTION engine_matches(p_name text, p_labels text[], p_target text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
	SELECT count(*) > 0 AND coalesce(bool_or(p_name LIKE glob_like(w.word)) FILTER (WHERE strpos(w.word, '=') = 0), true)
		AND coalesce(bool_and(EXISTS (SELECT FROM unnest(p_labels) l WHERE l LIKE glob_like(w.word))) FILTER (WHERE strpos(w.word, '=') > 0), true)
	FROM unnest(string_to_array(p_target, ',')) AS w(word) WHERE w.word <> ''
$$;
COMMENT ON FUNCTION engine_matches(text, text[], text) IS 'Whether an engine is meant by web1, web*, env=staging or several with commas between: one of the names, and all of the labels';

CREATE OR REPLACE FUNCTION hosts_find(p_target text) RETURNS text[]
LANGUAGE sql STABLE AS $$
	SELECT array_agg(e.name ORDER BY e.name) FROM engine e WHERE e.lease_until > clock_timestamp() AND engine_matches(e.name, e.labels, p_target)
$$;
COMMENT ON FUNCTION hosts_find(text) IS 'Engines alive that a target means; null: none';

CREATE OR REPLACE FUNCTION hosts_within(p_hosts jsonb, p_allowed jsonb) RETURNS boolean
LANGUAGE sql STABLE AS $$
	SELECT jsonb_typeof(p_hosts) = 'array' AND jsonb_typeof(p_allowed) = 'array' AND NOT EXISTS (
		SELECT FROM jsonb_array_elements_text(p_hosts) AS h(name) WHERE NOT EXISTS (
			SELECT FROM engine e, jsonb_array_elements_text(p_allowed) AS a(target) WHERE e.name = h.name AND engine_matches(e.name, e.labels, a.target)))
$$;
COMMENT ON FUNCTION hosts_within(jsonb, jsonb) IS 'Whether each engine of a list is meant by one of the targets that a grant allows';

CREATE OR REPLACE FUNCTION args_of_host(p_args jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
	SELECT jsonb_object_agg(a.key, CASE WHEN jsonb_typeof(a.value) = 'array' THEN a.value -> 0 ELSE a.value END) FROM jsonb_each(p_args) a
$$;
COMMENT ON FUNCTION args_of_host(jsonb) IS 'Arguments of a part as its engine takes them: the target is its name';

CREATE OR REPLACE FUNCTION args_of_all(p_args jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
	SELECT coalesce(jsonb_object_agg(a.key, CASE WHEN jsonb_typeof(a.value) = 'array' THEN to_jsonb('{' || a.key || '}') ELSE a.value END), '{}') FROM jsonb_each(p_args) a
$$;
COMMENT ON FUNCTION args_of_all(jsonb) IS 'Arguments to be shown for all parts at once: the target stands as its {name}';

-- What a part printed is read once, when it ends: of that the message shows the head, and a digest tells which are alike.
CREATE OR REPLACE FUNCTION output_trimmed(p_output text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$ SELECT rtrim(p_output, E' \t\r\n') $$;
COMMENT ON FUNCTION output_trimmed(text) IS 'Output as it is shown: without what is empty at its end';

CREATE OR REPLACE FUNCTION output_head(p_output text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$ SELECT left(output_trimmed(p_output), 601) $$;
COMMENT ON FUNCTION output_head(text) IS 'So much of a part''s output as a gathered message may show, and a character more where there is more';

CREATE OR REPLACE FUNCTION output_digest(p_output text) RETURNS bytea
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$ SELECT sha256(convert_to(output_trimmed(p_output), 'UTF8')) $$;
COMMENT ON FUNCTION output_digest(text) IS 'The same for outputs that are shown once';

CREATE OR REPLACE FUNCTION hosts_of(p_parent bigint) RETURNS TABLE (id bigint, host text, state text, how text, took interval, head text, digest bytea)
LANGUAGE sql STABLE AS $$
	SELECT t.id, t.host, t.state, '', NULL, '', NULL FROM task t WHERE t.parent_id = p_parent
	UNION ALL
	SELECT h.id, h.host, h.state, ltrim(concat_ws(': ', CASE WHEN h.term_signal IS NOT NULL THEN say('how_signal', jsonb_build_object('signal', h.term_signal))
			WHEN h.exit_status > 0 THEN say('how_exit', jsonb_build_object('status', h.exit_status)) END, nullif(h.reason, '')), ', '),
		h.finished_at - h.started_at, coalesce(o.head, output_head(o.body), ''), coalesce(o.digest, output_digest(o.body))
	FROM task_history h LEFT JOIN task_output o ON o.task_id = h.id AND o.part = 0 WHERE h.parent_id = p_parent
	ORDER BY 2
$$;
COMMENT ON FUNCTION hosts_of(bigint) IS 'The parts of a task with a target, by host';

-- Counts, a line a host, and what they printed, each different text once. What would not fit into a message is cut.
CREATE OR REPLACE FUNCTION hosts_shown(p_parent bigint, p_line text, OUT body text, OUT cut boolean)
LANGUAGE sql STABLE AS $$
	WITH part AS MATERIALIZED (SELECT * FROM hosts_of(p_parent)),
	shown AS (
		SELECT string_agg(say('hosts_line', jsonb_build_object('host', p.host, 'state', p.state, 'how', CASE WHEN p.how = '' THEN '' ELSE ', ' || p.how END,
			'took', CASE WHEN p.took IS NULL THEN '' ELSE ', ' || duration_text(p.took) END)), E'\n' ORDER BY p.host) AS lines
		-- No more of them than can be seen.
		FROM (SELECT * FROM part x ORDER BY x.host LIMIT 200) p
	), alike AS (
		SELECT string_agg(p.host, ', ' ORDER BY p.host) AS hosts, min(p.head) AS head, count(*) AS many, min(p.host) AS first FROM part p WHERE p.head <> '' GROUP BY p.digest
	), said AS (
		SELECT string_agg(say('hosts_said', jsonb_build_object('hosts', left(a.hosts, 200), 'output', left(a.head, 600))), E'\n\n' ORDER BY a.many DESC, a.first) AS groups
		FROM (SELECT * FROM alike x ORDER BY x.many DESC, x.first LIMIT 200) a
	), whole AS (
		SELECT concat_ws(E'\n\n', say('hosts_head', jsonb_build_object('task', p_parent, 'line', left(p_line, 200), 'count', c.count, 'done', c.done, 'failed', c.failed,
			'running', c.running, 'waiting', c.waiting)) || E'\n' || s.lines, g.groups) AS text
		FROM shown s, said g, (SELECT count(*) AS count, count(*) FILTER (WHERE state = 'done') AS done, count(*) FILTER (WHERE state = 'queued') AS waiting,
			count(*) FILTER (WHERE state IN ('claimed', 'running', 'cancelling')) AS running,
			count(*) FILTER (WHERE state NOT IN ('done', 'queued', 'claimed', 'running', 'cancelling')) AS failed FROM part) c
	)
	SELECT left(w.text, 1900), length(w.text) > 1900 OR EXISTS (SELECT FROM part p WHERE length(p.head) > 600) FROM whole w
$$;
COMMENT ON FUNCTION hosts_shown(bigint, text) IS 'What is shown of a task with a target, and whether that lacks some of what its parts printed';

CREATE OR REPLACE FUNCTION hosts_logs(p_parent bigint) RETURNS text
LANGUAGE sql STABLE AS $$
	SELECT coalesce(string_agg(say('hosts_said', jsonb_build_object('hosts', a.hosts, 'output', output_trimmed(o.body))), E'\n\n' ORDER BY a.many DESC, a.first), '')
	FROM (SELECT string_agg(p.host, ', ' ORDER BY p.host) AS hosts, count(*) AS many, min(p.host) AS first, min(p.id) AS id
		FROM hosts_of(p_parent) p WHERE p.head <> '' GROUP BY p.digest) a JOIN task_output o ON o.task_id = a.id AND o.part = 0
$$;
COMMENT ON FUNCTION hosts_logs(bigint) IS 'All that the parts of a task printed, each different text once';

-- The caller holds the chats; here each parent is held, so that two engines that finish parts at once see each other.
CREATE OR REPLACE FUNCTION task_gather(p_parents bigint[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	t task;
	c command;
	rest bigint[];
	waves bigint[];
	ended text;
	shown text;
	cut boolean;
	logs text;
	said bigint;
	answers bigint;
	place bigint;
	h chat;
BEGIN
	FOR t IN SELECT * FROM task x WHERE x.id = ANY (p_parents) AND x.parked = 'hosts' ORDER BY x.id FOR UPDATE LOOP
		SELECT * INTO c FROM command WHERE id = t.command_id;
		-- What is looked at here does not grow with the number of parts that have ended: this runs at the end of each.
		IF c.stop_after IS NOT NULL AND (SELECT count(*) FROM (SELECT FROM task_history x WHERE x.parent_id = t.id AND x.state NOT IN ('done', 'cancelled')
				LIMIT c.stop_after) n) >= c.stop_after THEN
			SELECT array_agg(x.id) INTO rest FROM task x WHERE x.parent_id = t.id AND x.state = 'queued';
			IF rest IS NOT NULL THEN
				-- Which comes back here.
				PERFORM task_close(rest, 'cancelled', 'cancelled', 'stopped after failures', '{}');
				CONTINUE;
			END IF;
		END IF;
		waves := ARRAY(SELECT x.id FROM task x WHERE x.parent_id = t.id AND x.parked = 'wave' ORDER BY x.id LIMIT coalesce(c.at_once, 1));
		IF cardinality(waves) > 0 THEN
			waves := waves[:greatest(0, coalesce(c.at_once, 1) - (SELECT count(*) FROM task x WHERE x.parent_id = t.id AND x.parked <> 'wave'))];
			UPDATE task SET parked = '' WHERE id = ANY (waves);
			PERFORM pg_notify('task', '');
		END IF;

		IF NOT EXISTS (SELECT FROM task x WHERE x.parent_id = t.id) THEN
			SELECT CASE WHEN count(*) = 0 THEN 'done' WHEN t.cancelled_by IS NOT NULL OR bool_or(x.state = 'cancelled') THEN 'cancelled' ELSE 'failed' END
			INTO ended FROM task_history x WHERE x.parent_id = t.id AND x.state <> 'done';
			SELECT x.body, x.cut INTO shown, cut FROM hosts_shown(t.id, t.line) x;
			logs := hosts_logs(t.id);
			DELETE FROM task WHERE id = t.id;
			INSERT INTO task_history (id, state, attempt, queue, command_id, command_name, user_id, telegram_id, chat_id, thread_id, message_id, update_id,
				args, line, admitted_at, started_at, output_bytes)
			VALUES (t.id, ended, t.attempt, t.queue, t.command_id, coalesce(c.name, ''), t.user_id, t.telegram_id, t.chat_id, t.thread_id, t.message_id, t.update_id,
				args_masked(t.args), t.line, t.admitted_at, t.admitted_at, octet_length(logs));
			INSERT INTO audit_event (actor, user_id, telegram_id, chat_id, action, object, detail)
			VALUES ('engine', t.user_id, t.telegram_id, t.chat_id, ended, 'task ' || t.id, jsonb_build_object('line', t.line));
			IF c.logged THEN
				INSERT INTO task_output (task_id, body) SELECT t.id, logs WHERE logs <> '' ON CONFLICT DO NOTHING;
			ELSE
				DELETE FROM task_output o USING task_history x WHERE x.parent_id = t.id AND o.task_id = x.id;
			END IF;
		ELSE
			ended := NULL;
			shown := NULL;
		END IF;

		answers := answer_chat(t.command_id, t.chat_id, t.telegram_id);
		IF ended IS NOT NULL AND answers IS DISTINCT FROM t.chat_id THEN
			UPDATE chat x SET out_seq = x.out_seq + 1 WHERE x.chat_id = t.chat_id AND x.allowed AND x.blocked_at IS NULL RETURNING out_seq INTO place;
			INSERT INTO outbox (op, chat_id, seq, thread_id, reply_to, text, task_id, update_id)
			SELECT 'send', t.chat_id, place, t.thread_id, t.message_id, say(CASE WHEN answers IS NULL THEN 'answer_unreachable' ELSE 'answer_private' END,
				jsonb_build_object('task', t.id, 'name', user_name(t.user_id))), t.id, t.update_id WHERE place IS NOT NULL;
		END IF;
		-- One message, as live output has it: its first version takes a place in the chat, the others change it within the chat's budget.
		SELECT * INTO h FROM chat x WHERE x.chat_id = answers AND x.allowed AND x.blocked_at IS NULL;
		CONTINUE WHEN h.chat_id IS NULL;
		-- What it says meanwhile is made when the sender comes for it, in outbox_text(): that is as often as an edit may be sent, however many parts end.
		UPDATE outbox SET text = coalesce(shown, text), markup = CASE WHEN ended IS NULL THEN markup END, final = ended IS NOT NULL, wanted_version = wanted_version + 1
		WHERE coalesce_key = 'live ' || t.id;
		IF NOT FOUND THEN
			UPDATE chat SET out_seq = out_seq + 1 WHERE chat_id = h.chat_id RETURNING out_seq INTO place;
			INSERT INTO outbox (op, chat_id, seq, thread_id, reply_to, text, markup, task_id, update_id, coalesce_key, final)
			VALUES ('live', h.chat_id, place, CASE WHEN h.chat_id = t.chat_id THEN t.thread_id END, CASE WHEN h.type <> 'private' THEN t.message_id END,
				coalesce(shown, (SELECT x.body FROM hosts_shown(t.id, t.line) x)),
				CASE WHEN ended IS NULL THEN jsonb_build_object('inline_keyboard', jsonb_build_array(jsonb_build_array(button_json(say('button_cancel'),
					button_make('cancel', NULL, NULL, '', now() + interval '8 days', t.id))))) END,
				t.id, t.update_id, 'live ' || t.id, ended IS NOT NULL);
		END IF;
		IF ended IS NOT NULL THEN
			DELETE FROM button WHERE task_id = t.id;
			IF cut AND logs <> '' THEN
				UPDATE chat SET out_seq = out_seq + 1 WHERE chat_id = h.chat_id RETURNING out_seq INTO place;
				INSERT INTO outbox (op, chat_id, seq, thread_id, reply_to, text, task_id, update_id)
				VALUES ('document', h.chat_id, place, CASE WHEN h.chat_id = t.chat_id THEN t.thread_id END, CASE WHEN h.type <> 'private' THEN t.message_id END, '',
					t.id, t.update_id) RETURNING id INTO said;
				INSERT INTO outbox_document (outbox_id, name, body) VALUES (said, 'task-' || t.id || '.txt', convert_to(logs, 'UTF8'));
			END IF;
		END IF;
		PERFORM pg_notify('outbox', '');
	END LOOP;
END $$;
COMMENT ON FUNCTION task_gather(bigint[]) IS 'Parts of these tasks began or ended: shows it, lets the next ones begin, stops after too many failures, ends the task with its last part';

CREATE OR REPLACE FUNCTION hosts_gone() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	gone bigint[];
BEGIN
	IF NOT EXISTS (SELECT FROM task t WHERE t.parent_id IS NOT NULL AND t.state = 'queued') THEN
		RETURN;
	END IF;
	-- Engines before chats, as leases_expire(); one that comes back meanwhile waits in engine_step().
	PERFORM FROM engine e WHERE e.lease_until < clock_timestamp() AND e.name IN (SELECT t.host FROM task t WHERE t.parent_id IS NOT NULL AND t.state = 'queued')
	ORDER BY e.id FOR UPDATE;
	SELECT array_agg(t.id) INTO gone FROM task t
	WHERE t.parent_id IS NOT NULL AND t.state = 'queued' AND NOT EXISTS (SELECT FROM engine e WHERE e.name = t.host AND e.lease_until > clock_timestamp());
	IF gone IS NOT NULL THEN
		PERFORM task_close(gone, 'failed', 'lost', 'its engine has gone', '{}');
	END IF;
END $$;
COMMENT ON FUNCTION hosts_gone() IS 'Ends parts that wait for an engine that is not there any more';

-- The caller holds the chat and the parent.
CREATE OR REPLACE FUNCTION hosts_stop(p_user bigint, p_parent bigint) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
	waiting bigint[];
BEGIN
	IF EXISTS (SELECT FROM task t WHERE t.id = p_parent AND t.cancelled_by IS NOT NULL) THEN
		RETURN 'cancel_already';
	END IF;
	UPDATE task SET cancelled_by = p_user WHERE id = p_parent;
	UPDATE task SET state = 'cancelling', cancelled_by = p_user WHERE parent_id = p_parent AND state IN ('claimed', 'running');
	SELECT array_agg(t.id) INTO waiting FROM (SELECT x.id FROM task x WHERE x.parent_id = p_parent AND x.state = 'queued' ORDER BY x.id FOR UPDATE) t;
	PERFORM task_close(waiting, 'cancelled', 'cancelled', 'by ' || user_name(p_user), '{}');
	PERFORM pg_notify('cancel', '');
	RETURN 'cancelling';
END $$;
COMMENT ON FUNCTION hosts_stop(bigint, bigint) IS 'Ends all parts of a task; the name of the text that says so';
