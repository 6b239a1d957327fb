-- Files: a request waits for what the sender fetches; only who holds a task or a row gets at its parts; what is still needed stays.
BEGIN;
\ir support.psql
SELECT plan(25);
INSERT INTO command_parameter (command_id, position, name, type, required, maximum) VALUES (pg_temp.command_id('run'), 1, 'doc', 'file', true, '1000');
INSERT INTO chat (chat_id, type) VALUES (4001, 'private');
UPDATE bot_status SET sender_epoch = 7;
CREATE FUNCTION pg_temp.ask() RETURNS text LANGUAGE sql AS $$
	SELECT pg_temp.admit_one(4001, 'run', '{"command": "run", "args": {"doc": {"document": "F", "name": "a.csv", "size": 10}}}')
$$;
CREATE FUNCTION pg_temp.row() RETURNS bigint LANGUAGE sql AS $$ UPDATE outbox SET taken_by = 7 WHERE op = 'get_file' RETURNING id $$;
CREATE FUNCTION pg_temp.last() RETURNS text LANGUAGE sql AS $$ SELECT text FROM outbox WHERE chat_id = 4001 AND seq IS NOT NULL ORDER BY seq DESC LIMIT 1 $$;

SELECT is(pg_temp.admit_one(4001, 'run', '{"command": "run", "args": {"doc": {"document": "F", "name": "a.csv", "size": 1001}}}'), 'reply', 'one that is too large is refused at once');
SELECT matches(pg_temp.last(), '^doc must be a file of at most 1000 bytes; a.csv has 1001 bytes', 'and says so');
SELECT is(pg_temp.ask(), 'pending', 'else the request waits');
SELECT results_eq('SELECT state FROM pending', $$VALUES ('fetching')$$, 'for its file');
SELECT is_empty('SELECT FROM task', 'and is no task yet');
SELECT is((SELECT params - 'file' FROM outbox WHERE op = 'get_file'), '{"file_id": "F", "most": 1000}'::jsonb, 'the sender is asked for it');

-- The sender.
SELECT is(file_put(6, pg_temp.row(), 0, 'x'), false, 'a sender that is not the active one stores nothing');
SELECT ok(file_put(7, pg_temp.row(), 0, 'old') AND file_put(7, pg_temp.row(), 1, 'er'), 'the active one does');
SELECT ok(file_put(7, pg_temp.row(), 0, 'new'), 'a download that begins anew');
SELECT results_eq('SELECT part, body FROM file_chunk', $$VALUES (0, 'new'::bytea)$$, 'leaves nothing of the former');
SELECT file_end(7, pg_temp.row(), '', '') \g /dev/null
SELECT is_empty('SELECT FROM pending UNION ALL SELECT FROM outbox WHERE op = ''get_file''', 'when it is there the request goes on');
SELECT results_eq('SELECT t.args -> ''doc'' ->> ''name'', f.size, f.complete FROM task t, file f', $$VALUES ('a.csv', 3::bigint, true)$$, 'and is a task');
SELECT is(args_masked('{"a": {"sealed": "x"}, "b": {"file": 1, "name": "n"}, "c": "d"}'), '{"a": "•••", "b": "n", "c": "d"}'::jsonb, 'what is kept of a file is its name');

-- Engines.
DELETE FROM engine;
INSERT INTO engine (name, epoch, lease_until) VALUES ('one', 3, now() + interval '1 minute');
SELECT is_empty($$SELECT FROM task t, file f, engine e, task_file(e.id, 3, t.id, f.id, 0) p$$, 'who does not hold the task gets nothing');
UPDATE task SET state = 'claimed', engine_id = (SELECT id FROM engine), epoch = 3, attempt = 1;
SELECT results_eq($$SELECT p.body, p.last FROM task t, file f, engine e, task_file(e.id, 3, t.id, f.id, 0) p$$, $$VALUES ('new'::bytea, true)$$, 'who does gets it');
SELECT is_empty($$SELECT FROM task t, file f, engine e, task_file(e.id, 2, t.id, f.id, 0) p$$, 'an epoch that is over gets nothing');
INSERT INTO file (name, complete) VALUES ('another', true);
SELECT is_empty($$SELECT FROM task t, file f, engine e, task_file(e.id, 3, t.id, f.id, 0) p WHERE f.name = 'another'$$, 'nor is there a file that is not the task''s');
SELECT is((SELECT result_put(e.id, 3, t.id, 2, 1, 'r.txt', 0, 'x', true) FROM task t, engine e), false, 'a result of another attempt is not taken');
SELECT ok((SELECT result_put(e.id, 3, t.id, 1, 1, 'r.txt', 0, 'x', true) AND result_put(e.id, 3, t.id, 1, 1, 'r.txt', 0, 'x', true) FROM task t, engine e), 'its own is, once or twice');
SELECT results_eq($$SELECT name, size, complete FROM file WHERE task_id IS NOT NULL$$, $$VALUES ('r.txt', 1::bigint, true)$$, 'which is the same');

-- What cannot be had, and what is not wanted any more.
SELECT pg_temp.ask() \g /dev/null
SELECT file_end(7, pg_temp.row(), 'big', '') \g /dev/null
SELECT is(pg_temp.last(), E'doc: a.csv has more than the 1000 bytes that it may have.\nNothing was run:\n/run', 'why it was not fetched is told');
SELECT pg_temp.ask() \g /dev/null
DELETE FROM pending;
SELECT is(file_put(7, pg_temp.row(), 0, 'x'), false, 'nothing more is stored for a request that is gone');

-- Retention.
UPDATE file SET created_at = now() - interval '25 hours';
SELECT files_forget() \g /dev/null
SELECT set_eq('SELECT name FROM file', ARRAY['a.csv', 'r.txt'], 'what a task needs, and what it left, stays');
UPDATE task SET args = '{}';
SELECT files_forget() \g /dev/null
SELECT set_eq('SELECT name FROM file', ARRAY['r.txt'], 'what it does not need any more goes');
DELETE FROM task;
SELECT files_forget() \g /dev/null
SELECT is_empty('SELECT FROM file UNION ALL SELECT FROM file_chunk', 'and so do results of a task that is gone');
SELECT * FROM finish();
ROLLBACK;
