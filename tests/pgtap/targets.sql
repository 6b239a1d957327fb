-- Targets: one task, a part for each engine; what is gathered, what comes late, what begins again.
BEGIN;
\ir support.psql
SELECT plan(27);

SELECT config_apply('{"commands": [
	{"name": "all", "kind": "exec", "program": "true", "at_once": 2, "stop_after": 2, "parameters": [{"name": "on", "type": "target", "required": true}]},
	{"name": "still", "kind": "exec", "program": "true", "logged": false, "parameters": [{"name": "on", "type": "target", "required": true}]},
	{"name": "idem", "kind": "exec", "program": "true", "idempotent": true, "max_attempts": 2, "parameters": [{"name": "on", "type": "target", "required": true}]}],
	"grants": [{"role": "crew", "command": "all"}, {"role": "crew", "command": "still"}, {"role": "crew", "command": "idem"}]}', false) \g /dev/null
SELECT * FROM pg_temp.start('one') \gset one_
SELECT * FROM pg_temp.start('two') \gset two_
SELECT * FROM pg_temp.start('three') \gset three_
-- What the sender would show of a task, as the active one that has its message in hand.
SELECT sender_lead() AS lead \gset
CREATE FUNCTION pg_temp.seen(p_lead bigint, p_task bigint) RETURNS text LANGUAGE sql AS $$
	UPDATE outbox SET taken_by = p_lead WHERE coalesce_key = 'live ' || p_task;
	SELECT t.text FROM outbox o, outbox_text(p_lead, o.id) t WHERE o.coalesce_key = 'live ' || p_task
$$;
CREATE FUNCTION pg_temp.part(p_host text) RETURNS bigint LANGUAGE sql AS $$ SELECT id FROM task WHERE host = p_host $$;
CREATE FUNCTION pg_temp.line(p_text text, p_host text) RETURNS text LANGUAGE sql AS $$ SELECT l FROM regexp_split_to_table(p_text, E'\n') l WHERE l LIKE p_host || ':_%' $$;

-- Two at once; the message tells what the sender finds when it comes.
SELECT pg_temp.order_task('all', p_args => '{"on": ["one", "three", "two"]}') \g /dev/null
SELECT id AS parent FROM task WHERE parent_id IS NULL \gset
SELECT results_eq('SELECT host, parked FROM task WHERE parent_id IS NOT NULL ORDER BY host', $$VALUES ('one', ''), ('three', ''), ('two', 'wave')$$, 'so many parts at once, the others wait');
SELECT pg_temp.part('one') AS a, pg_temp.part('two') AS b, pg_temp.part('three') AS c \gset
SELECT is(pg_temp.claim(:two_id, :two_epoch), '{}', 'a part that waits is not claimed');
SELECT is(pg_temp.claim(:one_id, :one_epoch), ARRAY[:a]::bigint[], 'each goes to its own engine');
SELECT pg_temp.claim(:three_id, :three_epoch) \g /dev/null
SELECT pg_temp.step(:one_id, :one_epoch, p_started => ARRAY[:a]::bigint[]) \g /dev/null
SELECT matches(pg_temp.seen(:lead, :parent), '0 done, 0 not, 2 running, 1 waiting, of 3', 'one message for all, at the first beginning');
SELECT pg_temp.step(:one_id, :one_epoch, p_results => jsonb_build_array(jsonb_build_object('task', :a, 'output', E'the same\n'))) \g /dev/null
SELECT matches(pg_temp.seen(:lead, :parent), '1 done, 0 not, 1 running, 1 waiting', 'which changes as they end');
SELECT is((SELECT parked FROM task WHERE id = :b), '', 'and lets the next begin');
SELECT results_eq('SELECT head, digest = output_digest(''the same'') FROM task_output WHERE task_id = ' || :a, $$VALUES ('the same', true)$$, 'the head of what it printed is kept apart');

-- An engine goes; what it says afterwards is shown where the others are still at it.
SELECT pg_temp.expire('three') \g /dev/null
SELECT leases_expire(:one_id) \g /dev/null
SELECT is(pg_temp.line(pg_temp.seen(:lead, :parent), 'three'), 'three: lost, engine went away', 'a host whose engine has gone is lost');
SELECT cardinality(pg_temp.waiting(4001)) AS said \gset
SELECT pg_temp.step(:three_id, :three_epoch, p_results => jsonb_build_array(jsonb_build_object('task', :c, 'output', 'the same'))) \g /dev/null
SELECT is(pg_temp.line(pg_temp.seen(:lead, :parent), 'three'), 'three: lost, late result: done', 'its late result is attached');
SELECT matches(pg_temp.seen(:lead, :parent), E'one, three:\nthe same', 'with what it printed');
SELECT is(cardinality(pg_temp.waiting(4001)), :said, 'without a message of its own');
SELECT is((SELECT detail ->> 'state' FROM audit_event WHERE action = 'late' AND object = 'task ' || :c), 'done', 'and in the record');
SELECT pg_temp.claim(:two_id, :two_epoch) \g /dev/null
SELECT pg_temp.step(:two_id, :two_epoch, p_results => jsonb_build_array(jsonb_build_object('task', :b, 'output', 'something else'))) \g /dev/null
SELECT is((SELECT state FROM task_history WHERE id = :parent), 'failed', 'the task is as its parts were reported: one was lost');
SELECT is((SELECT body FROM task_output WHERE task_id = :parent), E'one, three:\nthe same\n\ntwo:\nsomething else', 'all that was printed is kept, each text once');
SELECT results_eq('SELECT text ~ ''2 done, 1 not, 0 running, 0 waiting'', final FROM outbox WHERE coalesce_key = ''live '' || ' || :parent, $$VALUES (true, true)$$, 'the message has its end');
DELETE FROM outbox;

-- After the end of the task there is nothing left to gather into.
SELECT * FROM pg_temp.start('three') \gset three_
SELECT pg_temp.order_task('still', p_args => '{"on": ["one", "three"]}') \g /dev/null
SELECT id AS parent FROM task WHERE parent_id IS NULL \gset
SELECT pg_temp.part('one') AS a, pg_temp.part('three') AS c \gset
SELECT pg_temp.claim(:one_id, :one_epoch) \g /dev/null
SELECT pg_temp.claim(:three_id, :three_epoch) \g /dev/null
SELECT pg_temp.expire('three') \g /dev/null
SELECT leases_expire(:one_id) \g /dev/null
SELECT pg_temp.step(:one_id, :one_epoch, p_results => jsonb_build_array(jsonb_build_object('task', :a, 'output', 'kept nowhere'))) \g /dev/null
SELECT is((SELECT state FROM task_history WHERE id = :parent), 'failed', 'a task with a host lost has failed');
SELECT matches((SELECT text FROM outbox WHERE coalesce_key = 'live ' || :parent), 'kept nowhere', 'what is not to be kept is told');
SELECT is((SELECT count(*) FROM task_output WHERE task_id IN (:parent, :a)), 0::bigint, 'and kept nowhere');
SELECT pg_temp.step(:three_id, :three_epoch, p_results => jsonb_build_array(jsonb_build_object('task', :c, 'output', 'words', 'text', 'words'))) \g /dev/null
SELECT is((pg_temp.waiting(4001))[2], say('late_part', jsonb_build_object('host', 'three', 'state', 'done', 'line', '/still')) || E'\nwords', 'a result after that is a message that names the host');
SELECT is((SELECT count(*) FROM task_output WHERE task_id = :c), 0::bigint, 'which is not kept either');
DELETE FROM outbox;

-- What is idempotent begins again on the same engine, never on another.
SELECT * FROM pg_temp.start('three') \gset three_
SELECT pg_temp.order_task('idem', p_args => '{"on": ["three"]}') \g /dev/null
SELECT id AS parent FROM task WHERE parent_id IS NULL \gset
SELECT pg_temp.part('three') AS c \gset
SELECT pg_temp.claim(:three_id, :three_epoch) \g /dev/null
SELECT pg_temp.expire('three') \g /dev/null
SELECT leases_expire(:one_id) \g /dev/null
SELECT results_eq('SELECT state, queue FROM task WHERE id = ' || :c, $$VALUES ('queued', '@three')$$, 'an idempotent part waits again for its engine');
UPDATE task SET not_before = now();
SELECT is(pg_temp.claim(:one_id, :one_epoch), '{}', 'no other takes it');
SELECT * FROM pg_temp.start('three') \gset three_
SELECT is(pg_temp.claim(:three_id, :three_epoch), ARRAY[:c]::bigint[], 'its own does when it is back');
SELECT pg_temp.expire('three') \g /dev/null
UPDATE task SET state = 'queued', engine_id = NULL, epoch = NULL, claimed_at = NULL WHERE id = :c;
SELECT hosts_gone() \g /dev/null
SELECT results_eq('SELECT state, reason FROM task_history WHERE id = ' || :c, $$VALUES ('failed', 'its engine has gone')$$, 'and if it stays away, the part has failed');

-- What teleops task show tells of a task and of its part.
SELECT is((config_task(:parent)::jsonb #>> '{parts,0,engine}'), 'three', 'a task names its parts');
SELECT is((config_task(:c)::jsonb ->> 'part of task'), :parent::text, 'and a part its task');
SELECT is((config_task(:c)::jsonb ->> 'for engine'), 'three', 'and its engine');
SELECT * FROM finish();
ROLLBACK;
