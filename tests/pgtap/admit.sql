-- admit(): what becomes of each kind of update; twice is once; order in the chat.
BEGIN;
\ir support.psql
SELECT plan(72);

-- Outcomes.
SELECT is(pg_temp.admit_one(4001, 'run', '{"command": "run"}'), 'task', 'a command she may run');
SELECT is(pg_temp.admit_one(4002, 'run', '{"command": "run"}'), 'refused', 'one he may not');
SELECT is(pg_temp.admit_one(4002, 'run', '{"command": "deploy", "args": {"env": "prod"}}'), 'refused', 'or not with these values');
SELECT is(pg_temp.admit_one(4002, 'run', '{"command": "deploy", "args": {"env": "staging"}}'), 'task', 'but with others');
SELECT is(pg_temp.admit_one(4002, 'run', '{"command": "restart"}'), 'refused', 'or not in this chat');
SELECT is(pg_temp.admit_one(4002, 'run', '{"command": "restart", "chat": -100}'), 'task', 'but in that');
SELECT is(pg_temp.admit_one(4001, 'run', '{"command": "no_such"}'), 'refused', 'a command that is gone');
SELECT is(pg_temp.admit_one(4003, 'run', '{"command": "run"}'), 'disabled', 'somebody switched off');
SELECT is(pg_temp.admit_one(4999, 'run', '{"command": "run"}'), 'stranger', 'somebody nobody knows');
SELECT is(pg_temp.admit_one(4999, 'callback', '{"extra": "q1"}'), 'ignored', 'whose presses are not even answered');
SELECT is(pg_temp.admit_one(4001, 'callback', '{"extra": "q2"}'), 'reply', 'while hers are');
SELECT is(pg_temp.admit_one(4001, 'ignore'), 'ignored', 'what is no request');
SELECT is(pg_temp.admit_one(0, 'text', '{"chat": 4001}'), 'ignored', 'what nobody sent');
SELECT is(pg_temp.admit_one(4001, 'text'), 'reply', 'plain talk');
SELECT is(pg_temp.admit_one(4001, 'invalid', '{"command": "echo", "reply": "text is missing"}'), 'reply', 'bad arguments of a command she may see');
SELECT is(pg_temp.admit_one(4002, 'invalid', '{"command": "echo", "reply": "text is missing"}'), 'refused', 'and of one he may not: its usage is not his to know');
UPDATE command SET enabled = false WHERE name = 'silent';
SELECT is(pg_temp.admit_one(4001, 'run', '{"command": "silent"}'), 'refused', 'a command switched off');

-- What each wrote.
SELECT results_eq($$SELECT c.name, u.login, t.chat_id, t.state, t.queue FROM task t JOIN command c ON c.id = t.command_id JOIN app_user u ON u.id = t.user_id ORDER BY t.id$$,
	$$VALUES ('run', 'ada', 4001::bigint, 'queued', 'default'), ('deploy', 'bob', 4002, 'queued', 'default'), ('restart', 'bob', -100, 'queued', 'default')$$,
	'tasks for what was admitted, and for nothing else');
SELECT is(pg_temp.waiting(4002), ARRAY[say('refused', '{"command": "run"}'), say('refused_value', '{"command": "deploy"}'), say('refused', '{"command": "restart"}'),
	say('refused', '{"command": "echo"}')], 'who is refused is told, in order, values apart from commands');
SELECT is(pg_temp.waiting(4003), ARRAY[say('disabled')], 'who is switched off is told');
SELECT is(pg_temp.waiting(4999), ARRAY[say('stranger', '{"telegram_id": 4999}')], 'a stranger is told the number');
SELECT is((SELECT array_agg(params ->> 'callback_query_id') FROM outbox WHERE op = 'answer_callback'), ARRAY['q2'], 'a press is answered, outside the chat''s lane');
SELECT is((SELECT out_seq FROM chat WHERE chat_id = 4002), 4::bigint, 'out_seq is the last place given');
SELECT is_empty($$SELECT chat_id FROM outbox o WHERE seq IS NOT NULL GROUP BY chat_id HAVING array_agg(seq ORDER BY seq) <> ARRAY(SELECT generate_series(1, count(o.id)))$$,
	'places have no gap');
SELECT results_eq($$SELECT action, count(*) FROM audit_event WHERE actor = 'bot' GROUP BY 1 ORDER BY 1$$,
	$$VALUES ('admitted', 3::bigint), ('refused', 7), ('stranger', 1)$$, 'the record has each admission and each refusal');
SELECT is((SELECT title || type FROM chat WHERE chat_id = -100), 'supergroup', 'a chat is noted when it first speaks');

-- A stranger is answered once, and counted.
SELECT is(pg_temp.admit_one(4999, 'text'), 'stranger', 'a stranger again');
SELECT is(pg_temp.waiting(4999), ARRAY[say('stranger', '{"telegram_id": 4999}')], 'is not answered again');
SELECT is((SELECT messages FROM join_request WHERE telegram_id = 4999), 2::bigint, 'but counted');
SELECT is((SELECT count(*) FROM audit_event WHERE action = 'stranger'), 1::bigint, 'and recorded once');

-- Twice is once.
CREATE TEMPORARY TABLE before AS SELECT (SELECT count(*) FROM task) AS tasks, (SELECT count(*) FROM outbox) AS messages, (SELECT count(*) FROM audit_event) AS events,
	(SELECT sum(out_seq) FROM chat) AS places;
CREATE TEMPORARY VIEW now_is AS SELECT (SELECT count(*) FROM task) AS tasks, (SELECT count(*) FROM outbox) AS messages, (SELECT count(*) FROM audit_event) AS events,
	(SELECT sum(out_seq) FROM chat) AS places;
SELECT is(pg_temp.admit_all('[{"update_id": 900001, "from": 4001, "action": "run", "command": "run"}, {"update_id": 900002, "from": 4002, "action": "text"}]'),
	'900001 duplicate, 900002 duplicate', 'updates that come again are duplicates');
SELECT is(pg_temp.admit_one(4001, 'run', '{"command": "run", "update_id": 900004}'), 'duplicate', 'whatever they now hold');
SELECT results_eq('SELECT * FROM now_is', 'SELECT * FROM before', 'and change nothing');
SELECT is(pg_temp.admit_one(4001, 'run', '{"command": "run", "update_id": 5}'), 'task', 'a lower number that is new is new');
SELECT is(pg_temp.admit_all('[{"update_id": 900001, "from": 4001, "action": "text"}, {"update_id": 77, "from": 4002, "action": "text"}]'), '77 reply, 900001 duplicate',
	'a batch may hold both');
SELECT lives_ok($$SELECT update_reject(p_update_id => 78, p_reason => 'why', p_body => repeat('x', 70000))$$, 'an update that failed alone is kept');
SELECT is((SELECT length(body) FROM update_rejected WHERE update_id = 78), 65536, 'up to 64 KiB of it');
SELECT is(pg_temp.admit_one(4001, 'text', '{"update_id": 78}'), 'duplicate', 'and is not admitted when it comes again');
SELECT lives_ok($$SELECT update_reject(p_update_id => 78, p_reason => 'why else', p_body => '')$$, 'nor rejected twice');

-- A stale catalogue writes nothing.
DELETE FROM before;
INSERT INTO before SELECT * FROM now_is;
SELECT is(pg_temp.admit_all('[{"update_id": 1001, "from": 4001, "action": "run", "command": "run"}]', p_version => 0), 'null stale', 'a stale version is said');
SELECT results_eq('SELECT * FROM now_is', 'SELECT * FROM before', 'and nothing written');
SELECT is(pg_temp.admit_all('[{"update_id": 1001, "from": 4001, "action": "run", "command": "run"}]'), '1001 task', 'so that the same update counts afterwards');

-- Deferred: presses, and talk of who is being asked, unless they come alone.
INSERT INTO pending (state, user_id, telegram_id, chat_id, command_id, expires_at)
	VALUES ('asking', pg_temp.user_id('ada'), 4001, 4001, pg_temp.command_id('echo'), now() + interval '1 hour');
SELECT is(pg_temp.admit_all('[{"update_id": 1101, "from": 4001, "action": "text"}, {"update_id": 1102, "from": 4002, "action": "callback", "extra": "q"},
	{"update_id": 1103, "from": 4003, "action": "text"}]'), '1101 deferred, 1102 deferred, 1103 disabled', 'what must come alone is deferred, the rest goes on');
SELECT is_empty($$SELECT FROM update_seen WHERE update_id IN (1101, 1102)$$, 'unwritten');
SELECT isnt(pg_temp.admit_all('[{"update_id": 1101, "from": 4001, "action": "text"}]', true), '1101 deferred', 'alone it is admitted');

-- Chats.
UPDATE chat SET allowed = false WHERE chat_id = -100;
SELECT is(pg_temp.admit_one(4001, 'run', '{"command": "run", "chat": -100}'), 'ignored', 'in a chat that is not allowed nothing is answered');
SELECT isnt(pg_temp.admit_one(4001, 'id', '{"chat": -100}'), 'ignored', 'but /id');
UPDATE chat SET blocked_at = now() WHERE chat_id = 4001;
SELECT is(pg_temp.admit_one(4001, 'text'), 'reply', 'who writes again');
SELECT is((SELECT blocked_at FROM chat WHERE chat_id = 4001), NULL, 'is there again');
SELECT is(pg_temp.admit_one(4001, 'mychat', '{"extra": "kicked"}'), 'ignored', 'being thrown out is no request');
SELECT isnt((SELECT blocked_at FROM chat WHERE chat_id = 4001), NULL, 'but noted');
SELECT is(pg_temp.admit_one(4001, 'text', '{"name": "Augusta"}'), 'reply', 'a new name');
SELECT is((SELECT name FROM telegram_account WHERE telegram_id = 4001), 'Augusta', 'is kept; the number is the identity');

-- Order and fairness.
UPDATE chat_policy SET allow_new = true;
DELETE FROM task;
SELECT pg_temp.order_task('echo', p_args => '{"text": "1"}') AS first \gset
SELECT pg_temp.order_task('echo', p_args => '{"text": "2"}') AS second \gset
SELECT pg_temp.order_task('run') AS third \gset
SELECT is((SELECT array_agg(parked ORDER BY id) FROM task), ARRAY['', 'turn', ''], 'an ordered command waits for the one before it in its chat; others do not');
SELECT is((SELECT array_agg((extract(epoch FROM turn_at - now()))::integer ORDER BY id) FROM task), ARRAY[0, 1, 2], 'each unfinished task of a person moves the next a second back');
SELECT pg_temp.order_task('deploy', 4002, '{"env": "staging"}') AS his \gset
SELECT is((SELECT turn_at - now() FROM task WHERE id = :his), interval '0', 'another''s is not moved');
SELECT pg_temp.order_task('other') AS elsewhere \gset
SELECT is((SELECT turn_at - now() FROM task WHERE id = :elsewhere), interval '0', 'nor is one in another queue');

-- Places in the chat, for replies: in groups the message is quoted, in topics the answer stays there.
SELECT pg_temp.admit_one(4001, 'text', '{"chat": -200, "thread": 5, "message": 88}') \g /dev/null
SELECT is((SELECT ARRAY[thread_id, reply_to, seq] FROM outbox WHERE chat_id = -200), ARRAY[5, 88, 1]::bigint[], 'in a group: the topic, the message answered, the place');
SELECT is((SELECT count(*) FROM outbox WHERE chat_id = 4001 AND reply_to IS NOT NULL), 0::bigint, 'in private nothing is quoted');
-- A queue that nobody serves just now is said at once; the task waits all the same.
UPDATE engine SET lease_until = '-infinity';
SELECT pg_temp.order_task('other', p_more => '{"chat": -300}') AS lonely \gset
SELECT is(pg_temp.waiting(-300), ARRAY[say('unserved', jsonb_build_object('task', :lonely, 'queue', 'other'))], 'nobody serves its queue: the chat hears so');
SELECT is((SELECT state FROM task WHERE id = :lonely), 'queued', 'and the task waits');
UPDATE engine SET lease_until = 'infinity';

-- Flood: one warning, then nothing, until it is calmer. Others are not touched.
CREATE FUNCTION pg_temp.flood(p_from bigint, p_id bigint) RETURNS text LANGUAGE sql AS $$
	SELECT split_part(pg_temp.admit_all(jsonb_build_array(jsonb_build_object('update_id', p_id, 'from', p_from, 'action', 'text')), p_rate => 3), ' ', 2)
$$;
DELETE FROM person_pace;
DELETE FROM pending;
DELETE FROM outbox WHERE chat_id = 4002;
SELECT is(array_agg(pg_temp.flood(4002, 5000 + n)), ARRAY['reply', 'reply', 'reply', 'flood', 'flooded', 'flooded'], 'more than the rate: warned once, then left out')
	FROM generate_series(1, 6) n;
SELECT is((pg_temp.waiting(4002))[4:], ARRAY[say('flood', '{"rate": 3}')], 'the warning is all that is said');
SELECT is(pg_temp.flood(4001, 5100), 'reply', 'another person is not meant');
SELECT is(pg_temp.flood(4002, 5001), 'duplicate', 'what comes again is a duplicate, not a flood');
UPDATE person_pace SET since = now() - interval '11 seconds' WHERE telegram_id = 4002;
SELECT is(pg_temp.flood(4002, 5200), 'reply', 'ten seconds later it is calmer');
SELECT is((SELECT messages FROM person_pace WHERE telegram_id = 4002), 1, 'and counted anew');
SELECT is(array_agg(pg_temp.flood(4002, 5200 + n)), ARRAY['reply', 'reply', 'flooded'], 'who goes on just after is not warned a second time') FROM generate_series(1, 3) n;
SELECT is(pg_temp.admit_one(4002, 'text'), 'reply', 'rate 0 limits nobody');

-- A group that became a supergroup says so in an update of its own.
SELECT is(pg_temp.admit_all('[{"update_id": 6001, "from": 4001, "chat": -300, "action": "migrate", "extra": "-1000300"}]'), '6001 deferred', 'it comes alone');
SELECT is(pg_temp.admit_all('[{"update_id": 6001, "from": 4001, "chat": -300, "action": "migrate", "extra": "-1000300"}]', true), '6001 ignored', 'is no request');
SELECT is((SELECT chat_id FROM task WHERE id = :lonely), -1000300::bigint, 'and is followed');
SELECT * FROM finish();
ROLLBACK;
