-- A task changes its state as task_transition says, and in no other way. Generated from that table.
BEGIN;
\ir support.psql

CREATE TEMPORARY TABLE live AS SELECT unnest(ARRAY['queued', 'claimed', 'running', 'cancelling']) AS state;
CREATE TEMPORARY TABLE final AS SELECT unnest(ARRAY['done', 'failed', 'cancelled', 'timeout', 'lost', 'refused', 'expired']) AS state;

-- What becomes of a task in one state that is put into another.
CREATE FUNCTION pg_temp.change(p_from text, p_to text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	n bigint;
BEGIN
	INSERT INTO task (state, queue, engine_id, epoch, command_id, user_id, telegram_id, chat_id)
	VALUES (p_from, 'default', CASE WHEN p_from <> 'queued' THEN 1 END, CASE WHEN p_from <> 'queued' THEN 1 END, 1, 1, 1, 1) RETURNING id INTO n;
	UPDATE task SET state = p_to, engine_id = CASE WHEN p_to <> 'queued' THEN 1 END, epoch = CASE WHEN p_to <> 'queued' THEN 1 END WHERE id = n;
	RETURN 'allowed';
EXCEPTION WHEN check_violation THEN
	RETURN CASE WHEN SQLERRM = format('task %s: %s -> %s is not allowed', n, p_from, p_to) THEN 'refused' ELSE SQLERRM END;
END $$;

SELECT plan((8 + (SELECT count(*) FROM live a, live b WHERE a.state <> b.state) + (SELECT count(*) FROM task_transition JOIN final ON state = to_state
	WHERE from_state <> 'queued'))::integer);

SELECT is_empty($$SELECT * FROM task_transition WHERE from_state NOT IN (SELECT state FROM live)
	OR to_state NOT IN (SELECT state FROM live UNION SELECT state FROM final)$$, 'transitions lead from live states to live and final ones');
SELECT is_empty($$SELECT state FROM final WHERE state NOT IN (SELECT to_state FROM task_transition)$$, 'every final state can be reached');
SELECT is_empty($$SELECT state FROM live WHERE state NOT IN (SELECT from_state FROM task_transition)$$, 'every live state can be left');
SELECT is_empty($$SELECT state FROM live WHERE state <> 'queued' AND state NOT IN (SELECT to_state FROM task_transition)$$, 'every live state can be reached');
SELECT is_empty($$SELECT l.state FROM live l WHERE (SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = 'task_state_check')
	NOT LIKE '%''' || l.state || '''%'$$, 'these live states are those of the table task');
SELECT is_empty($$SELECT f.state FROM final f WHERE (SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = 'task_history_state_check'
	AND conrelid = 'task_history'::regclass) NOT LIKE '%''' || f.state || '''%'$$, 'these final states are those of the table task_history');

SELECT is(pg_temp.change(a.state, b.state),
	CASE WHEN EXISTS (SELECT FROM task_transition t WHERE t.from_state = a.state AND t.to_state = b.state) THEN 'allowed' ELSE 'refused' END,
	format('%s -> %s', a.state, b.state))
FROM live a, live b WHERE a.state <> b.state;

-- Many in one statement: one bad change refuses all.
INSERT INTO task (id, queue, command_id, user_id, telegram_id, chat_id) OVERRIDING SYSTEM VALUE
	SELECT 1000 + n, 'default', 1, 1, 1, 1 FROM generate_series(1, 3) n;
UPDATE task SET state = 'claimed', engine_id = 1, epoch = 1 WHERE id IN (1001, 1002);
SELECT throws_ok($$UPDATE task SET state = 'running', engine_id = 1, epoch = 1 WHERE id > 1000$$, '23514', 'task 1003: queued -> running is not allowed',
	'a statement with one change that is not allowed changes nothing');
SELECT lives_ok($$UPDATE task SET priority = 5 WHERE id > 1000$$, 'what changes no state is no transition');

-- A final state means the move into history, by the engine that holds the task.
DELETE FROM task;
INSERT INTO chat (chat_id, type) VALUES (4001, 'private');
SELECT * FROM pg_temp.start('one') \gset one_
CREATE FUNCTION pg_temp.finish(p_engine bigint, p_epoch bigint, p_from text, p_to text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	n bigint;
BEGIN
	INSERT INTO task (state, queue, attempt, engine_id, epoch, command_id, user_id, telegram_id, chat_id)
	VALUES (p_from, 'default', 1, p_engine, p_epoch, pg_temp.command_id('run'), pg_temp.user_id('ada'), 4001, 4001) RETURNING id INTO n;
	PERFORM pg_temp.step(p_engine, p_epoch, p_results => jsonb_build_array(jsonb_build_object('task', n, 'state', p_to)));
	RETURN concat_ws(' ', (SELECT state FROM task WHERE id = n), (SELECT state FROM task_history WHERE id = n));
END $$;
SELECT is(pg_temp.finish(:one_id, :one_epoch, from_state, to_state), to_state, format('%s -> %s moves the task into history', from_state, to_state))
FROM task_transition JOIN final ON state = to_state WHERE from_state <> 'queued';
SELECT * FROM finish();
ROLLBACK;
