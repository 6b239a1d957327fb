-- Which chats are answered: groups only once an administrator has said so. What moves with a group. When a grant holds.
BEGIN;
\ir support.psql
SELECT plan(51);

-- A group nobody has decided on.
SELECT is(pg_temp.admit_one(4001, 'run', '{"command": "run", "chat": -500}'), 'ignored', 'in a new group nothing is run');
SELECT is((SELECT allowed FROM chat WHERE chat_id = -500), false, 'which is noted, so that it can be allowed');
SELECT is(pg_temp.admit_one(4001, 'text', '{"chat": -500}'), 'ignored', 'nor answered');
SELECT is(pg_temp.admit_one(4999, 'run', '{"command": "run", "chat": -500}'), 'ignored', 'nor is a stranger');
SELECT is(pg_temp.admit_one(4001, 'help', '{"chat": -500}'), 'ignored', 'nor /help');
SELECT is(pg_temp.waiting(-500), '{}', 'not with a word');
SELECT is(pg_temp.admit_one(4001, 'id', '{"chat": -500}'), 'reply', 'but /id');
SELECT matches((pg_temp.waiting(-500))[1], '-500\n' || substr(say('id_forbidden'), 2), 'which tells the number, and why nothing else is answered');
SELECT is(pg_temp.admit_one(4001, 'run', '{"command": "run"}'), 'task', 'private chats need nobody''s leave');
SELECT is(config_chat('-500', true), NULL, 'an administrator allows it');
SELECT is(pg_temp.admit_one(4001, 'run', '{"command": "run", "chat": -500}'), 'task', 'and it is answered');
SELECT isnt((SELECT decided_at FROM chat WHERE chat_id = -500), NULL, 'when is noted');
SELECT is((SELECT count(*) FROM audit_event WHERE action = 'allowed' AND object = 'chat -500'), 1::bigint, 'and recorded');

-- Forbidden again: what waits does not run, and nobody is told there.
DELETE FROM outbox;
SELECT * FROM pg_temp.start('one') \gset one_
SELECT is(config_chat('-500', false), NULL, 'an administrator forbids it');
SELECT is(cardinality(pg_temp.claim(:one_id, :one_epoch)), 1, 'of two tasks the one in the private chat is run');
SELECT is((SELECT array_agg(state) FROM task_history WHERE chat_id = -500), ARRAY['refused'], 'the other is refused when it would be');
SELECT is(pg_temp.waiting(-500), '{}', 'and nothing said where nothing is answered');

-- Allowed ahead; new ones; wrong words.
SELECT is(config_chat('-501', true), NULL, 'a chat that was never seen can be allowed');
SELECT is(pg_temp.admit_one(4001, 'run', '{"command": "run", "chat": -501}'), 'task', 'and is');
SELECT is(config_chat('new', true), NULL, 'new ones can be');
SELECT is(pg_temp.admit_one(4001, 'run', '{"command": "run", "chat": -502}'), 'task', 'and are');
SELECT is(pg_temp.admit_one(4001, 'run', '{"command": "run", "chat": -500}'), 'ignored', 'but not what was forbidden');
SELECT is(config_chat('new', false), NULL, 'and no longer');
SELECT is(pg_temp.admit_one(4001, 'run', '{"command": "run", "chat": -502}'), 'task', 'what was seen meanwhile stays');
SELECT matches(config_chat('Ops', true), 'is not a chat''s number', 'a title is no number');
SELECT matches(config_chat('4001', false), 'is a private chat', 'a person is no group');

-- Named by a grant or a schedule.
SELECT is(pg_temp.admit_one(4002, 'run', '{"command": "restart", "chat": -100}'), 'task', 'a chat that a grant names is meant to be used');
SELECT is(pg_temp.admit_one(4001, 'run', '{"command": "run", "chat": -503}'), 'ignored', 'one that none names');
INSERT INTO role_command (role_id, command_id, chat_id) SELECT r.id, pg_temp.command_id('run'), -503 FROM role r WHERE r.name = 'few';
SELECT is(pg_temp.admit_one(4001, 'run', '{"command": "run", "chat": -503}'), 'task', 'is allowed when one does');
INSERT INTO role_command (role_id, command_id, chat_id) SELECT r.id, pg_temp.command_id('run'), -500 FROM role r WHERE r.name = 'few';
SELECT is(pg_temp.admit_one(4001, 'run', '{"command": "run", "chat": -500}'), 'ignored', 'unless it was forbidden');

-- A group becomes a supergroup: all that is bound to it follows.
INSERT INTO schedule (name, command_id, user_id, chat_id, line, cron) VALUES ('s', pg_temp.command_id('run'), pg_temp.user_id('ada'), -501, '/run', '@daily');
INSERT INTO pending (state, user_id, telegram_id, chat_id, message_id, command_id, expires_at) SELECT 'asking', pg_temp.user_id('ada'), 4001, c, 5, pg_temp.command_id('echo'),
	now() + interval '1 hour' FROM unnest(ARRAY[-501, -1000501]) c;
INSERT INTO pending (state, user_id, telegram_id, chat_id, message_id, command_id, expires_at)
	VALUES ('approving', pg_temp.user_id('ada'), 4001, -501, 5, pg_temp.command_id('run'), now() + interval '1 hour');
INSERT INTO role_command (role_id, command_id, chat_id, hours) SELECT r.id, pg_temp.command_id('once'), c, h FROM role r, unnest(ARRAY[-501, -501, -1000501], ARRAY['', 'mon', '']) AS x(c, h)
	WHERE r.name = 'few';
SELECT is(pg_temp.admit_one(4001, 'migrate', '{"chat": -501, "extra": "-1000501"}'), 'ignored', 'a group moves');
SELECT is((SELECT allowed FROM chat WHERE chat_id = -1000501), true, 'the new one is as allowed as the old one was');
SELECT is_empty($$SELECT FROM schedule WHERE chat_id = -501 UNION ALL SELECT FROM pending WHERE chat_id = -501 UNION ALL SELECT FROM task WHERE chat_id = -501
	UNION ALL SELECT FROM role_command WHERE chat_id = -501 UNION ALL SELECT FROM outbox WHERE chat_id = -501$$, 'nothing is left behind');
SELECT is((SELECT array_agg(state || coalesce(message_id::text, '') ORDER BY state) FROM pending WHERE chat_id = -1000501), ARRAY['approving', 'asking5'],
	'of two conversations the later stays; messages of the old group are not answered');
SELECT is((SELECT array_agg(hours ORDER BY hours) FROM role_command WHERE chat_id = -1000501), ARRAY['', 'mon'], 'grants hold there, each once');
SELECT is(config_chat('-501', false), NULL, 'forbidding the old number');
SELECT is((SELECT allowed FROM chat WHERE chat_id = -1000501), false, 'means the new one');

-- When a grant holds. 2026-11-23 is a Monday.
SELECT ok(hours_open('mon-fri 08:00-18:00', 'UTC', '2026-11-23 08:00+00'), 'from the first minute');
SELECT ok(NOT hours_open('mon-fri 08:00-18:00', 'UTC', '2026-11-23 18:00+00'), 'up to the last');
SELECT ok(NOT hours_open('mon-fri 08:00-18:00', 'UTC', '2026-11-22 12:00+00'), 'on its days alone');
SELECT ok(hours_open('mon-fri 08:00-18:00', 'Europe/Berlin', '2026-11-23 07:30+00'), 'by the clock of its zone');
SELECT ok(hours_open('sat,sun', 'UTC', '2026-11-22 23:59+00') AND NOT hours_open('sat,sun', 'UTC', '2026-11-23 00:00+00'), 'whole days');
SELECT ok(hours_open('fri-mon', 'UTC', '2026-11-22 12:00+00') AND NOT hours_open('fri-mon', 'UTC', '2026-11-24 12:00+00'), 'across the end of the week');
SELECT ok(hours_open('22:00-06:00', 'UTC', '2026-11-23 23:00+00') AND hours_open('22:00-06:00', 'UTC', '2026-11-23 05:59+00')
	AND NOT hours_open('22:00-06:00', 'UTC', '2026-11-23 06:00+00'), 'across midnight');
SELECT ok(hours_open('sun 22:00-06:00', 'UTC', '2026-11-23 03:00+00') AND NOT hours_open('mon 22:00-06:00', 'UTC', '2026-11-23 03:00+00'),
	'which belongs to the day it began on');
SELECT ok(hours_open('18:00-24:00', 'UTC', '2026-11-23 23:59+00'), 'up to midnight');
SELECT ok(NOT hours_open('mon-sun', 'Nowhere/At_All', now()), 'in no zone at all: never');

-- It is one more thing that must hold, looked at again when the task is claimed.
UPDATE role_command SET hours = to_char(now() AT TIME ZONE 'UTC' + interval '2 hours', 'HH24:MI') || '-' || to_char(now() AT TIME ZONE 'UTC' + interval '3 hours', 'HH24:MI')
	WHERE command_id = pg_temp.command_id('run');
DELETE FROM outbox;
SELECT is(pg_temp.admit_one(4001, 'run', '{"command": "run"}'), 'refused', 'outside its hours a grant is none');
SELECT matches((pg_temp.waiting(4001))[1], 'not run /run at this time; you may: [0-9:]+-[0-9:]+ UTC', 'which is said');
UPDATE role_command SET hours = to_char(now() AT TIME ZONE 'UTC' - interval '1 hour', 'HH24:MI') || '-' || to_char(now() AT TIME ZONE 'UTC' + interval '1 hour', 'HH24:MI')
	WHERE command_id = pg_temp.command_id('run');
DELETE FROM task;
SELECT is(pg_temp.admit_one(4001, 'run', '{"command": "run"}'), 'task', 'within them it holds');
UPDATE role_command SET hours = to_char(now() AT TIME ZONE 'UTC' + interval '2 hours', 'HH24:MI') || '-' || to_char(now() AT TIME ZONE 'UTC' + interval '3 hours', 'HH24:MI')
	WHERE command_id = pg_temp.command_id('run');
SELECT is(pg_temp.claim(:one_id, :one_epoch), '{}', 'and when they are over what waits is not run');
SELECT * FROM finish();
ROLLBACK;
