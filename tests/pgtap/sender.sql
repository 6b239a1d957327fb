-- The outbox: who leads, what is taken, what becomes of it.
BEGIN;
\ir support.psql
SELECT plan(66);
SELECT tap.dblink_connect_u('second', format('host=%s port=%s user=teleops_owner dbname=%s', :'HOST', :'PORT', :'DBNAME')) \g /dev/null

-- One leads; others stand by until its connection is gone.
SELECT sender_lead() AS lead \gset
SELECT ok(:lead > 0, 'the first to ask leads');
SELECT is((SELECT sender_epoch FROM bot_status), :lead::bigint, 'under a new epoch');
SELECT is((SELECT e FROM tap.dblink('second', 'SELECT sender_lead()') AS t (e bigint)), NULL, 'another session does not');
SELECT ok(sender_lead() > :lead, 'who leads may ask again, and has a newer epoch');
SELECT sender_epoch AS lead FROM bot_status \gset

-- What waits.
INSERT INTO chat (chat_id, type, out_seq) VALUES (1, 'private', 20), (2, 'supergroup', 2), (3, 'private', 1);
INSERT INTO outbox (op, chat_id, seq, text) SELECT 'send', 1, n, 'one ' || n FROM generate_series(1, 12) n;
INSERT INTO outbox (op, chat_id, seq, text, thread_id, reply_to, entities, markup, task_id, update_id)
	VALUES ('send', 2, 1, 'two 1', 5, 6, '[{"type": "bold"}]', '{"a": 1}', 7, 8);
INSERT INTO outbox (op, chat_id, seq, text) VALUES ('send', 2, 2, 'two 2'), ('send', 3, 1, 'three 1');
INSERT INTO outbox (op, params, expires_at) VALUES ('answer_callback', '{"callback_query_id": "q"}', now() - interval '1 second');
CREATE FUNCTION pg_temp.take(p_epoch bigint, p_limit integer DEFAULT 100, p_busy bigint[] DEFAULT '{}') RETURNS jsonb LANGUAGE sql AS $$
	SELECT coalesce(jsonb_agg(to_jsonb(t)), '[]') FROM outbox_take(p_epoch => p_epoch, p_busy => p_busy, p_limit => p_limit) t
$$;
CREATE FUNCTION pg_temp.texts(p_taken jsonb) RETURNS text[] LANGUAGE sql AS $$ SELECT array_agg(x ->> 'text') FROM jsonb_array_elements(p_taken) x $$;
CREATE FUNCTION pg_temp.settle(p_epoch bigint, p_text text, p_outcome text, p_parts integer DEFAULT 0, p_message bigint DEFAULT 0, p_reason text DEFAULT '',
	p_version integer DEFAULT 1, OUT dead integer, OUT again boolean) LANGUAGE sql AS $$
	SELECT s.dead, s.again FROM outbox o, outbox_settle(p_epoch => p_epoch, p_id => ARRAY[o.id], p_outcome => ARRAY[p_outcome], p_version => ARRAY[p_version],
		p_parts => ARRAY[p_parts], p_message_id => ARRAY[p_message], p_reason => ARRAY[p_reason]) s WHERE o.text = p_text
$$;

SELECT throws_ok(format('SELECT pg_temp.take(%s)', :lead - 1), '55000', 'another sender is active', 'with an old epoch nothing can be taken');
CREATE TEMPORARY TABLE taken AS SELECT pg_temp.take(:lead) AS t;
SELECT is((SELECT array_agg(x ->> 'text') FROM taken, jsonb_array_elements(t) x WHERE (x ->> 'chat_id')::bigint = 1),
	ARRAY(SELECT 'one ' || n FROM generate_series(1, 8) n), 'of a chat eight at a time, in order');
SELECT is((SELECT array_agg(x ->> 'text') FROM taken, jsonb_array_elements(t) x WHERE (x ->> 'chat_id')::bigint = 2), ARRAY['two 1', 'two 2'], 'of another what there is');
SELECT ok((SELECT x @> '{"op": "send", "version": 1, "seq": 1, "thread_id": 5, "reply_to": 6, "task_id": 7, "update_id": 8, "parts_sent": 0, "attempts": 0,
	"entities": [{"type": "bold"}], "markup": {"a": 1}, "blocked": false}' FROM taken, jsonb_array_elements(t) x WHERE x ->> 'text' = 'two 1'),
	'with all that is needed to send it');
SELECT ok((SELECT (x ->> 'expires_s')::float < 0 FROM taken, jsonb_array_elements(t) x WHERE x ->> 'op' = 'answer_callback'), 'what is too late says so');
SELECT is((SELECT count(*) FROM outbox WHERE taken_by = :lead), 12::bigint, 'all of it is noted as taken');
SELECT is(pg_temp.texts(pg_temp.take(:lead, p_busy => '{1}')), NULL, 'a chat with some in hand is left out');
SELECT is(pg_temp.texts(pg_temp.take(:lead, 2)), ARRAY['one 9', 'one 10'], 'never more than asked for');
SELECT is(pg_temp.texts(pg_temp.take(:lead)), ARRAY['one 11', 'one 12'], 'nothing is taken twice');
SELECT is(pg_temp.take(:lead), '[]', 'then there is nothing left');

-- sent, part, failed.
INSERT INTO task_history (id, state, attempt, queue, command_id, command_name, user_id, telegram_id, chat_id, args, line, admitted_at)
	VALUES (7, 'done', 1, 'default', 1, 'run', 1, 4001, 2, '{}', '/run', now());
SELECT is((pg_temp.settle(:lead, 'two 1', 'part', 1, 900)).dead, 0, 'a part that was sent');
SELECT results_eq($$SELECT parts_sent, message_ids FROM outbox WHERE text = 'two 1'$$, $$VALUES (1, '{900}'::bigint[])$$, 'is noted with its message');
SELECT is((pg_temp.settle(:lead, 'two 1', 'part', 2, 901)).dead, 0, 'another');
SELECT results_eq($$SELECT parts_sent, message_ids FROM outbox WHERE text = 'two 1'$$, $$VALUES (2, '{900,901}'::bigint[])$$, 'is added');
SELECT is((SELECT sent_at FROM task_history WHERE id = 7), NULL, 'the task''s answer is not sent yet');
SELECT is((pg_temp.settle(:lead, 'two 1', 'failed', p_reason => 'HTTP 500')).dead, 0, 'a try that failed');
SELECT results_eq($$SELECT parts_sent, attempts, last_error, taken_by = $$ || :lead || $$ FROM outbox WHERE text = 'two 1'$$, $$VALUES (2, 1, 'HTTP 500', true)$$,
	'is counted; what was sent stays sent, and the row with its sender');
SELECT is((pg_temp.settle(:lead, 'two 1', 'sent', 3, 902)).dead, 0, 'all of it sent');
SELECT is_empty($$SELECT FROM outbox WHERE text = 'two 1'$$, 'leaves the outbox');
SELECT isnt((SELECT sent_at FROM task_history WHERE id = 7), NULL, 'and the task knows');
SELECT is((pg_temp.settle(:lead, '', 'expired')).dead, 0, 'what came too late');
SELECT is_empty($$SELECT FROM outbox WHERE op = 'answer_callback'$$, 'is dropped');
SELECT is_empty($$SELECT FROM outbox_dead$$, 'nothing of this is dead');

-- dead, blocked.
SELECT is((pg_temp.settle(:lead, 'two 2', 'dead', p_reason => '400 Bad Request')).dead, 1, 'what Telegram refuses');
SELECT results_eq($$SELECT text, chat_id, reason FROM outbox_dead$$, $$VALUES ('two 2', 2::bigint, '400 Bad Request')$$, 'is kept as dead');
SELECT is((SELECT blocked_at FROM chat WHERE chat_id = 2), NULL, 'and its chat goes on');
UPDATE outbox SET taken_by = NULL WHERE text IN ('one 11', 'one 12');
SELECT is((pg_temp.settle(:lead, 'one 1', 'blocked', p_reason => '403 Forbidden')).dead, 3, 'when a chat is closed to us, what waits for it dies too');
SELECT is((SELECT count(*) FROM outbox_dead WHERE chat_id = 1 AND reason = '403 Forbidden'), 3::bigint, 'for the same reason');
SELECT isnt((SELECT blocked_at FROM chat WHERE chat_id = 1), NULL, 'and the chat is marked');
SELECT is((SELECT count(*) FROM outbox WHERE chat_id = 1 AND taken_by = :lead), 9::bigint, 'what is in hand is settled by who has it');
UPDATE outbox SET taken_by = NULL WHERE text = 'one 2';
SELECT ok((pg_temp.take(:lead) -> 0 ->> 'blocked')::boolean, 'who takes more for that chat is told that it is closed');
SELECT is((outbox_settle(p_epoch => :lead, p_id => '{}', p_outcome => '{}', p_version => '{}', p_parts => '{}', p_message_id => '{}', p_reason => '{}')).dead, 0, 'nothing to settle is no error');
SELECT is((outbox_settle(p_epoch => :lead, p_id => '{-1}', p_outcome => '{sent}', p_version => '{1}', p_parts => '{0}', p_message_id => '{0}', p_reason => '{""}')).dead, 0, 'nor what is not there');

-- A row that is overwritten while it is sent goes out again, in its newer version; the last is never dropped.
INSERT INTO outbox (op, chat_id, seq, text, coalesce_key, params) VALUES ('edit', 3, 2, 'now 50 %', 'live 9', '{"message_id": 5}');
SELECT is((SELECT (x ->> 'version')::integer FROM jsonb_array_elements(pg_temp.take(:lead)) x WHERE x ->> 'text' = 'now 50 %'), 1, 'taken in its first version');
UPDATE outbox SET text = 'all 100 %', wanted_version = wanted_version + 1 WHERE coalesce_key = 'live 9';
SELECT ok((pg_temp.settle(:lead, 'all 100 %', 'sent', p_version => 1)).again, 'the first version sent: the row waits again');
SELECT results_eq($$SELECT sent_version, taken_by FROM outbox WHERE coalesce_key = 'live 9'$$, 'VALUES (1, NULL::bigint)', 'it knows what was sent');
SELECT is((SELECT (x ->> 'version')::integer FROM jsonb_array_elements(pg_temp.take(:lead)) x WHERE x ->> 'text' = 'all 100 %'), 2, 'it is taken in its second');
SELECT ok(NOT (pg_temp.settle(:lead, 'all 100 %', 'sent', p_version => 2)).again, 'that sent, nothing waits');
SELECT is_empty($$SELECT FROM outbox WHERE coalesce_key = 'live 9'$$, 'and it is gone');

-- Documents go with their rows, stay with dead ones.
INSERT INTO outbox (op, chat_id, seq, text) VALUES ('document', 3, 3, 'file a'), ('document', 3, 4, 'file b'), ('chat_action', 3, NULL, 'typing');
INSERT INTO outbox_document (outbox_id, name, body) SELECT id, text || '.txt', '\x61' FROM outbox WHERE op = 'document';
SELECT is_empty(format('SELECT FROM outbox o, outbox_file(p_epoch => %s, p_id => o.id)', :lead), 'a file is given to nobody before its row is taken');
SELECT pg_temp.take(:lead) \g /dev/null
SELECT results_eq(format('SELECT f.name, f.body FROM outbox o, outbox_file(p_epoch => %s, p_id => o.id) f ORDER BY o.id', :lead),
	$$VALUES ('file a.txt', '\x61'::bytea), ('file b.txt', '\x61')$$, 'then to who took it');
SELECT is_empty(format('SELECT FROM outbox o, outbox_file(p_epoch => %s, p_id => o.id)', :lead - 1), 'and to no former sender');
SELECT pg_temp.settle(:lead, 'file a', 'sent'), pg_temp.settle(:lead, 'file b', 'dead', p_reason => 'too large') \g /dev/null
SELECT results_eq('SELECT d.name FROM outbox_document d', $$VALUES ('file b.txt')$$, 'sent, it is gone; dead, it is kept');
SELECT ok((SELECT outbox_id IN (SELECT id FROM outbox_dead) FROM outbox_document), 'with its dead row');
SELECT is((pg_temp.settle(:lead, 'typing', 'dead', p_reason => 'too late')).dead, 0, 'typing that nobody saw is nothing to keep');

-- A group that became a supergroup is followed.
INSERT INTO chat (chat_id, type, out_seq) VALUES (-5, 'group', 9);
INSERT INTO role_command (role_id, command_id, chat_id) SELECT r.id, c.id, -5 FROM role r, command c WHERE r.name = 'crew' AND c.name = 'once';
SELECT pg_temp.order_task('run', p_more => '{"chat": -5}') AS moving \gset
UPDATE chat SET title = 'Ops' WHERE chat_id = -5;
INSERT INTO outbox (op, chat_id, seq, text, reply_to) VALUES ('send', -5, 8, 'old 8', 3), ('send', -5, 9, 'old 9', 4);
SELECT pg_temp.take(:lead) \g /dev/null
SELECT ok((pg_temp.settle(:lead, 'old 8', 'moved', p_message => -1000005)).again, 'moved: its messages wait again');
SELECT results_eq('SELECT text, seq, reply_to, taken_by FROM outbox WHERE chat_id = -1000005 ORDER BY seq',
	$$VALUES ('old 8', 1::bigint, NULL::bigint, NULL::bigint), ('old 9', 2, NULL, NULL)$$, 'in the new chat, in their order; old messages cannot be answered there');
SELECT results_eq('SELECT out_seq, title, type FROM chat WHERE chat_id = -1000005', $$VALUES (2::bigint, 'Ops', 'supergroup')$$, 'the new chat has their places, and the title');
SELECT is((SELECT migrated_to FROM chat WHERE chat_id = -5), -1000005::bigint, 'the old one says where it went');
SELECT is((SELECT chat_id FROM task WHERE id = :moving), -1000005::bigint, 'tasks answer there');
SELECT is((SELECT count(*) FROM role_command WHERE chat_id = -1000005), 1::bigint, 'grants hold there');
SELECT chat_migrate(-5, -1000005) \g /dev/null
SELECT is((SELECT out_seq FROM chat WHERE chat_id = -1000005), 2::bigint, 'being told twice changes nothing');
DELETE FROM outbox WHERE chat_id < 0;

-- Who leads next finds what the former left.
SELECT sender_lead() AS next \gset
SELECT ok(:next > :lead, 'a new lead');
SELECT is_empty('SELECT FROM outbox WHERE taken_by IS NOT NULL', 'what the former sender held waits again');
SELECT is((SELECT count(*) FROM outbox), 10::bigint, 'none of it is lost');
SELECT throws_ok(format('SELECT pg_temp.take(%s)', :lead), '55000', 'another sender is active', 'and the former takes nothing more');
SELECT is((pg_temp.texts(pg_temp.take(:next)))[1:2], ARRAY['one 2', 'one 3'], 'in the order they had');

-- What leaves with the connection: the lead.
SELECT pg_advisory_unlock_all() \g /dev/null
SELECT ok((SELECT ok FROM tap.dblink('second', $$SELECT pg_try_advisory_lock(hashtext('teleops.sender'))$$) AS t (ok boolean)),
	'when the leader''s session lets go another can lead');
SELECT tap.dblink_disconnect('second') \g /dev/null

-- bot_seen: what getMe said. Only a new name is a new catalogue.
SELECT version AS was FROM catalogue_version \gset
SELECT bot_seen(p_bot_id => 99, p_username => 'ops_bot', p_name => 'Ops') \g /dev/null
SELECT results_eq('SELECT bot_id, username, name, seen_at IS NOT NULL FROM bot_status', $$VALUES (99::bigint, 'ops_bot', 'Ops', true)$$, 'the bot''s name is noted');
SELECT is((SELECT version FROM catalogue_version), :was + 1::bigint, 'TeleBot will read it');
UPDATE bot_status SET seen_at = NULL;
SELECT bot_seen(p_bot_id => 99, p_username => 'ops_bot', p_name => 'Ops') \g /dev/null
SELECT is((SELECT version FROM catalogue_version), :was + 1::bigint, 'seeing it again changes no catalogue');
SELECT isnt((SELECT seen_at FROM bot_status), NULL, 'but is noted');
SELECT * FROM finish();
ROLLBACK;
