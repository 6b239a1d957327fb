-- Tasks as people in chats see them: their own, or all by a role; how they are cancelled.
BEGIN;
\ir support.psql
SELECT plan(46);
INSERT INTO role (name, manages_tasks) VALUES ('chief', true);
INSERT INTO app_user (login, first_name, timezone) VALUES ('cleo', 'Cleo', 'Europe/Berlin');
INSERT INTO user_role SELECT pg_temp.user_id('cleo'), id FROM role WHERE name = 'chief';
INSERT INTO telegram_account (telegram_id, user_id) VALUES (4006, pg_temp.user_id('cleo'));
SELECT pg_temp.user_id('ada') AS ada, pg_temp.user_id('bob') AS bob, pg_temp.user_id('cleo') AS cleo \gset
SELECT * FROM pg_temp.start('one') \gset one_
CREATE FUNCTION pg_temp.cancel(p_from bigint, p_task text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	RETURN pg_temp.admit_one(p_from, 'cancel', jsonb_build_object('extra', p_task));
END $$;
CREATE FUNCTION pg_temp.last(p_chat bigint) RETURNS text LANGUAGE sql AS $$ SELECT text FROM outbox WHERE chat_id = p_chat AND seq IS NOT NULL ORDER BY seq DESC LIMIT 1 $$;

-- Small things.
SELECT is(number_of('17'), 17::bigint, 'a number');
SELECT is(number_of('-100'), -100::bigint, 'a negative one: ids of groups are');
SELECT is(number_of('1.5'), NULL, 'no whole number');
SELECT is(number_of(' 17'), NULL, 'nor this');
SELECT is(number_of(repeat('9', 19)), NULL, 'nor one that is too long');
SELECT is(utf16_length('a' || chr(233) || chr(128640)), 4, 'Telegram counts UTF-16 units');
SELECT is(duration_text(interval '59.4 seconds'), '59 s', 'seconds');
SELECT is(duration_text(interval '125 seconds'), '2 min 5 s', 'minutes');
SELECT is(duration_text(interval '3 hours 4 minutes 5 seconds'), '3 h 4 min', 'hours');
SELECT is(duration_text(interval '50 hours'), '2 d 2 h', 'days');
SELECT is(duration_text(interval '-5 seconds'), '0 s', 'clocks that disagree make no negative time');
SELECT is(time_text('2026-07-01 12:00:00+00', 'Europe/Berlin'), '2026-07-01 14:00:00 Europe/Berlin', 'a time in somebody''s zone');
SELECT is(time_text('2026-07-01 12:00:00+00', 'Nowhere/Land'), '2026-07-01 12:00:00 UTC', 'in no zone there is: UTC');
SELECT is(user_name(:ada), 'Ada L', 'a name');
SELECT is(user_name(:bob), 'bob', 'a login where there is none');
SELECT ok(manages_tasks(:cleo) AND NOT manages_tasks(:ada), 'who manages tasks does so by a role');
INSERT INTO group_role SELECT g.id, r.id FROM user_group g, role r WHERE g.name = 'night' AND r.name = 'chief';
SELECT ok(manages_tasks(:bob), 'or by a group''s');
DELETE FROM group_role WHERE role_id = (SELECT id FROM role WHERE name = 'chief');

-- What one sees.
SELECT is(tasks_text(:ada, false), say('tasks_none'), 'nothing of hers');
SELECT pg_temp.order_task('run') AS a \gset
SELECT pg_temp.order_task('deploy', 4002, '{"env": "staging"}') AS b \gset
SELECT matches(tasks_text(:ada, false), :'a' || '  /run  \(waits for \d+ s\)', 'her own task');
SELECT doesnt_match(tasks_text(:ada, true), '/deploy', 'and no other''s, though she asks for all');
SELECT matches(tasks_text(:cleo, true), :'a' || '  /run  \(Ada L, .*' || :'b' || '  /deploy  \(bob, ', 'all of them, with names, for who manages tasks');
SELECT is(tasks_text(:cleo, false), say('tasks_none'), 'who has none of her own unless she asks for all');
SELECT matches(task_text(:ada, :a), '^Task ' || :'a' || ': waits', 'her task by number');
SELECT is(task_text(:ada, :b), say('task_unknown', jsonb_build_object('task', :b)), 'another''s is unknown to her');
SELECT is(task_text(:ada, 999999), say('task_unknown', '{"task": 999999}'), 'just as one that is not there');
SELECT is(task_text(:ada, NULL), say('task_which'), 'no number is asked for');
SELECT matches(task_text(:cleo, :b), E'\nby bob, ', 'who manages tasks sees it');
UPDATE task SET parked = 'turn' WHERE id = :a;
SELECT is(task_state_text(t), say('state_waits_turn', '{"command": "run"}'), 'why it waits: its turn') FROM task t WHERE id = :a;
UPDATE task SET parked = 'limit' WHERE id = :a;
SELECT is(task_state_text(t), say('state_waits_limit', '{"command": "run"}'), 'a limit') FROM task t WHERE id = :a;
UPDATE task SET parked = '' WHERE id = :a;
UPDATE engine SET queues = '{}';
SELECT is(task_state_text(t), say('state_waits_engine', '{"queue": "default"}'), 'no engine') FROM task t WHERE id = :a;
UPDATE engine SET queues = '{default}';

-- Cancelling: what waits goes at once, what runs is ended by its engine.
SELECT pg_temp.cancel(4002, :'a') \g /dev/null
SELECT is(pg_temp.last(4002), say('task_unknown', jsonb_build_object('task', :a)), 'another''s task cannot be cancelled');
SELECT pg_temp.cancel(4001, :'a') \g /dev/null
SELECT results_eq('SELECT state, reason FROM task_history WHERE id = ' || :a, $$VALUES ('cancelled', 'by Ada L')$$, 'a task that waits is cancelled at once');
SELECT is(pg_temp.last(4001), say('cancelled', jsonb_build_object('task', :a, 'by', 'Ada L', 'line', '/run')), 'its chat is told, once');
SELECT is((SELECT count(*) FROM outbox WHERE chat_id = 4001), 1::bigint, 'who asked is not told again in the same chat');
SELECT pg_temp.cancel(4006, :'b') \g /dev/null
SELECT is((pg_temp.waiting(4002))[2], say('cancelled', jsonb_build_object('task', :b, 'by', 'Cleo', 'line', '/deploy')), 'another''s, by who manages tasks: its chat hears who');
SELECT is(pg_temp.last(4006), say('cancel_done', jsonb_build_object('task', :b)), 'and she hears that it is done');
SELECT pg_temp.cancel(4001, :'a') \g /dev/null
SELECT is(pg_temp.last(4001), say('cancel_over', jsonb_build_object('task', :a, 'state', 'cancelled')), 'what is over cannot be cancelled');
SELECT pg_temp.cancel(4001, 'all') \g /dev/null
SELECT is(pg_temp.last(4001), say('task_which'), 'nor what is no number');
SELECT pg_temp.order_task('run') AS c \gset
SELECT pg_temp.claim(:one_id, :one_epoch) \g /dev/null
SELECT pg_temp.step(:one_id, :one_epoch, p_started => ARRAY[:c]) \g /dev/null
SELECT pg_temp.cancel(4001, :'c') \g /dev/null
SELECT is((SELECT state || ' ' || cancelled_by FROM task WHERE id = :c), 'cancelling ' || :'ada', 'what runs is to be ended, by whom is noted');
SELECT is(pg_temp.last(4001), say('cancelling', jsonb_build_object('task', :c)), 'she hears so');
SELECT ok(pg_temp.step(:one_id, :one_epoch) @> jsonb_build_array(jsonb_build_object('what', 'cancel', 'task_id', :c, 'person', 'Ada L')), 'the engine is told, and by whom');
SELECT pg_temp.cancel(4001, :'c') \g /dev/null
SELECT is(pg_temp.last(4001), say('cancel_already', jsonb_build_object('task', :c)), 'twice is once');
SELECT is((SELECT count(*) FROM audit_event WHERE action = 'cancel asked' AND object = 'task ' || :c), 2::bigint, 'each asking is in the record');

-- Output.
SELECT is((output_answer(:ada, :c)).body, say('output_running', jsonb_build_object('task', :c)), 'output of what is not finished');
SELECT pg_temp.step(:one_id, :one_epoch, p_results => jsonb_build_array(jsonb_build_object('task', :c, 'state', 'cancelled', 'output', E'first words\n'))) \g /dev/null
SELECT is((output_answer(:ada, :c)).body, say('output_head', jsonb_build_object('task', :c, 'state', 'cancelled', 'line', '/run')) || E'\nfirst words', 'what is kept of it');
UPDATE task_output SET body = repeat('x', 12001) WHERE task_id = :c;
SELECT is(length((output_answer(:ada, :c)).document), 12001, 'a long one as a document');
SELECT * FROM finish();
ROLLBACK;
