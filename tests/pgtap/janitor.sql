-- What is periodic: partitions ahead, retention, expired leases.
BEGIN;
\ir support.psql
SELECT plan(33);
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
SELECT is(janitor(p_engine => :three_id), 0, 'while engines live there is nothing to give back');
SELECT pg_temp.expire('one') \g /dev/null
SELECT is(janitor(p_engine => :one_id), 0, 'an engine does not judge itself: it may extend its lease yet');
SELECT is(janitor(p_engine => :three_id), 2, 'of one whose lease is over all tasks are given back');
SELECT is((SELECT state FROM task_history WHERE id = :a), 'lost', 'what may have run is lost');
SELECT is((SELECT state FROM task WHERE id = :b), 'queued', 'what is idempotent waits again');
SELECT is((SELECT state FROM task WHERE id = :c), 'claimed', 'who lives keeps its own');
SELECT is((SELECT epoch FROM engine WHERE name = 'one'), :one_epoch + 1::bigint, 'the epoch of the dead one is over');
SELECT is(pg_temp.step(:one_id, :one_epoch, p_extend => true) -> 0 ->> 'what', 'fenced', 'so that it cannot come back with it');
SELECT is(janitor(p_engine => :three_id), 0, 'a second look finds nothing');
SELECT is((SELECT epoch FROM engine WHERE name = 'one'), :one_epoch + 1::bigint, 'and takes no further epoch');
SELECT pg_temp.step(:one_id, :one_epoch, p_results => jsonb_build_array(jsonb_build_object('task', :a, 'state', 'done', 'text', 'after all'))) \g /dev/null
SELECT is((SELECT reason FROM task_history WHERE id = :a), 'late result: done', 'a result it still had is attached to the lost task');

-- Retention.
INSERT INTO update_seen (update_id, seen_at) VALUES (-1, now() - interval '47 hours'), (-2, now() - interval '49 hours');
SELECT janitor(p_engine => :three_id) \g /dev/null
SELECT ok(EXISTS (SELECT FROM update_seen WHERE update_id = -1), 'an update seen 47 hours ago is remembered: Telegram sends for 24');
SELECT ok(NOT EXISTS (SELECT FROM update_seen WHERE update_id = -2), 'one seen 49 hours ago is not');
DO $$ BEGIN EXECUTE 'DROP TABLE ' || pg_temp.month(3); END $$;
SELECT janitor(p_engine => :three_id) \g /dev/null
SELECT ok(EXISTS (SELECT FROM month WHERE name = pg_temp.month(3)), 'the janitor makes the months ahead');
SELECT is((SELECT count(*) FROM task_history WHERE id IN (-4, -5)), 2::bigint, 'and leaves the rest of history alone');
SELECT * FROM finish();
ROLLBACK;
