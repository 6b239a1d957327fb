-- Engines: leases, claims, fencing, and how tasks end.
BEGIN;
\ir support.psql
SELECT plan(84);

-- engine_start, engine_stop.
SELECT * FROM pg_temp.start('one') \gset one_
SELECT is(:one_epoch::bigint, 1::bigint, 'a new name begins with epoch 1');
SELECT * FROM pg_temp.start('two', '{other,default}') \gset two_
SELECT isnt(:one_id::bigint, :two_id::bigint, 'another name is another engine');
SELECT ok((SELECT lease_until BETWEEN clock_timestamp() + interval '10 seconds' AND clock_timestamp() + interval '15 seconds' FROM engine WHERE name = 'one'),
	'its lease is 15 seconds');
SELECT is((SELECT wait_ms BETWEEN 10000 AND 15001 AND id IS NULL AND epoch IS NULL FROM pg_temp.start('one', p_boot => 'boot-2')), true,
	'while it lives another host cannot take its name, and hears how long to wait');
SELECT is((SELECT epoch FROM engine WHERE name = 'one'), 1::bigint, 'and changes nothing');
SELECT * FROM pg_temp.start('one') \gset one_
SELECT is(:one_epoch::bigint, 2::bigint, 'the same host can: it holds the lock file; a new epoch');
SELECT pg_temp.expire('one') \g /dev/null
SELECT * FROM pg_temp.start('one', p_boot => 'boot-2') \gset one_
SELECT is(:one_epoch::bigint, 3::bigint, 'and any host when the lease is over');
SELECT lives_ok(format('SELECT engine_stop(p_engine => %s, p_epoch => %s)', :one_id, :one_epoch - 1), 'to stop with an old epoch');
SELECT is((SELECT stopped_at FROM engine WHERE name = 'one'), NULL, 'stops nothing');
SELECT engine_stop(p_engine => :one_id, p_epoch => :one_epoch) \g /dev/null
SELECT ok((SELECT stopped_at IS NOT NULL AND lease_until <= clock_timestamp() FROM engine WHERE name = 'one'), 'with its own it gives the lease up');
SELECT * FROM pg_temp.start('one') \gset one_
SELECT is((SELECT stopped_at FROM engine WHERE name = 'one'), NULL, 'a name given up can be taken at once, from anywhere');

-- Claims: only its queues, never more than wanted, by priority, turn, number.
SELECT pg_temp.order_task('run') AS a \gset
SELECT pg_temp.order_task('run') AS b \gset
SELECT pg_temp.order_task('other') AS c \gset
SELECT pg_temp.order_task('deploy', 4002, '{"env": "staging"}') AS d \gset
SELECT is(pg_temp.claim(:one_id, :one_epoch, 0), '{}', 'who wants none is given none');
SELECT is(pg_temp.claim(:one_id, :one_epoch, 2), ARRAY[:a, :d]::bigint[], 'the first of each person before the second of one');
SELECT is(pg_temp.claim(:one_id, :one_epoch), ARRAY[:b]::bigint[], 'then the rest of its queue');
SELECT is(pg_temp.claim(:two_id, :two_epoch), ARRAY[:c]::bigint[], 'another queue''s are another engine''s');
SELECT results_eq($$SELECT state, engine_id, epoch, attempt, claimed_at IS NOT NULL FROM task WHERE id = $$ || :a,
	$$VALUES ('claimed', $$ || :one_id || $$::bigint, $$ || :one_epoch || $$::bigint, 1, true)$$, 'a claim carries engine, epoch and attempt');
SELECT is((SELECT x ->> 'command' || ' ' || (x ->> 'kind') || ' ' || (x ->> 'login') || ' ' || (x ->> 'person') || ' ' || (x ->> 'timeout_s')
	FROM (SELECT pg_temp.order_task('run')) t, jsonb_array_elements(pg_temp.step(:one_id, :one_epoch, 1)) x), 'run exec ada Ada L 60', 'and all that is needed to run it');
DELETE FROM task;
SELECT pg_temp.order_task('run') AS a \gset
SELECT pg_temp.order_task('run') AS b \gset
UPDATE task SET priority = -1 WHERE id = :b;
SELECT is(pg_temp.claim(:one_id, :one_epoch), ARRAY[:b, :a]::bigint[], 'lower priority goes first');
DELETE FROM task;
SELECT pg_temp.order_task('run') AS a \gset
UPDATE task SET not_before = now() + interval '1 minute';
SELECT is(pg_temp.claim(:one_id, :one_epoch), '{}', 'not before its time');
UPDATE task SET not_before = '-infinity', parked = 'turn';
SELECT is(pg_temp.claim(:one_id, :one_epoch), '{}', 'nor while it is parked');

-- Rights are looked at again when a task is claimed.
UPDATE task SET parked = '';
CREATE TEMPORARY TABLE withdrawn AS SELECT role_id, command_id, constraints, chat_id FROM role_command WHERE command_id = pg_temp.command_id('run');
DELETE FROM role_command WHERE command_id = pg_temp.command_id('run');
SELECT is(pg_temp.claim(:one_id, :one_epoch), '{}', 'what may no longer be run does not run');
SELECT results_eq('SELECT state, reason FROM task_history WHERE id = ' || :a, $$VALUES ('refused', 'right withdrawn')$$, 'the task is refused');
SELECT is(pg_temp.waiting(4001), ARRAY[say('refused', '{"command": "run"}')], 'and the chat told');
INSERT INTO role_command (role_id, command_id, constraints, chat_id) SELECT * FROM withdrawn;
SELECT pg_temp.order_task('run') AS a \gset
UPDATE command SET enabled = false WHERE name = 'run';
SELECT is(pg_temp.claim(:one_id, :one_epoch), '{}', 'a command switched off meanwhile does not run');
SELECT results_eq('SELECT state, reason FROM task_history WHERE id = ' || :a, $$VALUES ('refused', 'command removed or switched off')$$, 'and says why');
UPDATE command SET enabled = true WHERE name = 'run';
DELETE FROM outbox;
DELETE FROM task_history;
DELETE FROM audit_event;

-- A task's life.
SELECT pg_temp.order_task('run', p_more => '{"update_id": 4711}') AS a \gset
SELECT pg_temp.claim(:one_id, :one_epoch) \g /dev/null
SELECT pg_temp.step(:one_id, :one_epoch, p_started => ARRAY[:a]) \g /dev/null
SELECT results_eq('SELECT state, started_at IS NOT NULL FROM task WHERE id = ' || :a, $$VALUES ('running', true)$$, 'a start that was seen is noted');
SELECT results_eq($$SELECT params ->> 'action', seq, expires_at - now() FROM outbox WHERE task_id = $$ || :a, $$VALUES ('typing', NULL::bigint, interval '5 seconds')$$,
	'and shown in the chat, outside its lane, for as long as it is of use');
SELECT pg_temp.step(:one_id, :one_epoch, p_started => ARRAY[:a]) \g /dev/null
SELECT is((SELECT count(*) FROM outbox WHERE task_id = :a), 1::bigint, 'once at a time');
SELECT pg_temp.step(:one_id, :one_epoch, p_results => jsonb_build_array(jsonb_build_object('task', :a, 'state', 'failed', 'exit', 3, 'reason', 'exit status 3', 'text', 'It failed.',
	'output', 'oops'))) \g /dev/null
SELECT is_empty('SELECT FROM task', 'a finished task leaves the hot table');
SELECT results_eq('SELECT state, attempt, exit_status, term_signal, reason, output_bytes, command_name, update_id, engine_id FROM task_history WHERE id = ' || :a,
	$$VALUES ('failed', 1, 3, NULL::integer, 'exit status 3', 4::bigint, 'run', 4711::bigint, $$ || :one_id || '::bigint)', 'into history, with how it ended');
SELECT results_eq($$SELECT body FROM task_output WHERE task_id = $$ || :a, $$VALUES ('oops')$$, 'its output is kept');
SELECT results_eq($$SELECT text, task_id, update_id, reply_to, seq = (SELECT out_seq FROM chat WHERE chat_id = 4001) FROM outbox WHERE op = 'send'$$,
	$$VALUES ('It failed.', $$ || :a || $$::bigint, 4711::bigint, NULL::bigint, true)$$, 'its answer waits, last in the chat');
SELECT results_eq($$SELECT actor, action, object, detail ->> 'exit' FROM audit_event WHERE actor = 'engine'$$, $$VALUES ('engine', 'failed', 'task $$ || :a || $$', '3')$$,
	'the record has it');
SELECT pg_temp.order_task('silent') AS a \gset
SELECT pg_temp.claim(:one_id, :one_epoch) \g /dev/null
SELECT pg_temp.step(:one_id, :one_epoch, p_results => jsonb_build_array(jsonb_build_object('task', :a, 'output', 'secret', 'text', 'done'))) \g /dev/null
SELECT is_empty('SELECT FROM task_output WHERE task_id = ' || :a, 'of a command that is not logged no output is kept');
SELECT pg_temp.order_task('run', p_more => '{"chat": -100, "thread": 3, "message": 55}') AS a \gset
SELECT pg_temp.claim(:one_id, :one_epoch) \g /dev/null
SELECT pg_temp.step(:one_id, :one_epoch, p_results => jsonb_build_array(jsonb_build_object('task', :a, 'text', 'done'))) \g /dev/null
SELECT results_eq('SELECT thread_id, reply_to FROM outbox WHERE task_id = ' || :a, 'VALUES (3::bigint, 55::bigint)', 'in a group it answers the message, in its topic');

SELECT pg_temp.order_task('run') AS a \gset
SELECT pg_temp.claim(:one_id, :one_epoch) \g /dev/null
SELECT pg_temp.step(:one_id, :one_epoch, p_results => jsonb_build_array(jsonb_build_object('task', :a, 'text', 'see file', 'document', 'long words'))) \g /dev/null
SELECT results_eq($$SELECT o.op, o.text, d.name, convert_from(d.body, 'UTF8') COLLATE "default" FROM outbox o JOIN outbox_document d ON d.outbox_id = o.id WHERE o.task_id = $$ || :a,
	$$VALUES ('document', 'see file', 'task-$$ || :a || $$.txt', 'long words')$$, 'a long result goes as a document, with a text beside it');

-- Results and next claims in one step; many of one chat keep the order in which they finished.
SELECT pg_temp.order_task('run') AS a \gset
SELECT pg_temp.order_task('run') AS b \gset
SELECT pg_temp.order_task('run') AS c \gset
SELECT pg_temp.claim(:one_id, :one_epoch, 2) \g /dev/null
DELETE FROM outbox;
SELECT is((SELECT array_agg(x ->> 'task_id') FROM jsonb_array_elements(pg_temp.step(:one_id, :one_epoch, 1, jsonb_build_array(
	jsonb_build_object('task', :b, 'text', 'second of the queue, first done'), jsonb_build_object('task', :a, 'text', 'then the first')))) x), ARRAY[:'c'],
	'one round trip: results in, the next claim out');
SELECT is(pg_temp.waiting(4001), ARRAY['second of the queue, first done', 'then the first'], 'answers come as tasks finish');
SELECT is((SELECT max(seq) FROM outbox WHERE chat_id = 4001), (SELECT out_seq FROM chat WHERE chat_id = 4001), 'out_seq is the last of them');

-- Ordered commands take turns.
DELETE FROM task;
SELECT pg_temp.order_task('echo', p_args => '{"text": "1"}') AS a \gset
SELECT pg_temp.order_task('echo', p_args => '{"text": "2"}') AS b \gset
SELECT pg_temp.order_task('echo', p_args => '{"text": "3"}') AS c \gset
SELECT is(pg_temp.claim(:one_id, :one_epoch), ARRAY[:a]::bigint[], 'of an ordered command one runs at a time in a chat');
SELECT is((SELECT array_agg((x ->> 'task_id')::bigint) FROM jsonb_array_elements(pg_temp.step(:one_id, :one_epoch, 8, jsonb_build_array(jsonb_build_object('task', :a)))) x),
	ARRAY[:b]::bigint[], 'when it ends the next has its turn, in the same step');
SELECT is((SELECT array_agg((x ->> 'task_id')::bigint) FROM jsonb_array_elements(pg_temp.step(:one_id, :one_epoch, 8, jsonb_build_array(jsonb_build_object('task', :b)))) x),
	ARRAY[:c]::bigint[], 'and the next');
DELETE FROM task;

-- Fencing: engine, epoch, attempt.
SELECT pg_temp.order_task('run') AS a \gset
SELECT pg_temp.claim(:one_id, :one_epoch) \g /dev/null
DELETE FROM outbox;
SELECT pg_temp.step(:two_id, :two_epoch, p_results => jsonb_build_array(jsonb_build_object('task', :a, 'text', 'not mine'))) \g /dev/null
SELECT pg_temp.step(:one_id, :one_epoch, p_results => jsonb_build_array(jsonb_build_object('task', :a, 'attempt', 2, 'text', 'another attempt'))) \g /dev/null
SELECT is((SELECT state FROM task WHERE id = :a), 'claimed', 'neither another engine nor another attempt can finish a task');
SELECT is((pg_temp.step(:one_id, :one_epoch - 1, 8, jsonb_build_array(jsonb_build_object('task', :a, 'text', 'old epoch'))) -> 0 ->> 'what'), 'fenced',
	'an old epoch is told that it is over');
SELECT is((SELECT state FROM task WHERE id = :a), 'claimed', 'and finishes nothing');
SELECT is_empty('SELECT FROM outbox', 'nor says anything');
SELECT pg_temp.step(:one_id, :one_epoch - 1, p_started => ARRAY[:a]) \g /dev/null
SELECT is((SELECT state FROM task WHERE id = :a), 'claimed', 'nor starts anything');
SELECT pg_temp.expire('one') \g /dev/null
SELECT pg_temp.step(:one_id, :one_epoch - 1, p_extend => true) \g /dev/null
SELECT ok((SELECT lease_until < clock_timestamp() FROM engine WHERE name = 'one'), 'nor extends the lease');
SELECT pg_temp.step(:one_id, :one_epoch, p_extend => true) \g /dev/null
SELECT ok((SELECT lease_until > clock_timestamp() + interval '10 seconds' FROM engine WHERE name = 'one'), 'which its own epoch does');
SELECT pg_temp.step(:one_id, :one_epoch) \g /dev/null
SELECT is((SELECT state FROM task WHERE id = :a), 'claimed', 'a step without news changes no task');
UPDATE task SET state = 'cancelling' WHERE id = :a;
SELECT is(pg_temp.step(:one_id, :one_epoch), jsonb_build_array(jsonb_build_object('what', 'cancel', 'task_id', :a, 'attempt', 1)), 'a task to be cancelled is told to who holds it');
SELECT is(pg_temp.step(:two_id, :two_epoch), '[]', 'and to nobody else');
SELECT pg_temp.step(:one_id, :one_epoch, p_results => jsonb_build_array(jsonb_build_object('task', :a, 'state', 'cancelled', 'text', 'Cancelled.'))) \g /dev/null
SELECT is((SELECT state FROM task_history WHERE id = :a), 'cancelled', 'who ends it says so');

-- engine_resume: after a reconnect, claims nobody knows of go back.
SELECT pg_temp.order_task('run') AS a \gset
SELECT pg_temp.order_task('run') AS b \gset
SELECT pg_temp.order_task('run') AS c \gset
SELECT pg_temp.claim(:one_id, :one_epoch) \g /dev/null
SELECT pg_temp.step(:one_id, :one_epoch, p_started => ARRAY[:c]) \g /dev/null
SELECT is(engine_resume(p_engine => :one_id, p_epoch => :one_epoch, p_known => ARRAY[:a]), 1, 'one claim was never heard of');
SELECT is((SELECT array_agg(state || attempt ORDER BY id) FROM task), ARRAY['claimed1', 'queued0', 'running1'],
	'it waits again as if it had not been claimed; what is known or was seen running stays');
SELECT is(engine_resume(p_engine => :one_id, p_epoch => :one_epoch - 1, p_known => '{}'), -1, 'with an old epoch there is nothing to resume');
SELECT is(pg_temp.claim(:one_id, :one_epoch), ARRAY[:b]::bigint[], 'what went back can be claimed again');
DELETE FROM task;
DELETE FROM outbox;
DELETE FROM task_history;

-- claims_give_back: what becomes of the tasks of an engine that is gone.
SELECT pg_temp.order_task('run') AS a \gset
SELECT pg_temp.order_task('again') AS b \gset
SELECT pg_temp.order_task('run') AS c \gset
SELECT pg_temp.claim(:one_id, :one_epoch) \g /dev/null
UPDATE task SET state = 'cancelling' WHERE id = :c;
SELECT is(claims_give_back(p_engine => :one_id, p_before => :one_epoch), 0, 'claims of this epoch are not given back');
SELECT is(claims_give_back(p_engine => :one_id, p_before => :one_epoch + 1), 3, 'of an older one all are');
SELECT results_eq('SELECT state, reason FROM task_history ORDER BY id', $$VALUES ('lost', 'engine went away'), ('cancelled', 'engine went away while it was being cancelled')$$,
	'what may have run is lost, what was being cancelled is cancelled');
SELECT is((SELECT array_agg(task_id ORDER BY seq) FROM outbox WHERE chat_id = 4001), ARRAY[:a, :c]::bigint[], 'the chat is told of both');
SELECT is((pg_temp.waiting(4001))[1], say('lost', jsonb_build_object('task', :a, 'line', '/run')), 'with the command line as typed');
SELECT is((SELECT state || attempt FROM task WHERE id = :b), 'queued1', 'what is idempotent waits again');
SELECT ok((SELECT not_before > now() FROM task WHERE id = :b), 'after a pause');
SELECT is(pg_temp.claim(:one_id, :one_epoch), '{}', 'and is not claimed before');
UPDATE task SET not_before = now();
SELECT is(pg_temp.claim(:one_id, :one_epoch), ARRAY[:b]::bigint[], 'but then');
SELECT is((SELECT attempt FROM task WHERE id = :b), 2, 'as another attempt');
SELECT is(claims_give_back(p_engine => :one_id, p_before => :one_epoch + 1), 1, 'when the last attempt fails too');
SELECT is((SELECT state FROM task_history WHERE id = :b), 'lost', 'it is lost like any other');
SELECT is((SELECT count(*) FROM audit_event WHERE action = 'lost'), 2::bigint, 'the record has who was lost');

-- task_late: a result of a task that was reported lost.
SELECT pg_temp.step(:one_id, :one_epoch, p_results => jsonb_build_array(jsonb_build_object('task', :a, 'state', 'done', 'text', 'I was there.', 'output', 'late words'))) \g /dev/null
SELECT results_eq('SELECT state, reason, exit_status, output_bytes FROM task_history WHERE id = ' || :a, $$VALUES ('lost', 'late result: done', 0, 10::bigint)$$,
	'is attached, and the task stays lost');
SELECT is((pg_temp.waiting(4001))[4], say('late', jsonb_build_object('task', :a, 'state', 'done', 'line', '/run')) || E'\nI was there.', 'and told');
SELECT is((SELECT body FROM task_output WHERE task_id = :a), 'late words', 'its output is kept');
SELECT pg_temp.step(:one_id, :one_epoch, p_results => jsonb_build_array(jsonb_build_object('task', :a, 'state', 'done', 'text', 'I was there.'))) \g /dev/null
SELECT is(cardinality(pg_temp.waiting(4001)), 4, 'once');
SELECT pg_temp.step(:two_id, :two_epoch, p_results => jsonb_build_array(jsonb_build_object('task', :b, 'attempt', 2, 'text', 'not mine'))) \g /dev/null
SELECT is(cardinality(pg_temp.waiting(4001)), 4, 'and not by another engine');
SELECT pg_temp.step(:one_id, :one_epoch, p_results => jsonb_build_array(jsonb_build_object('task', :c, 'state', 'done', 'text', 'late'))) \g /dev/null
SELECT is(cardinality(pg_temp.waiting(4001)), 4, 'nor of a task that was cancelled');

-- An engine that is started again gives back what its former self held; the tasks of others are theirs.
DELETE FROM task_history;
SELECT pg_temp.order_task('run') AS a \gset
SELECT pg_temp.order_task('other') AS b \gset
SELECT pg_temp.claim(:one_id, :one_epoch) \g /dev/null
SELECT pg_temp.claim(:two_id, :two_epoch) \g /dev/null
SELECT * FROM pg_temp.start('one') \gset one_
SELECT is((SELECT state FROM task_history WHERE id = :a), 'lost', 'its own former task is lost');
SELECT is((SELECT state FROM task WHERE id = :b), 'claimed', 'another engine''s is not');
SELECT engine_stop(p_engine => :two_id, p_epoch => :two_epoch) \g /dev/null
SELECT is((SELECT state FROM task_history WHERE id = :b), 'lost', 'who stops with tasks in hand gives them back too');
SELECT is((pg_temp.step(:two_id, :two_epoch) -> 0 ->> 'what'), 'fenced', 'and is fenced from then on');

-- What holds after all of this.
SELECT is_empty($$SELECT FROM task_history GROUP BY id HAVING count(*) > 1$$, 'no task is in history twice');
SELECT is_empty($$SELECT FROM task JOIN task_history USING (id)$$, 'nor both there and in the hot table');
SELECT is_empty($$SELECT FROM outbox o JOIN chat c USING (chat_id) WHERE o.seq > c.out_seq$$, 'no message is beyond its chat''s out_seq');
SELECT is_empty($$SELECT chat_id, seq FROM outbox GROUP BY 1, 2 HAVING count(*) > 1$$, 'no place in a chat is given twice');
SELECT * FROM finish();
ROLLBACK;
