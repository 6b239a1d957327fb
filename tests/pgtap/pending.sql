-- Requests that wait for a person: arguments asked for, dangerous runs confirmed, others approved; and who may press what.
BEGIN;
\ir support.psql
SELECT plan(56);
INSERT INTO role (name) VALUES ('elders');
INSERT INTO app_user (login, first_name) VALUES ('cleo', 'Cleo'), ('dan', 'Dan');
INSERT INTO telegram_account (telegram_id, user_id) VALUES (4006, pg_temp.user_id('cleo')), (4007, pg_temp.user_id('dan'));
INSERT INTO user_role SELECT u.id, r.id FROM app_user u, role r WHERE u.login IN ('ada', 'cleo', 'dan') AND r.name = 'elders';
INSERT INTO chat (chat_id, type) VALUES (4001, 'private'), (4002, 'private'), (4006, 'private'), (4007, 'private');
CREATE FUNCTION pg_temp.last(p_chat bigint) RETURNS text LANGUAGE sql AS $$ SELECT text FROM outbox WHERE chat_id = p_chat AND seq IS NOT NULL ORDER BY seq DESC LIMIT 1 $$;
-- A press: what is shown to who pressed.
CREATE FUNCTION pg_temp.push(p_from bigint, p_token text, p_chat bigint DEFAULT NULL) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	query text := 'q' || nextval('pg_temp.next_update');
BEGIN
	PERFORM pg_temp.admit_one(p_from, 'callback', jsonb_build_object('reply', p_token, 'extra', query, 'chat', coalesce(p_chat, p_from), 'message', 77));
	RETURN (SELECT text FROM outbox WHERE op = 'answer_callback' AND params ->> 'callback_query_id' = query);
END $$;
CREATE FUNCTION pg_temp.token(p_kind text, p_value text DEFAULT '') RETURNS text LANGUAGE sql AS $$
	SELECT token FROM button WHERE kind = p_kind AND value = p_value ORDER BY expires_at DESC, pending_id DESC LIMIT 1
$$;
CREATE FUNCTION pg_temp.state() RETURNS text LANGUAGE sql AS $$ SELECT state FROM pending ORDER BY id DESC LIMIT 1 $$;

-- Small things.
SELECT is(encode(hmac_sha256('Jefe', 'what do ya want for nothing?'), 'hex'), '5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843', 'HMAC: RFC 4231, case 2');
SELECT is(encode(hmac_sha256(decode(repeat('0b', 20), 'hex'), 'Hi There'), 'hex'), 'b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7', 'case 1');
SELECT is(expand('--env={env} {a}{b}', '{"env": "{a}", "a": "1"}'), '--env={a} 1', 'a template is expanded once; what is not there is nothing');
SELECT is(word_quoted('a b'), '''a b''', 'a word with a space is shown quoted');
SELECT is(word_quoted('it''s'), '''it''\''''s''', 'and one with a quote');
SELECT is(word_quoted('a-b=c/d'), 'a-b=c/d', 'a plain one is not');
SELECT is(word_quoted(''), '''''', 'an empty one is seen');

-- Confirmed: a dangerous command shows what it would do, and waits.
UPDATE command SET dangerous = true WHERE name = 'deploy';
SELECT is(pg_temp.admit_one(4001, 'run', '{"command": "deploy", "args": {"env": "prod", "count": "1"}}'), 'pending', 'a dangerous command is no task yet');
SELECT is_empty('SELECT FROM task', 'nothing runs');
SELECT matches(pg_temp.last(4001), 'env = prod\ncount = 1\n', 'its arguments are shown in full');
SELECT is((SELECT array_agg(k ->> 'text') FROM outbox o, jsonb_array_elements(o.markup -> 'inline_keyboard' -> 0) k WHERE o.chat_id = 4001), ARRAY[say('button_run'), say('button_cancel')],
	'with two buttons');
SELECT is_empty($$SELECT FROM outbox o, jsonb_array_elements(o.markup -> 'inline_keyboard' -> 0) k WHERE length(k ->> 'callback_data') > 64 OR k ->> 'callback_data' !~ '^[0-9a-f]{32}$'$$,
	'whose data is a random token and nothing else');
SELECT is(pg_temp.push(4002, pg_temp.token('run'), 4001), say('button_not_yours'), 'another''s press does nothing');
SELECT is(pg_temp.push(4001, repeat('0', 32)), say('button_old'), 'nor does a token that is made up');
SELECT is_empty('SELECT FROM task', 'still nothing runs');
SELECT pg_temp.token('run') AS go \gset
SELECT is(pg_temp.push(4001, :'go'), '', 'her own press');
SELECT results_eq('SELECT args, state, user_id FROM task', $$VALUES ('{"env": "prod", "count": "1"}'::jsonb, 'queued', pg_temp.user_id('ada'))$$, 'makes the task');
SELECT is(pg_temp.push(4001, :'go'), say('button_old'), 'once');
SELECT is((SELECT count(*) FROM task), 1::bigint, 'and only one');
SELECT results_eq($$SELECT action FROM audit_event WHERE actor = 'bot' ORDER BY id$$, $$VALUES ('confirmation asked'), ('confirmed'), ('admitted')$$, 'each step is in the record');
DELETE FROM task;
SELECT pg_temp.admit_one(4001, 'run', '{"command": "deploy", "args": {"env": "prod", "count": "1"}}') \g /dev/null
SELECT pg_temp.token('run') AS go \gset
SELECT pg_temp.push(4001, pg_temp.token('dismiss')) \g /dev/null
SELECT is(pg_temp.push(4001, :'go'), say('button_old'), 'dismissed, it cannot be confirmed any more');
SELECT is_empty('SELECT FROM pending UNION ALL SELECT FROM task', 'nothing is left');

-- What changed meanwhile does not run: the command, the right, the time.
SELECT pg_temp.admit_one(4001, 'run', '{"command": "deploy", "args": {"env": "prod", "count": "1"}}') \g /dev/null
UPDATE command SET template = 'something else' WHERE name = 'deploy';
SELECT pg_temp.push(4001, pg_temp.token('run')) \g /dev/null
SELECT is(pg_temp.last(4001), say('pending_changed', '{"command": "deploy"}'), 'a command that was changed after it was shown is not run');
SELECT pg_temp.admit_one(4001, 'run', '{"command": "deploy", "args": {"env": "prod", "count": "1"}}') \g /dev/null
UPDATE command SET description = 'other words' WHERE name = 'deploy';
SELECT pg_temp.push(4001, pg_temp.token('run')) \g /dev/null
SELECT is((SELECT count(*) FROM task), 1::bigint, 'other words about it are no change');
DELETE FROM task;
SELECT pg_temp.admit_one(4001, 'run', '{"command": "deploy", "args": {"env": "prod", "count": "1"}}') \g /dev/null
CREATE TEMPORARY TABLE taken AS SELECT * FROM user_role WHERE user_id = pg_temp.user_id('ada');
DELETE FROM user_role WHERE user_id = pg_temp.user_id('ada');
SELECT pg_temp.push(4001, pg_temp.token('run')) \g /dev/null
SELECT is(pg_temp.last(4001), say('refused', '{"command": "deploy"}'), 'who lost the right does not run it');
INSERT INTO user_role SELECT * FROM taken;
SELECT pg_temp.admit_one(4001, 'run', '{"command": "deploy", "args": {"env": "prod", "count": "1"}}') \g /dev/null
UPDATE pending SET expires_at = now();
SELECT is(pg_temp.push(4001, pg_temp.token('run')), say('button_old'), 'when its time is over it is not run');
SELECT is_empty('SELECT FROM task', 'none of these ran');
SELECT pending_expire() \g /dev/null
UPDATE pending SET expires_at = now() - interval '1 second';
SELECT pending_expire() \g /dev/null
SELECT is_empty('SELECT FROM pending', 'the janitor takes it away');

-- Approved by others.
UPDATE command SET dangerous = false, approvals = 2, approver_role_id = (SELECT id FROM role WHERE name = 'elders') WHERE name = 'deploy';
DELETE FROM outbox;
SELECT is(pg_temp.admit_one(4001, 'run', '{"command": "deploy", "args": {"env": "prod", "count": "2"}}'), 'pending', 'a command that needs approval waits');
SELECT is(pg_temp.state(), 'approving', 'for that');
SELECT id AS request FROM pending \gset
SELECT is((SELECT array_agg(DISTINCT chat_id ORDER BY chat_id) FROM outbox WHERE markup IS NOT NULL), ARRAY[4006, 4007]::bigint[], 'those who may approve are asked, she is not');
SELECT matches(pg_temp.last(4006), 'env = prod\ncount = 2\n', 'they see in full what they approve');
SELECT is((SELECT count(DISTINCT b) FROM outbox o, jsonb_path_query(o.markup, '$.inline_keyboard[*][*].callback_data') b), 2::bigint, 'with a button to approve and one to reject');
SELECT pg_temp.admit_one(4001, 'approve', jsonb_build_object('extra', :request)) \g /dev/null
SELECT is(pg_temp.last(4001), say('approve_own', jsonb_build_object('request', :request)), 'nobody approves their own');
SELECT pg_temp.admit_one(4002, 'approve', jsonb_build_object('extra', :request)) \g /dev/null
SELECT is(pg_temp.last(4002), say('approve_unknown', jsonb_build_object('request', :request)), 'who is no approver does not even learn of it');
SELECT is(pg_temp.push(4002, pg_temp.token('approve'), 4006), say('approve_unknown', jsonb_build_object('request', :request)), 'nor by a button');
SELECT is_empty('SELECT FROM approval UNION ALL SELECT FROM task', 'none of that counts');
SELECT pg_temp.push(4006, pg_temp.token('approve')) \g /dev/null
SELECT is((SELECT count(*) FROM approval), 1::bigint, 'one has approved');
SELECT is(pg_temp.push(4006, pg_temp.token('approve')), say('approve_twice', jsonb_build_object('request', :request)), 'the same person counts once');
SELECT is_empty('SELECT FROM task', 'one is not two');
SELECT is((SELECT op || ' ' || (params ->> 'message_id') FROM outbox WHERE chat_id = 4006 AND op = 'edit'), 'edit 77', 'the message that was pressed says who approved');
SELECT isnt((SELECT markup FROM outbox WHERE chat_id = 4006 AND op = 'edit'), NULL, 'and keeps its buttons as long as more must agree');
SELECT pg_temp.admit_one(4007, 'approve', jsonb_build_object('extra', :request)) \g /dev/null
SELECT results_eq('SELECT args, user_id, telegram_id FROM task', $$VALUES ('{"env": "prod", "count": "2"}'::jsonb, pg_temp.user_id('ada'), 4001::bigint)$$, 'a second approval makes the task, as hers');
SELECT is((SELECT array_agg(u.login ORDER BY e.id) FROM audit_event e JOIN app_user u ON u.id = e.user_id WHERE action = 'approved'), ARRAY['cleo', 'dan'], 'the record has both');
DELETE FROM task;
SELECT pg_temp.admit_one(4001, 'run', '{"command": "deploy", "args": {"env": "prod", "count": "2"}}') \g /dev/null
SELECT pg_temp.push(4006, pg_temp.token('approve')) \g /dev/null
UPDATE command_parameter SET help = 'other' WHERE name = 'env';
UPDATE command SET template = 'something worse' WHERE name = 'deploy';
SELECT pg_temp.push(4007, pg_temp.token('approve')) \g /dev/null
SELECT is_empty('SELECT FROM task', 'what was changed between two approvals does not run');
SELECT is(pg_temp.last(4001), say('pending_changed', '{"command": "deploy"}'), 'and she hears why');
SELECT pg_temp.admit_one(4001, 'run', '{"command": "deploy", "args": {"env": "prod", "count": "2"}}') \g /dev/null
SELECT pg_temp.token('approve') AS yes \gset
SELECT pg_temp.push(4007, pg_temp.token('reject')) \g /dev/null
SELECT is(pg_temp.push(4006, :'yes'), say('button_old'), 'one who rejects is enough');
SELECT pg_temp.admit_one(4001, 'run', '{"command": "deploy", "args": {"env": "prod", "count": "2"}}') \g /dev/null
UPDATE pending SET args = '{"env": "prod", "count": "9"}';
SELECT pg_temp.push(4006, pg_temp.token('approve')), pg_temp.push(4007, pg_temp.token('approve')) \g /dev/null
SELECT is_empty('SELECT FROM task', 'arguments that are not those approved do not run');
UPDATE app_user SET enabled = false WHERE login = 'cleo';
SELECT pg_temp.admit_one(4001, 'run', '{"command": "deploy", "args": {"env": "prod", "count": "2"}}') \g /dev/null
SELECT pg_temp.push(4006, pg_temp.token('approve')) \g /dev/null
SELECT is_empty('SELECT FROM approval', 'who is switched off approves nothing');
DELETE FROM pending;

-- Asked for what is missing.
UPDATE command SET approvals = 0, approver_role_id = NULL, interactive = true WHERE name = 'deploy';
SELECT is(pg_temp.admit_one(4001, 'ask', '{"command": "deploy"}'), 'pending', 'what is missing is asked for');
SELECT results_eq('SELECT command_id, parameter FROM pending_asked(4001, 4001, 0)', $$VALUES (pg_temp.command_id('deploy'), 'env')$$, 'the required one');
SELECT is_empty('SELECT FROM pending_asked(4002, 4001, 0) UNION ALL SELECT FROM pending_asked(4001, 4002, 0) UNION ALL SELECT FROM pending_asked(4001, 4001, 5)',
	'her, in that chat and topic, and nobody else');
SELECT is(pg_temp.admit_one(4002, 'ask', '{"command": "echo"}'), 'refused', 'who may not run a command is not asked');
SELECT pg_temp.admit_one(4001, 'ask', '{"command": "deploy"}') \g /dev/null
SELECT is((SELECT count(*) FROM pending), 1::bigint, 'one conversation at a time');
SELECT pg_temp.push(4001, pg_temp.token('choice', 'staging')) \g /dev/null
SELECT results_eq('SELECT args, line FROM task', $$VALUES ('{"env": "staging"}'::jsonb, '/deploy env=staging')$$, 'a choice pressed completes it; the line reads as if it had been typed');
SELECT is_empty('SELECT FROM pending', 'and the conversation is over');
SELECT * FROM finish();
ROLLBACK;
