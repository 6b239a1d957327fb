-- What is periodic: partitions ahead, retention, expired leases.
BEGIN;
\ir support.psql
SELECT plan(49);
CREATE FUNCTION pg_temp.month(p_ahead integer) RETURNS text LANGUAGE sql AS $$
	SELECT 'task_history_' || to_char(now() AT TIME ZONE 'UTC' + p_ahead * interval '1 month', 'YYYY_MM')
$$;
CREATE TEMPORARY VIEW month AS SELECT c.relname AS name, pg_get_expr(c.relpartbound, c.oid) AS bound, obj_description(c.oid, 'pg_class') AS comment
	FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = 'task_history'::regclass;
CREATE FUNCTION pg_temp.finish_at(p_id bigint, p_when timestamptz) RETURNS name LANGUAGE sql AS $$
	INSERT INTO task_history (id, state, attempt, queue, command_id, command_name, user_id, telegram_id, chat_id, args, line, admitted_at, finished_at)
	VALUES (p_id, 'done', 1, 'default', 1, 'run', 1, 4001, 4001, '{}', '/run', now(), p_when);
	SELECT c.relname FROM task_history h JOIN pg_class c ON c.oid = h.tableoid WHERE h.id = p_id
$$;

-- All chores are due.
CREATE FUNCTION pg_temp.work(p_engine bigint, p_history integer DEFAULT 0, p_output integer DEFAULT 0) RETURNS integer LANGUAGE plpgsql AS $$
BEGIN
	UPDATE chore SET done_at = '-infinity';
	RETURN janitor(p_engine => p_engine, p_history_days => p_history, p_output_days => p_output);
END $$;

-- partitions_ahead: this month and the next three are there from the start; each holds its month, by UTC, whatever the session's zone.
SELECT set_eq('SELECT name FROM month', ARRAY['task_history_default', pg_temp.month(0), pg_temp.month(1), pg_temp.month(2), pg_temp.month(3)],
	'this month, three ahead, and the rest');
SELECT is(partitions_ahead(), 0, 'nothing is made twice');
SELECT is(partitions_ahead(0), 0, 'nor for less');
SELECT is(partitions_ahead(p_months => 5), 2, 'more is made when asked for');
SELECT is((SELECT count(*) FROM month WHERE name IN (pg_temp.month(4), pg_temp.month(5))), 2::bigint, 'by name');
SELECT is((SELECT comment FROM month WHERE name = pg_temp.month(5)), 'Finished tasks of ' || to_char(now() AT TIME ZONE 'UTC' + interval '5 months', 'YYYY-MM'), 'with a comment');
SELECT is((SELECT count(DISTINCT array_to_string(ARRAY(SELECT pg_get_indexdef(indexrelid) ~ 'UNIQUE' FROM pg_index x WHERE x.indrelid = name::regclass ORDER BY 1), ','))
	FROM month), 1::bigint, 'with the same indexes each');
SET LOCAL timezone = 'Pacific/Auckland';
SELECT is(partitions_ahead(p_months => 6), 1, 'made from another zone');
SET LOCAL timezone = 'UTC';
SELECT is((SELECT bound FROM month WHERE name = pg_temp.month(6)), format('FOR VALUES FROM (%L) TO (%L)',
	date_trunc('month', now()) + interval '6 months', date_trunc('month', now()) + interval '7 months'), 'a month begins and ends by UTC');
SELECT is(pg_temp.finish_at(-1, date_trunc('month', now())), pg_temp.month(0)::name, 'the first moment of a month is in it');
SELECT is(pg_temp.finish_at(-2, date_trunc('month', now()) + interval '1 month' - interval '1 microsecond'), pg_temp.month(0)::name, 'so is the last');
SELECT is(pg_temp.finish_at(-3, date_trunc('month', now()) + interval '1 month'), pg_temp.month(1)::name, 'the next is in the next');
SELECT is(pg_temp.finish_at(-4, now() - interval '100 days'), 'task_history_default'::name, 'what no month holds is caught');
SELECT is(pg_temp.finish_at(-5, date_trunc('month', now()) + interval '8 months'), 'task_history_default'::name, 'also what is too early');
SELECT is(partitions_ahead(p_months => 8), 2, 'which does not keep its month from being made');
SELECT is((SELECT c.relname FROM task_history h JOIN pg_class c ON c.oid = h.tableoid WHERE h.id = -5), pg_temp.month(8)::name, 'and moves there');
SELECT is((SELECT count(*) FROM task_history), 5::bigint, 'nothing is lost or doubled by it');

-- Two at once: the second waits and finds it done.
SELECT tap.dblink_connect_u('second', format('host=%s port=%s user=teleops_owner dbname=%s', :'HOST', :'PORT', :'DBNAME')) \g /dev/null
SELECT tap.dblink_exec('second', $$SET lock_timeout = '200ms'$$) \g /dev/null
SELECT throws_ok($$SELECT * FROM tap.dblink('second', 'SELECT partitions_ahead()') AS t (n integer)$$, '55P03', NULL, 'two janitors do not make the same month at once');
SELECT tap.dblink_disconnect('second') \g /dev/null

-- Expired leases.
SELECT * FROM pg_temp.start('one') \gset one_
SELECT * FROM pg_temp.start('two') \gset two_
SELECT * FROM pg_temp.start('three') \gset three_
SELECT pg_temp.order_task('run') AS a \gset
SELECT pg_temp.order_task('again') AS b \gset
SELECT pg_temp.order_task('run') AS c \gset
SELECT pg_temp.claim(:one_id, :one_epoch, 2) \g /dev/null
SELECT pg_temp.claim(:two_id, :two_epoch) \g /dev/null
SELECT is(pg_temp.work(:three_id), 0, 'while engines live there is nothing to give back');
SELECT pg_temp.expire('one') \g /dev/null
SELECT is(pg_temp.work(:one_id), 0, 'an engine does not judge itself: it may extend its lease yet');
SELECT is(pg_temp.work(:three_id), 2, 'of one whose lease is over all tasks are given back');
SELECT is((SELECT state FROM task_history WHERE id = :a), 'lost', 'what may have run is lost');
SELECT is((SELECT state FROM task WHERE id = :b), 'queued', 'what is idempotent waits again');
SELECT is((SELECT state FROM task WHERE id = :c), 'claimed', 'who lives keeps its own');
SELECT is((SELECT epoch FROM engine WHERE name = 'one'), :one_epoch + 1::bigint, 'the epoch of the dead one is over');
SELECT is(pg_temp.step(:one_id, :one_epoch, p_extend => true) -> 0 ->> 'what', 'fenced', 'so that it cannot come back with it');
SELECT is(pg_temp.work(:three_id), 0, 'a second look finds nothing');
SELECT is((SELECT epoch FROM engine WHERE name = 'one'), :one_epoch + 1::bigint, 'and takes no further epoch');
SELECT pg_temp.step(:one_id, :one_epoch, p_results => jsonb_build_array(jsonb_build_object('task', :a, 'state', 'done', 'text', 'after all'))) \g /dev/null
SELECT is((SELECT reason FROM task_history WHERE id = :a), 'late result: done', 'a result it still had is attached to the lost task');

-- Chores: one engine does each, when it is due.
UPDATE chore SET done_at = '-infinity';
SELECT ok(chore_due('retention', '1 minute'), 'a chore never done is due');
SELECT ok(NOT chore_due('retention', '1 minute'), 'not again at once');
UPDATE chore SET done_at = clock_timestamp() - interval '61 seconds' WHERE name = 'retention';
SELECT ok(chore_due('retention', '1 minute'), 'but when its time has come');
SELECT ok(NOT chore_due('no such chore', '1 minute'), 'what is no chore is never due');
SELECT is_empty($$SELECT name FROM chore WHERE position(format('chore_due(%L', name) IN (SELECT prosrc FROM pg_proc WHERE proname = 'janitor')) = 0$$,
	'the janitor does every chore there is');

-- Retention.
INSERT INTO update_seen (update_id, seen_at) VALUES (-1, now() - interval '47 hours'), (-2, now() - interval '49 hours');
INSERT INTO update_rejected (update_id, reason, rejected_at) VALUES (-1, '', now() - interval '29 days'), (-2, '', now() - interval '31 days');
INSERT INTO outbox_dead (id, op, reason, created_at, died_at) VALUES (-1, 'document', '', now(), now() - interval '89 days'), (-2, 'document', '', now(), now() - interval '91 days');
INSERT INTO outbox_document (outbox_id, name, body) VALUES (-1, 'a', ''), (-2, 'b', '');
INSERT INTO person_pace (telegram_id, since) VALUES (-1, now() - interval '59 minutes'), (-2, now() - interval '61 minutes');
INSERT INTO task_output (task_id, body, created_at) VALUES (-1, '', now() - interval '9 days'), (-2, '', now() - interval '11 days');
SELECT pg_temp.work(:three_id) \g /dev/null
SELECT is((SELECT array_agg(update_id) FROM update_seen WHERE update_id < 0), '{-1}'::bigint[], 'updates are remembered for 48 hours: Telegram sends for 24');
SELECT is((SELECT array_agg(update_id) FROM update_rejected WHERE update_id < 0), '{-1}'::bigint[], 'rejected ones for 30 days');
SELECT is((SELECT array_agg(id) FROM outbox_dead WHERE id < 0), '{-1}'::bigint[], 'what could not be sent for 90');
SELECT is((SELECT array_agg(outbox_id) FROM outbox_document WHERE outbox_id < 0), '{-1}'::bigint[], 'with its document');
SELECT is((SELECT array_agg(telegram_id) FROM person_pace WHERE telegram_id < 0), '{-1}'::bigint[], 'how fast people wrote for an hour');
SELECT is((SELECT count(*) FROM task_output WHERE task_id < 0), 2::bigint, 'output for ever, where no days are set');
SELECT pg_temp.work(:three_id, p_output => 10) \g /dev/null
SELECT is((SELECT array_agg(task_id) FROM task_output WHERE task_id < 0), '{-1}'::bigint[], 'else for so many days');

-- History goes by whole months.
DO $$
DECLARE
	m timestamptz := date_trunc('month', now());
BEGIN
	DELETE FROM task_history_default;
	FOR i IN 1 .. 3 LOOP
		EXECUTE format('CREATE TABLE %I PARTITION OF task_history FOR VALUES FROM (%L) TO (%L)', pg_temp.month(-i), m - i * interval '1 month', m - (i - 1) * interval '1 month');
	END LOOP;
END $$;
SELECT is(pg_temp.finish_at(-11, date_trunc('month', now()) - interval '1 second'), pg_temp.month(-1)::name, 'last month');
SELECT pg_temp.work(:three_id) \g /dev/null
SELECT ok(EXISTS (SELECT FROM month WHERE name = pg_temp.month(-3)), 'history is kept for ever, where no days are set');
-- As many days as have passed since the last month began: the one before it ended longer ago, the last one did not.
SELECT extract(day FROM now() - (date_trunc('month', now()) - interval '1 month'))::integer AS days \gset
SELECT pg_temp.work(:three_id, p_history => :days) \g /dev/null
SELECT is((SELECT array_agg(name ORDER BY name) FROM month WHERE name < pg_temp.month(0)), ARRAY[pg_temp.month(-1)]::name[], 'a month goes, whole, when its end is so long ago');
SELECT is((SELECT count(*) FROM task_history WHERE id = -11), 1::bigint, 'one that ended later stays, whole');
SELECT is((SELECT count(*) FROM audit_event WHERE action = 'retention'), 2::bigint, 'the record has what went');
DO $$ BEGIN EXECUTE 'DROP TABLE ' || pg_temp.month(3); END $$;
SELECT pg_temp.work(:three_id, p_history => 1) \g /dev/null
SELECT ok(EXISTS (SELECT FROM month WHERE name = pg_temp.month(3)), 'the janitor makes the months ahead');
SELECT ok(EXISTS (SELECT FROM month WHERE name = pg_temp.month(0)) AND EXISTS (SELECT FROM month WHERE name = 'task_history_default'), 'and this month never goes');
SELECT set_eq($$SELECT m[1] FROM pg_proc, regexp_matches(prosrc, 'chore_due\(''([^'']+)''', 'g') m$$, 'SELECT name FROM chore',
	'every chore that the janitor asks for can become due');
SELECT * FROM finish();
ROLLBACK;
