-- Limits of commands and queues: counter rows, tasks parked outside the claim's index, room that is found again.
BEGIN;
\ir support.psql
SELECT plan(29);
UPDATE command SET concurrency = 2 WHERE name = 'run';
SELECT * FROM pg_temp.start('one', '{default}') \gset one_
SELECT * FROM pg_temp.start('two', '{other,default}') \gset two_
CREATE FUNCTION pg_temp.running(p_command text) RETURNS integer LANGUAGE sql AS $$ SELECT running FROM command WHERE name = p_command $$;
CREATE FUNCTION pg_temp.parked() RETURNS text[] LANGUAGE sql AS $$ SELECT array_agg(parked ORDER BY id) FROM task $$;

-- A command that is saturated parks what is too much, over all engines, and lets others pass.
SELECT pg_temp.order_task('run') AS a \gset
SELECT pg_temp.order_task('run') AS b \gset
SELECT pg_temp.order_task('run') AS c \gset
SELECT pg_temp.order_task('deploy', 4002, '{"env": "staging"}') AS d \gset
SELECT is(pg_temp.claim(:one_id, :one_epoch, 1), ARRAY[:a]::bigint[], 'the first has room');
SELECT is(pg_temp.running('run'), 1, 'and is counted');
SELECT is(pg_temp.claim(:two_id, :two_epoch, 4), ARRAY[:d, :b]::bigint[], 'another engine takes what is left of the room, and what has no limit');
SELECT is(pg_temp.running('run'), 2, 'which is all');
SELECT is(pg_temp.parked(), ARRAY['', '', 'limit', ''], 'the third is parked');
SELECT is(pg_temp.claim(:one_id, :one_epoch), '{}', 'and not looked at again');
SELECT pg_temp.order_task('run') AS e \gset
SELECT is(pg_temp.claim(:one_id, :one_epoch), '{}', 'nor is another that comes');
SELECT is(pg_temp.parked(), ARRAY['', '', 'limit', '', 'limit'], 'but parked too');

-- Who ends makes room for as many, first come first served.
SELECT is((SELECT array_agg((x ->> 'task_id')::bigint) FROM jsonb_array_elements(pg_temp.step(:one_id, :one_epoch, 8, jsonb_build_array(jsonb_build_object('task', :a)))) x),
	ARRAY[:c]::bigint[], 'in the same step in which one ends the next is claimed');
SELECT is(pg_temp.running('run'), 2, 'the counter stays true');
SELECT is(claims_give_back(p_engine => :two_id, p_before => :two_epoch + 1), 2, 'an engine that goes');
SELECT is(pg_temp.running('run'), 1, 'leaves its room');
SELECT is(pg_temp.parked(), ARRAY['', ''], 'and who waited may be claimed');
SELECT is(pg_temp.claim(:one_id, :one_epoch), ARRAY[:e]::bigint[], 'and is');
SELECT is(engine_resume(p_engine => :one_id, p_epoch => :one_epoch, p_known => ARRAY[:c]), 1, 'a claim that was never heard of');
SELECT is(pg_temp.running('run'), 1, 'leaves its room too');

-- A limit that changes counts at once.
SELECT pg_temp.claim(:one_id, :one_epoch) \g /dev/null
SELECT pg_temp.order_task('run') AS f \gset
SELECT pg_temp.claim(:one_id, :one_epoch) \g /dev/null
SELECT is(pg_temp.parked(), ARRAY['', '', 'limit'], 'two run, one waits');
UPDATE command SET concurrency = 3 WHERE name = 'run';
SELECT is(pg_temp.claim(:one_id, :one_epoch), ARRAY[:f]::bigint[], 'a wider limit lets it run');
UPDATE command SET concurrency = NULL WHERE name = 'run';
SELECT pg_temp.order_task('run') AS g \gset
SELECT is(pg_temp.claim(:one_id, :one_epoch), ARRAY[:g]::bigint[], 'none lets all run');
UPDATE command SET concurrency = 1 WHERE name = 'run';
SELECT is(pg_temp.running('run'), 4, 'a new one counts what runs already');
SELECT pg_temp.order_task('run') AS h \gset
SELECT is(pg_temp.claim(:one_id, :one_epoch), '{}', 'and lets none in before there is room');
UPDATE command SET running = 17 WHERE name = 'run';
SELECT limits_recount() \g /dev/null
SELECT is(pg_temp.running('run'), 4, 'a counter that went wrong is counted anew');
UPDATE command SET running = 0 WHERE name = 'run';
SELECT pg_temp.step(:one_id, :one_epoch, p_results => jsonb_build_array(jsonb_build_object('task', :c))) \g /dev/null
SELECT is(pg_temp.running('run'), 0, 'and never below none');

-- A queue's limit.
DELETE FROM task;
UPDATE command SET concurrency = NULL;
UPDATE queue SET concurrency = 2 WHERE name = 'other';
SELECT pg_temp.order_task('other') AS a \gset
SELECT pg_temp.order_task('other') AS b \gset
SELECT pg_temp.order_task('other') AS c \gset
SELECT pg_temp.order_task('run') AS d \gset
SELECT is(pg_temp.claim(:two_id, :two_epoch), ARRAY[:a, :d, :b]::bigint[], 'of a queue as many as it may, of others what there is');
SELECT is((SELECT running FROM queue WHERE name = 'other'), 2, 'they are counted');
SELECT is(pg_temp.parked(), ARRAY['', '', '', ''], 'nobody is parked for a queue: it is passed over whole');
SELECT is((SELECT array_agg((x ->> 'task_id')::bigint) FROM jsonb_array_elements(pg_temp.step(:two_id, :two_epoch, 8, jsonb_build_array(jsonb_build_object('task', :b)))) x),
	ARRAY[:c]::bigint[], 'when one ends the next has room');

DELETE FROM task;
UPDATE queue SET concurrency = NULL;

-- Ordered and limited at once: the turn comes first, then the room.
UPDATE command SET concurrency = 1 WHERE name = 'echo';
SELECT pg_temp.order_task('echo', p_args => '{"text": "1"}') AS a \gset
SELECT pg_temp.order_task('echo', p_args => '{"text": "2"}') AS b \gset
SELECT pg_temp.order_task('echo', p_args => '{"text": "3"}', p_more => '{"chat": -100}') AS c \gset
SELECT is(pg_temp.claim(:one_id, :one_epoch), ARRAY[:a]::bigint[], 'one runs');
SELECT is((SELECT array_agg(parked ORDER BY id) FROM task WHERE id IN (:a, :b, :c)), ARRAY['', 'turn', 'limit'],
	'the second waits for its turn in the chat, one of another chat for room');
SELECT * FROM finish();
ROLLBACK;
