-- Engines: leases, claims, and how a task ends. The fencing token of a task is (engine, epoch, attempt).

-- Limits are counter rows. Who makes one smaller waits for it, in id order; who makes one larger (a claim) passes over one that is
-- being changed and looks again. So nobody waits in a circle.
CREATE OR REPLACE FUNCTION limits_leave(p_commands bigint[], p_queues text[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	c record;
BEGIN
	IF p_commands IS NOT NULL THEN
		FOR c IN SELECT k.id, n.many FROM command k JOIN (SELECT u.id, count(*) AS many FROM unnest(p_commands) AS u(id) GROUP BY 1) n ON n.id = k.id
				WHERE k.concurrency IS NOT NULL ORDER BY k.id FOR NO KEY UPDATE OF k LOOP
			UPDATE command k SET running = greatest(0, k.running - c.many) WHERE k.id = c.id;
			PERFORM limit_wake(c.id);
		END LOOP;
	END IF;
	IF p_queues IS NOT NULL THEN
		FOR c IN SELECT q.name, n.many FROM queue q JOIN (SELECT u.name, count(*) AS many FROM unnest(p_queues) AS u(name) GROUP BY 1) n ON n.name = q.name
				WHERE q.concurrency IS NOT NULL ORDER BY q.name FOR NO KEY UPDATE OF q LOOP
			UPDATE queue q SET running = greatest(0, q.running - c.many) WHERE q.name = c.name;
		END LOOP;
	END IF;
END $$;
COMMENT ON FUNCTION limits_leave(bigint[], text[]) IS 'Tasks of these commands and queues, one an element, run no more: counters, and who waited for the room';

CREATE OR REPLACE FUNCTION limit_wake(p_command bigint) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
	UPDATE task SET parked = '' WHERE id IN (SELECT t.id FROM task t WHERE t.command_id = p_command AND t.parked = 'limit'
		ORDER BY t.priority, t.turn_at, t.id LIMIT (SELECT greatest(0, k.concurrency - k.running) FROM command k WHERE k.id = p_command)
		FOR UPDATE SKIP LOCKED)
$$;
COMMENT ON FUNCTION limit_wake(bigint) IS 'As many parked tasks of a command as there is room for may be claimed again; the caller holds the command''s row';

-- Candidates whose commands have a limit: takes those there is room for and parks the rest. A command whose row somebody else holds is left out.
CREATE OR REPLACE FUNCTION limits_enter(p_engine bigint, p_epoch bigint, p_ids bigint[]) RETURNS bigint[]
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	c record;
	theirs bigint[];
	room integer;
	taken bigint[] := '{}';
BEGIN
	FOR c IN SELECT k.id, k.concurrency, k.running FROM command k
			WHERE k.id IN (SELECT t.command_id FROM task t WHERE t.id = ANY (p_ids)) ORDER BY k.id FOR NO KEY UPDATE SKIP LOCKED LOOP
		SELECT array_agg(t.id ORDER BY t.priority, t.turn_at, t.id) INTO theirs FROM task t WHERE t.id = ANY (p_ids) AND t.command_id = c.id;
		-- A limit that was taken away just now is none.
		room := greatest(0, coalesce(c.concurrency - c.running, cardinality(theirs)));
		UPDATE task t SET parked = 'limit' WHERE t.id = ANY (theirs[room + 1 :]);
		theirs := theirs[: room];
		UPDATE task t SET state = 'claimed', engine_id = p_engine, epoch = p_epoch, attempt = t.attempt + 1, claimed_at = now() WHERE t.id = ANY (theirs);
		UPDATE command k SET running = k.running + cardinality(theirs) WHERE k.id = c.id AND cardinality(theirs) > 0;
		taken := taken || theirs;
	END LOOP;
	RETURN taken;
END $$;
COMMENT ON FUNCTION limits_enter(bigint, bigint, bigint[]) IS 'Claims what the limits of its commands allow of these tasks, which the caller holds; parks what is too much';

CREATE OR REPLACE FUNCTION limits_recount() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	c record;
	n integer;
BEGIN
	FOR c IN SELECT k.id, k.running FROM command k WHERE k.concurrency IS NOT NULL ORDER BY k.id FOR NO KEY UPDATE SKIP LOCKED LOOP
		n := (SELECT count(*) FROM task t WHERE t.engine_id IS NOT NULL AND t.command_id = c.id);
		UPDATE command SET running = n WHERE id = c.id AND running <> n;
		PERFORM limit_wake(c.id);
	END LOOP;
	FOR c IN SELECT q.name FROM queue q WHERE q.concurrency IS NOT NULL ORDER BY q.name FOR NO KEY UPDATE SKIP LOCKED LOOP
		n := (SELECT count(*) FROM task t WHERE t.engine_id IS NOT NULL AND t.queue = c.name);
		UPDATE queue SET running = n WHERE name = c.name AND running <> n;
	END LOOP;
END $$;
COMMENT ON FUNCTION limits_recount() IS 'Counts what runs under each limit anew: a limit set while tasks ran may have missed some';

-- Moves tasks that no longer run into history and tells their chats; the one way in which a task ends without its engine.
CREATE OR REPLACE FUNCTION task_close(p_ids bigint[], p_state text, p_text text, p_reason text, p_words jsonb) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	closed integer;
	commands bigint[];
	queues text[];
	parents bigint[];
BEGIN
	PERFORM FROM chat h WHERE h.chat_id IN (SELECT a FROM task t, answer_chats(t.command_id, t.chat_id, t.telegram_id) a WHERE t.id = ANY (p_ids))
	ORDER BY h.chat_id FOR UPDATE;
	WITH gone AS (
		DELETE FROM task t WHERE t.id = ANY (p_ids) RETURNING t.*
	), kept AS (
		INSERT INTO task_history (id, state, attempt, queue, engine_id, command_id, command_name, user_id, telegram_id, chat_id, thread_id,
			message_id, update_id, args, line, admitted_at, claimed_at, started_at, reason, parent_id, host)
		SELECT g.id, p_state, g.attempt, g.queue, g.engine_id, g.command_id, coalesce(c.name, ''), g.user_id, g.telegram_id, g.chat_id, g.thread_id,
			g.message_id, g.update_id, args_masked(g.args), g.line, g.admitted_at, g.claimed_at, g.started_at, p_reason, g.parent_id, g.host
		FROM gone g LEFT JOIN command c ON c.id = g.command_id WHERE NOT g.internal
		RETURNING id, chat_id, thread_id, message_id, update_id, line, command_name, user_id, telegram_id, parent_id
	), turn AS (
		SELECT k.*, row_number() OVER (PARTITION BY k.chat_id ORDER BY k.id) AS place, count(*) OVER (PARTITION BY k.chat_id) AS many
		FROM kept k JOIN chat h ON h.chat_id = k.chat_id AND h.allowed WHERE k.parent_id IS NULL
	), lane AS (
		UPDATE chat h SET out_seq = h.out_seq + t.many FROM (SELECT DISTINCT chat_id, many FROM turn) t
		WHERE h.chat_id = t.chat_id RETURNING h.chat_id, h.out_seq - t.many AS base
	), told AS (
		INSERT INTO outbox (op, chat_id, seq, thread_id, text, task_id, update_id)
		SELECT 'send', t.chat_id, l.base + t.place, t.thread_id,
			say(p_text, p_words || jsonb_build_object('task', t.id, 'line', t.line, 'command', t.command_name)), t.id, t.update_id
		FROM turn t JOIN lane l USING (chat_id)
	), stilled AS (
		-- What was shown of it so far stays, without its button.
		UPDATE outbox o SET markup = NULL, final = true, wanted_version = o.wanted_version + 1 FROM kept k WHERE o.coalesce_key = 'live ' || k.id
	), unbuttoned AS (
		DELETE FROM button b USING kept k WHERE b.task_id = k.id
	), unparked AS (
		UPDATE task n SET parked = ''
		WHERE n.id IN (SELECT (SELECT min(w.id) FROM task w WHERE w.chat_id = g.chat_id AND w.command_id = g.command_id AND w.id <> ALL (p_ids))
			FROM gone g) AND n.parked = 'turn'
	), noted AS (
		INSERT INTO audit_event (actor, user_id, telegram_id, chat_id, action, object, detail)
		SELECT 'engine', k.user_id, k.telegram_id, k.chat_id, p_state, 'task ' || k.id, jsonb_build_object('line', k.line, 'reason', p_reason) FROM kept k
	)
	SELECT count(*), array_agg(g.command_id) FILTER (WHERE g.state <> 'queued'), array_agg(g.queue) FILTER (WHERE g.state <> 'queued'),
		array_agg(DISTINCT g.parent_id) FILTER (WHERE g.parent_id IS NOT NULL)
	INTO closed, commands, queues, parents FROM gone g;
	PERFORM limits_leave(commands, queues);
	IF parents IS NOT NULL THEN
		PERFORM task_gather(parents);
	END IF;
	IF closed > 0 THEN
		PERFORM pg_notify('outbox', ''), pg_notify('task', '');
	END IF;
	RETURN closed;
END $$;
COMMENT ON FUNCTION task_close(bigint[], text, text, text, jsonb)
	IS 'Ends tasks without a result of their own (lost, gone, cancelled): history, message to the chat (a name in message_text, with more words), audit';

CREATE OR REPLACE FUNCTION claims_give_back(p_engine bigint, p_before bigint) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	again bigint[];
	ended bigint[];
	stopped bigint[];
	commands bigint[];
	queues text[];
BEGIN
	-- Chats before tasks, as everywhere.
	PERFORM FROM chat h WHERE h.chat_id IN (SELECT t.chat_id FROM task t WHERE t.engine_id = p_engine AND t.epoch < p_before) ORDER BY h.chat_id FOR UPDATE;
	SELECT array_agg(t.id) FILTER (WHERE t.state <> 'cancelling' AND coalesce(c.idempotent, false) AND t.attempt < c.max_attempts),
		array_agg(t.id) FILTER (WHERE t.state <> 'cancelling' AND NOT (coalesce(c.idempotent, false) AND t.attempt < c.max_attempts)),
		array_agg(t.id) FILTER (WHERE t.state = 'cancelling')
	INTO again, ended, stopped
	FROM (SELECT * FROM task WHERE engine_id = p_engine AND epoch < p_before ORDER BY id FOR UPDATE) t
	LEFT JOIN command c ON c.id = t.command_id;
	IF again IS NOT NULL THEN
		WITH back AS (
			UPDATE task SET state = 'queued', engine_id = NULL, epoch = NULL, claimed_at = NULL, started_at = NULL,
				not_before = now() + interval '1 second' * least(60, power(2, attempt - 1))
			WHERE id = ANY (again) RETURNING command_id, queue)
		SELECT array_agg(b.command_id), array_agg(b.queue) INTO commands, queues FROM back b;
		PERFORM limits_leave(commands, queues);
		PERFORM pg_notify('task', '');
	END IF;
	IF ended IS NOT NULL THEN
		PERFORM task_close(ended, 'lost', 'lost', 'engine went away', '{}');
	END IF;
	IF stopped IS NOT NULL THEN
		PERFORM task_close(stopped, 'cancelled', 'lost', 'engine went away while it was being cancelled', '{}');
	END IF;
	RETURN coalesce(cardinality(again), 0) + coalesce(cardinality(ended), 0) + coalesce(cardinality(stopped), 0);
END $$;
COMMENT ON FUNCTION claims_give_back(bigint, bigint) IS 'Claims of an engine from before an epoch: idempotent ones are queued again, others are lost and told';

CREATE OR REPLACE FUNCTION engine_start(p_name text, p_boot text, p_pid integer, p_queues text[], p_slots integer, p_programs text[],
	p_labels text[] DEFAULT '{}')
RETURNS TABLE (engine_id bigint, epoch bigint, wait_ms integer)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
#variable_conflict use_column
DECLARE
	e engine;
BEGIN
	INSERT INTO engine (name) VALUES (p_name) ON CONFLICT DO NOTHING;
	SELECT * INTO e FROM engine WHERE name = p_name FOR UPDATE;
	-- On the same host and boot the caller holds the lock file, which proves that the former process and its commands are gone.
	IF e.stopped_at IS NULL AND e.lease_until > clock_timestamp() AND e.boot <> p_boot THEN
		RETURN QUERY SELECT NULL::bigint, NULL::bigint, (extract(epoch FROM e.lease_until - clock_timestamp()) * 1000)::integer + 1;
		RETURN;
	END IF;
	UPDATE engine SET epoch = engine.epoch + 1, boot = p_boot, pid = p_pid, queues = p_queues, slots = p_slots, programs = p_programs, labels = p_labels,
		started_at = clock_timestamp(), lease_until = clock_timestamp() + interval '15 seconds', stopped_at = NULL
	WHERE id = e.id RETURNING * INTO e;
	PERFORM claims_give_back(e.id, e.epoch);
	RETURN QUERY SELECT e.id, e.epoch, 0;
END $$;
COMMENT ON FUNCTION engine_start(text, text, integer, text[], integer, text[], text[])
	IS 'Takes an engine''s name: a new epoch, and what the former one left is given back. While another host holds the name: nulls and the time to wait';

CREATE OR REPLACE FUNCTION engine_stop(p_engine bigint, p_epoch bigint) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
	UPDATE engine SET stopped_at = clock_timestamp(), lease_until = clock_timestamp(), epoch = engine.epoch + 1
	WHERE id = p_engine AND engine.epoch = p_epoch;
	IF FOUND THEN
		PERFORM claims_give_back(p_engine, p_epoch + 1);
	END IF;
END $$;
COMMENT ON FUNCTION engine_stop(bigint, bigint) IS 'Gives the lease up in good order';

CREATE OR REPLACE FUNCTION engine_describe(p_engine bigint, p_epoch bigint, p_queues text[], p_slots integer, p_programs text[],
	p_labels text[] DEFAULT '{}') RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
	UPDATE engine SET queues = p_queues, slots = p_slots, programs = p_programs, labels = p_labels WHERE id = p_engine AND epoch = p_epoch
$$;
COMMENT ON FUNCTION engine_describe(bigint, bigint, text[], integer, text[], text[]) IS 'What an engine serves and offers, after its settings changed';

CREATE OR REPLACE FUNCTION engine_resume(p_engine bigint, p_epoch bigint, p_known bigint[]) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	commands bigint[];
	queues text[];
BEGIN
	IF NOT EXISTS (SELECT FROM engine WHERE id = p_engine AND epoch = p_epoch FOR UPDATE) THEN
		RETURN -1;
	END IF;
	WITH back AS (
		UPDATE task SET state = 'queued', engine_id = NULL, epoch = NULL, claimed_at = NULL, attempt = attempt - 1
		WHERE engine_id = p_engine AND epoch = p_epoch AND state = 'claimed' AND id <> ALL (p_known) RETURNING command_id, queue)
	SELECT array_agg(b.command_id), array_agg(b.queue) INTO commands, queues FROM back b;
	PERFORM limits_leave(commands, queues);
	-- Cancelled before this engine heard of it: nothing of it ever ran.
	PERFORM task_close(ARRAY[t.id], 'cancelled', 'cancelled', 'before it ran', jsonb_build_object('by', user_name(t.cancelled_by)))
	FROM task t WHERE t.engine_id = p_engine AND t.epoch = p_epoch AND t.state = 'cancelling' AND t.started_at IS NULL AND t.id <> ALL (p_known);
	RETURN coalesce(cardinality(commands), 0);
END $$;
COMMENT ON FUNCTION engine_resume(bigint, bigint, bigint[])
	IS 'After a reconnect: claims the engine does not know of were never started and are queued again. -1: the epoch is over, call engine_start';

-- One message a task: the first time it takes its place in its chat, later only its text changes.
CREATE OR REPLACE FUNCTION tasks_live(p_engine bigint, p_epoch bigint, p_ids bigint[], p_text text[], p_entities text[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	fresh bigint[];
	n record;
	place bigint;
BEGIN
	WITH shown AS (
		SELECT u.id, u.text, u.entities FROM unnest(p_ids, p_text, p_entities) AS u(id, text, entities)
		JOIN task t ON t.id = u.id AND t.engine_id = p_engine AND t.epoch = p_epoch AND t.parent_id IS NULL
	), changed AS (
		UPDATE outbox o SET text = s.text, entities = nullif(s.entities, '')::jsonb, wanted_version = o.wanted_version + 1
		FROM shown s WHERE o.coalesce_key = 'live ' || s.id AND NOT o.final RETURNING s.id
	)
	SELECT array_agg(s.id) INTO fresh FROM shown s WHERE s.id NOT IN (SELECT c.id FROM changed c);
	IF fresh IS NOT NULL THEN
		PERFORM FROM chat h WHERE h.chat_id IN (SELECT a FROM task t, answer_chats(t.command_id, t.chat_id, t.telegram_id) a WHERE t.id = ANY (fresh))
		ORDER BY h.chat_id FOR UPDATE;
		FOR n IN SELECT t.id, h.chat_id, CASE WHEN h.chat_id = t.chat_id THEN t.thread_id END AS thread_id, t.message_id, t.update_id, u.text, u.entities, h.type
				FROM task t JOIN unnest(p_ids, p_text, p_entities) AS u(id, text, entities) ON u.id = t.id
				JOIN chat h ON h.chat_id = answer_chat(t.command_id, t.chat_id, t.telegram_id) AND h.blocked_at IS NULL WHERE t.id = ANY (fresh) ORDER BY h.chat_id, t.id LOOP
			UPDATE chat SET out_seq = out_seq + 1 WHERE chat_id = n.chat_id RETURNING out_seq INTO place;
			INSERT INTO outbox (op, chat_id, seq, thread_id, reply_to, text, entities, markup, task_id, update_id, coalesce_key, final)
			VALUES ('live', n.chat_id, place, n.thread_id, CASE WHEN n.type <> 'private' THEN n.message_id END, n.text, nullif(n.entities, '')::jsonb,
				jsonb_build_object('inline_keyboard', jsonb_build_array(jsonb_build_array(button_json(say('button_cancel'),
					button_make('cancel', NULL, NULL, '', now() + interval '8 days', n.id))))),
				n.id, n.update_id, 'live ' || n.id, false)
			ON CONFLICT (coalesce_key) WHERE coalesce_key IS NOT NULL DO NOTHING;
		END LOOP;
	END IF;
	PERFORM pg_notify('outbox', '');
END $$;
COMMENT ON FUNCTION tasks_live(bigint, bigint, bigint[], text[], text[]) IS 'Shows what running tasks have printed so far';

-- One queue's next tasks for an engine, at most p_want. NULL elements never; busy: a counter was being changed by somebody else.
CREATE OR REPLACE FUNCTION queue_claim(p_engine bigint, p_epoch bigint, p_queue text, p_want integer, OUT claimed bigint[], OUT busy boolean)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	seen bigint[] := '{}';
	free bigint[];
	limited bigint[];
	most integer;
	paused boolean;
	room integer := p_want;
BEGIN
	claimed := '{}';
	busy := false;
	SELECT q.concurrency, q.paused_at IS NOT NULL INTO most, paused FROM queue q WHERE q.name = p_queue;
	IF paused THEN
		RETURN;
	END IF;
	IF most IS NOT NULL THEN
		room := NULL;
		SELECT least(p_want, q.concurrency - q.running) INTO room FROM queue q WHERE q.name = p_queue FOR NO KEY UPDATE SKIP LOCKED;
		busy := room IS NULL;
	END IF;
	-- More than once only where limits left some of the candidates out; bounded, the rest is for the next look.
	FOR i IN 1 .. 20 LOOP
		EXIT WHEN coalesce(room, 0) <= 0;
		WITH next AS MATERIALIZED (
			SELECT t.id, t.command_id FROM task t
			WHERE t.queue = p_queue AND t.state = 'queued' AND t.parked = '' AND t.not_before <= now() AND t.id <> ALL (seen)
			ORDER BY t.priority, t.turn_at, t.id LIMIT room FOR UPDATE SKIP LOCKED
		), taken AS (
			UPDATE task t SET state = 'claimed', engine_id = p_engine, epoch = p_epoch, attempt = t.attempt + 1, claimed_at = now()
			FROM next n LEFT JOIN command c ON c.id = n.command_id WHERE t.id = n.id AND c.concurrency IS NULL RETURNING t.id
		)
		SELECT (SELECT array_agg(k.id) FROM taken k), (SELECT array_agg(n.id) FROM next n WHERE n.id NOT IN (SELECT k.id FROM taken k))
		INTO free, limited;
		claimed := claimed || coalesce(free, '{}');
		room := room - coalesce(cardinality(free), 0);
		EXIT WHEN limited IS NULL;
		free := limits_enter(p_engine, p_epoch, limited);
		claimed := claimed || free;
		room := room - cardinality(free);
		busy := busy OR EXISTS (SELECT FROM task t WHERE t.id = ANY (limited) AND t.state = 'queued' AND t.parked = '');
		seen := seen || limited;
	END LOOP;
	IF most IS NOT NULL AND cardinality(claimed) > 0 THEN
		UPDATE queue q SET running = q.running + cardinality(claimed) WHERE q.name = p_queue;
	END IF;
END $$;
COMMENT ON FUNCTION queue_claim(bigint, bigint, text, integer) IS 'Claims the next tasks of a queue, in order, within the limits of queue and commands';

CREATE OR REPLACE FUNCTION command_call(c command) RETURNS jsonb
LANGUAGE sql STABLE AS $$
	SELECT CASE WHEN c.kind IN ('sql', 'http') THEN jsonb_build_object('connection', c.connection, 'statement', c.statement, 'writes', c.writes,
		'row_limit', c.row_limit, 'method', c.method, 'path', c.path, 'headers', c.headers, 'body', c.body, 'expect', to_jsonb(c.expect),
		'pointer', c.pointer, 'types', coalesce((SELECT jsonb_object_agg(p.name, p.type) FROM command_parameter p WHERE p.command_id = c.id), '{}')) END
$$;
COMMENT ON FUNCTION command_call(command) IS 'What a command of kind sql or http asks, for the engine; null for others';

-- One round trip of an engine: results in, claims out. Arrays run parallel, a finished task an element; "" and -1 stand for none.
-- A row of the answer: what = claim (a task to run), cancel (end this one; person: who asked), again (somebody else was at a limit: look
-- again soon), fenced (the epoch is over: start again).
CREATE OR REPLACE FUNCTION engine_step(p_engine bigint, p_epoch bigint, p_extend boolean, p_want integer, p_started bigint[],
	p_live bigint[], p_live_text text[], p_live_entities text[],
	p_task bigint[], p_attempt integer[], p_state text[], p_exit integer[], p_signal integer[], p_reason text[],
	p_started_at timestamptz[], p_finished_at timestamptz[], p_text text[], p_entities text[], p_document text[],
	p_output text[], p_output_bytes bigint[], p_output_cut boolean[])
RETURNS TABLE (what text, task_id bigint, attempt integer, kind text, command text, program text, argv_template text[], template text, args jsonb,
	timeout_s integer, grace_s integer, output_limit integer, idempotent boolean, logged boolean, long_running boolean, line text, login text, person text,
	telegram_id bigint, chat_id bigint, thread_id bigint, message_id bigint, update_id bigint, admitted_at timestamptz, internal boolean, call jsonb)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
#variable_conflict use_column
DECLARE
	alive boolean;
	paused boolean;
	claimed bigint[] := '{}';
	busy boolean := false;
	gone bigint[];
	denied bigint[];
	turns bigint[];
	commands bigint[];
	limited text[];
	lists jsonb;
	parents bigint[];
	one record;
	one_queue text;
BEGIN
	IF p_extend THEN
		UPDATE engine e SET lease_until = clock_timestamp() + interval '15 seconds' WHERE e.id = p_engine AND e.epoch = p_epoch
		RETURNING e.paused_at IS NOT NULL INTO paused;
		alive := FOUND;
	ELSE
		SELECT e.paused_at IS NOT NULL INTO paused FROM engine e WHERE e.id = p_engine AND e.epoch = p_epoch FOR SHARE;
		alive := FOUND;
	END IF;

	IF cardinality(p_started) > 0 THEN
		UPDATE task t SET state = 'running', started_at = clock_timestamp()
		WHERE t.id = ANY (p_started) AND t.state = 'claimed' AND t.engine_id = p_engine AND t.epoch = p_epoch;
		-- "typing" lasts five seconds in a chat; later it is of no use.
		INSERT INTO outbox (op, chat_id, thread_id, params, task_id, update_id, expires_at, coalesce_key)
		SELECT DISTINCT ON (t.chat_id, t.thread_id) 'chat_action', t.chat_id, t.thread_id, '{"action": "typing"}'::jsonb, t.id, t.update_id,
			now() + interval '5 seconds', format('typing %s %s', t.chat_id, t.thread_id)
		FROM task t WHERE t.id = ANY (p_started) AND t.engine_id = p_engine AND t.epoch = p_epoch AND NOT t.internal AND t.parent_id IS NULL ORDER BY t.chat_id, t.thread_id, t.id
		ON CONFLICT (coalesce_key) WHERE coalesce_key IS NOT NULL DO NOTHING;
		IF FOUND THEN
			PERFORM pg_notify('outbox', '');
		END IF;
	END IF;
	IF cardinality(p_live) > 0 THEN
		PERFORM tasks_live(p_engine, p_epoch, p_live, p_live_text, p_live_entities);
	END IF;

	IF cardinality(p_task) > 0 THEN
		-- Same order everywhere: chats by id, then tasks.
		PERFORM FROM chat h WHERE h.chat_id IN (SELECT a FROM task t, answer_chats(t.command_id, t.chat_id, t.telegram_id) a WHERE t.id = ANY (p_task))
		ORDER BY h.chat_id FOR UPDATE;
		WITH result AS MATERIALIZED (
			SELECT * FROM unnest(p_task, p_attempt, p_state, p_exit, p_signal, p_reason, p_started_at, p_finished_at, p_text, p_entities,
				p_document, p_output, p_output_bytes, p_output_cut) AS r(id, attempt, state, exit_status, term_signal, reason, started_at, finished_at,
				text, entities, document, output, output_bytes, output_cut)
		), moved AS (
			-- By its number: the index of what an engine holds is full of what it held before.
			DELETE FROM task t USING result r
			WHERE t.id = r.id AND t.attempt = r.attempt AND t.engine_id IS NOT DISTINCT FROM p_engine AND t.epoch = p_epoch AND t.state <> 'queued'
			RETURNING t.*, r.state AS ended, r.exit_status, r.term_signal, r.reason, r.started_at AS began, r.finished_at, r.text, r.entities,
				r.document, r.output, r.output_bytes, r.output_cut
		), kept AS (
			INSERT INTO task_history (id, state, attempt, queue, engine_id, command_id, command_name, user_id, telegram_id, chat_id, thread_id,
				message_id, update_id, args, line, admitted_at, claimed_at, started_at, finished_at, exit_status, term_signal, reason, output_bytes, output_cut,
				parent_id, host)
			SELECT m.id, m.ended, m.attempt, m.queue, p_engine, m.command_id, coalesce(c.name, ''), m.user_id, m.telegram_id, m.chat_id, m.thread_id,
				m.message_id, m.update_id, CASE WHEN m.args @? '$.*.*' THEN args_masked(m.args) ELSE m.args END, m.line, m.admitted_at, m.claimed_at,
				m.began, coalesce(m.finished_at, now()), nullif(m.exit_status, -1), nullif(m.term_signal, -1), m.reason, m.output_bytes, m.output_cut,
				m.parent_id, m.host
			FROM moved m LEFT JOIN command c ON c.id = m.command_id WHERE NOT m.internal
		), saved AS (
			INSERT INTO task_output (task_id, body, head, digest)
			SELECT m.id, v.output, CASE WHEN m.parent_id IS NOT NULL THEN output_head(v.output) END, CASE WHEN m.parent_id IS NOT NULL THEN output_digest(v.output) END
			FROM moved m JOIN command c ON c.id = m.command_id,
				-- What a part says is gathered from here, and goes with the gathering where nothing is to be kept.
				LATERAL (SELECT CASE WHEN m.output = '' AND m.parent_id IS NOT NULL THEN m.text ELSE m.output END AS output) v
			WHERE v.output <> '' AND (c.logged OR m.parent_id IS NOT NULL) AND NOT m.internal
			ON CONFLICT DO NOTHING
		), answer AS (
			SELECT m.id, m.chat_id, m.thread_id, m.message_id, m.update_id, m.command_id, m.user_id, m.text, m.entities, m.document, m.finished_at,
				-- Asked only where it is not plain: a call costs more than the rest of its row.
				CASE WHEN m.chat_id = m.telegram_id OR c.answer = 'chat' THEN m.chat_id ELSE answer_chat(m.command_id, m.chat_id, m.telegram_id) END AS place
			FROM moved m LEFT JOIN command c ON c.id = m.command_id WHERE m.text <> '' AND NOT m.internal AND m.parent_id IS NULL
		), said AS (
			SELECT a.id, a.place AS chat_id, CASE WHEN a.place = a.chat_id THEN a.thread_id END AS thread_id, a.message_id, a.update_id, a.text, a.entities,
				a.document, a.command_id, a.finished_at, false AS note
			FROM answer a WHERE a.place IS NOT NULL
			UNION ALL
			-- What is for one person alone: the chat hears that it is there, not what it is.
			SELECT a.id, a.chat_id, a.thread_id, a.message_id, a.update_id, say(CASE WHEN a.place IS NULL THEN 'answer_unreachable' ELSE 'answer_private' END,
				jsonb_build_object('task', a.id, 'name', user_name(a.user_id))), '', '', a.command_id, a.finished_at, true
			FROM answer a WHERE a.place IS DISTINCT FROM a.chat_id
		), speaks AS (
			SELECT s.*, row_number() OVER (PARTITION BY s.chat_id ORDER BY s.finished_at, s.id) AS place, count(*) OVER (PARTITION BY s.chat_id) AS many FROM said s
		), live AS (
			-- What was shown while it ran becomes its end; a document follows it.
			UPDATE outbox o SET text = s.text, entities = nullif(s.entities, '')::jsonb, markup = NULL, final = true, wanted_version = o.wanted_version + 1
			FROM speaks s WHERE o.coalesce_key = 'live ' || s.id AND NOT s.note RETURNING s.id
		), unbuttoned AS (
			DELETE FROM button b USING live v WHERE b.task_id = v.id
		), lane AS (
			UPDATE chat h SET out_seq = h.out_seq + s.many FROM (SELECT DISTINCT chat_id, many FROM speaks) s
			WHERE h.chat_id = s.chat_id RETURNING h.chat_id, h.out_seq - s.many AS base, h.type
		), told AS (
			INSERT INTO outbox (op, chat_id, seq, thread_id, reply_to, text, entities, task_id, update_id)
			SELECT CASE WHEN s.document = '' THEN 'send' ELSE 'document' END, s.chat_id, l.base + s.place, s.thread_id,
				CASE WHEN l.type <> 'private' THEN s.message_id END, CASE WHEN v.id IS NULL THEN s.text ELSE '' END,
				CASE WHEN v.id IS NULL THEN nullif(s.entities, '')::jsonb END, s.id, s.update_id
			FROM speaks s JOIN lane l ON l.chat_id = s.chat_id LEFT JOIN live v ON v.id = s.id AND NOT s.note
			WHERE v.id IS NULL OR s.document <> '' ORDER BY s.chat_id, s.place
			RETURNING id, task_id, op
		), attached AS (
			INSERT INTO outbox_document (outbox_id, name, body)
			SELECT o.id, 'task-' || s.id || CASE WHEN c.kind = 'sql' THEN '.csv' ELSE '.txt' END, convert_to(s.document, 'UTF8')
			FROM told o JOIN speaks s ON s.id = o.task_id AND NOT s.note LEFT JOIN command c ON c.id = s.command_id WHERE o.op = 'document'
		), noted AS (
			INSERT INTO audit_event (actor, user_id, telegram_id, chat_id, action, object, detail)
			SELECT 'engine', m.user_id, m.telegram_id, m.chat_id, m.ended, 'task ' || m.id,
				jsonb_strip_nulls(jsonb_build_object('line', m.line, 'exit', nullif(m.exit_status, -1), 'signal', nullif(m.term_signal, -1), 'reason', nullif(m.reason, '')))
			FROM moved m WHERE NOT m.internal
		)
		SELECT (SELECT array_agg(r.id) FROM result r WHERE NOT EXISTS (SELECT FROM moved m WHERE m.id = r.id)),
			(SELECT array_agg(m.command_id) FROM moved m JOIN command c ON c.id = m.command_id WHERE c.concurrency IS NOT NULL),
			(SELECT array_agg(m.queue) FROM moved m JOIN queue q ON q.name = m.queue WHERE q.concurrency IS NOT NULL),
			(SELECT jsonb_agg(jsonb_build_object('command_id', m.command_id, 'error', left(CASE WHEN m.output_cut THEN 'more than its output_limit' ELSE m.text END, 300),
				'printed', CASE WHEN m.ended = 'done' AND NOT m.output_cut THEN CASE c.kind WHEN 'text' THEN m.text ELSE m.output END END))
				FROM moved m JOIN command c ON c.id = m.command_id WHERE m.internal),
			(SELECT array_agg(DISTINCT m.parent_id) FROM moved m WHERE m.parent_id IS NOT NULL),
			-- The statement's snapshot still shows the task that just ended, so it is left out by id.
			(SELECT array_agg(n.id) FROM task n WHERE n.parked = 'turn' AND n.id IN (SELECT (SELECT min(w.id) FROM task w
				WHERE w.chat_id = m.chat_id AND w.command_id = m.command_id AND w.id <> ALL (p_task)) FROM moved m))
		INTO gone, commands, limited, lists, parents, turns;
		-- Few commands are ordered, and an update that changes nothing has its triggers all the same.
		IF turns IS NOT NULL THEN
			UPDATE task n SET parked = '' WHERE n.parked = 'turn' AND n.id = ANY (turns);
		END IF;
		IF lists IS NOT NULL THEN
			PERFORM choices_store(lists);
		END IF;
		PERFORM limits_leave(commands, limited);
		IF EXISTS (SELECT FROM file f WHERE f.task_id = ANY (p_task)) THEN
			PERFORM results_say(ARRAY(SELECT x.id FROM unnest(p_task) AS x(id) WHERE x.id <> ALL (coalesce(gone, '{}'))));
		END IF;
		IF parents IS NOT NULL THEN
			PERFORM task_gather(parents);
		END IF;
		IF gone IS NOT NULL THEN
			PERFORM task_late(p_engine, gone, p_task, p_attempt, p_state, p_exit, p_signal, p_text, p_output, p_output_bytes, p_output_cut);
		END IF;
		PERFORM pg_notify('outbox', '');
	END IF;

	-- The first parts of a task begin: its message, with the button that ends it, is there before the first of them ends.
	IF cardinality(p_started) > 0 THEN
		SELECT array_agg(DISTINCT t.parent_id) INTO parents FROM task t
		WHERE t.id = ANY (p_started) AND t.parent_id IS NOT NULL AND NOT EXISTS (SELECT FROM outbox o WHERE o.coalesce_key = 'live ' || t.parent_id);
		IF parents IS NOT NULL THEN
			PERFORM FROM chat h WHERE h.chat_id IN (SELECT a FROM task t, answer_chats(t.command_id, t.chat_id, t.telegram_id) a WHERE t.id = ANY (parents))
			ORDER BY h.chat_id FOR UPDATE;
			PERFORM task_gather(parents);
		END IF;
	END IF;

	IF NOT alive THEN
		RETURN QUERY SELECT 'fenced', NULL::bigint, NULL::integer, NULL, NULL, NULL, NULL::text[], NULL, NULL::jsonb, NULL::integer, NULL::integer,
			NULL::integer, NULL::boolean, NULL::boolean, NULL::boolean, NULL, NULL, NULL, NULL::bigint, NULL::bigint, NULL::bigint, NULL::bigint, NULL::bigint,
			NULL::timestamptz, NULL::boolean, NULL::jsonb;
		RETURN;
	END IF;

	IF p_want > 0 AND NOT paused THEN
		FOREACH one_queue IN ARRAY (SELECT ('@' || e.name) || e.queues FROM engine e WHERE e.id = p_engine) LOOP
			EXIT WHEN cardinality(claimed) >= p_want;
			SELECT * INTO one FROM queue_claim(p_engine, p_epoch, one_queue, p_want - cardinality(claimed));
			claimed := claimed || one.claimed;
			busy := busy OR one.busy;
		END LOOP;
		-- Rights are looked at again: what was withdrawn meanwhile does not run.
		SELECT array_agg(t.id) FILTER (WHERE c.id IS NULL OR NOT c.enabled),
			-- As may_run() has it; a call for each task would cost more.
			array_agg(t.id) FILTER (WHERE c.enabled AND NOT t.internal AND NOT (u.enabled
				AND EXISTS (SELECT FROM grants_that_fit(t.user_id, t.command_id, t.chat_id, t.args)) AND coalesce(h.allowed, true)))
		INTO gone, denied
		FROM task t LEFT JOIN command c ON c.id = t.command_id LEFT JOIN app_user u ON u.id = t.user_id LEFT JOIN chat h ON h.chat_id = t.chat_id
		WHERE t.id = ANY (claimed);
		IF gone IS NOT NULL THEN
			PERFORM task_close(gone, 'refused', 'gone', 'command removed or switched off', '{}');
		END IF;
		IF denied IS NOT NULL THEN
			PERFORM task_close(denied, 'refused', 'refused', 'right withdrawn', '{}');
		END IF;
		RETURN QUERY SELECT 'claim', t.id, t.attempt, c.kind, c.name, c.program, c.args, c.template,
			CASE WHEN t.parent_id IS NULL THEN t.args ELSE args_of_host(t.args) END,
			c.timeout_s, c.grace_s, c.output_limit, c.idempotent, c.logged, c.long_running, t.line, coalesce(u.login, ''),
			coalesce(nullif(trim(u.first_name || ' ' || u.last_name), ''), u.login, ''),
			t.telegram_id, t.chat_id, t.thread_id, t.message_id, t.update_id, t.admitted_at, t.internal,
			CASE WHEN c.kind IN ('sql', 'http') THEN command_call(c) END
		FROM task t JOIN command c ON c.id = t.command_id LEFT JOIN app_user u ON u.id = t.user_id
		WHERE t.id = ANY (claimed) ORDER BY t.priority, t.turn_at, t.id;
	END IF;
	RETURN QUERY SELECT CASE WHEN t.id IS NULL THEN 'again' ELSE 'cancel' END, t.id, t.attempt, NULL, NULL, NULL, NULL::text[], NULL, NULL::jsonb,
		NULL::integer, NULL::integer, NULL::integer, NULL::boolean, NULL::boolean, NULL::boolean, NULL, NULL, user_name(t.cancelled_by),
		NULL::bigint, NULL::bigint, NULL::bigint, NULL::bigint, NULL::bigint, NULL::timestamptz, NULL::boolean, NULL::jsonb
	FROM (SELECT x.id, x.attempt, x.cancelled_by FROM task x WHERE x.engine_id = p_engine AND x.state = 'cancelling'
		UNION ALL SELECT NULL, NULL, NULL WHERE busy) t;
END $$;
COMMENT ON FUNCTION engine_step(bigint, bigint, boolean, integer, bigint[], bigint[], text[], text[], bigint[], integer[], text[], integer[], integer[], text[],
	timestamptz[], timestamptz[], text[], text[], text[], text[], bigint[], boolean[])
	IS 'One round trip of an engine: extends its lease, notes starts, finishes tasks (only while the fencing token holds), claims the next';

CREATE OR REPLACE FUNCTION task_late(p_engine bigint, p_ids bigint[], p_task bigint[], p_attempt integer[], p_state text[], p_exit integer[], p_signal integer[],
	p_text text[], p_output text[], p_output_bytes bigint[], p_output_cut boolean[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	r record;
	place bigint;
BEGIN
	FOR r IN SELECT x.*, h.chat_id, h.thread_id, h.update_id, h.line, h.finished_at, h.command_id, h.telegram_id, h.parent_id, h.host,
				EXISTS (SELECT FROM task t WHERE t.id = h.parent_id) AS gathering
			FROM unnest(p_task, p_attempt, p_state, p_exit, p_signal, p_text, p_output, p_output_bytes, p_output_cut)
				AS x(id, attempt, state, exit_status, term_signal, text, output, output_bytes, output_cut)
			JOIN task_history h ON h.id = x.id AND h.attempt = x.attempt AND h.engine_id = p_engine
			WHERE x.id = ANY (p_ids) AND h.state = 'lost' AND h.reason = 'engine went away' ORDER BY h.chat_id, x.id LOOP
		UPDATE task_history h SET reason = 'late result: ' || r.state, exit_status = nullif(r.exit_status, -1), term_signal = nullif(r.term_signal, -1),
			output_bytes = r.output_bytes, output_cut = r.output_cut
		WHERE h.id = r.id AND h.finished_at = r.finished_at;
		INSERT INTO task_output (task_id, body, head, digest)
		SELECT r.id, v.output, CASE WHEN r.parent_id IS NOT NULL THEN output_head(v.output) END, CASE WHEN r.parent_id IS NOT NULL THEN output_digest(v.output) END
		FROM command c, LATERAL (SELECT CASE WHEN r.output = '' AND r.parent_id IS NOT NULL THEN r.text ELSE r.output END AS output) v
		WHERE c.id = r.command_id AND (c.logged OR r.gathering) AND v.output <> ''
		ON CONFLICT DO NOTHING;
		INSERT INTO audit_event (actor, chat_id, action, object, detail)
		VALUES ('engine', r.chat_id, 'late', 'task ' || r.id, jsonb_build_object('line', r.line, 'state', r.state));
		-- The other hosts are not through: their one message tells of it.
		UPDATE outbox SET wanted_version = wanted_version + 1 WHERE r.gathering AND coalesce_key = 'live ' || r.parent_id AND NOT final;
		CONTINUE WHEN r.gathering;
		UPDATE chat SET out_seq = out_seq + 1 WHERE chat_id = r.chat_id RETURNING out_seq INTO place;
		INSERT INTO outbox (op, chat_id, seq, thread_id, text, task_id, update_id)
		VALUES ('send', r.chat_id, place, r.thread_id,
			say(CASE WHEN r.parent_id IS NULL THEN 'late' ELSE 'late_part' END, jsonb_build_object('task', r.id, 'state', r.state, 'line', r.line, 'host', r.host))
				|| CASE WHEN answer_chat(r.command_id, r.chat_id, r.telegram_id) = r.chat_id THEN E'\n' || r.text ELSE '' END, r.id, r.update_id);
	END LOOP;
END $$;
COMMENT ON FUNCTION task_late(bigint, bigint[], bigint[], integer[], text[], integer[], integer[], text[], text[], bigint[], boolean[])
	IS 'Attaches the result of a task that was already reported lost, and tells its chat';
