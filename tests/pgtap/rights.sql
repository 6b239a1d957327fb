-- Who may run what, with which arguments, where.
BEGIN;
\ir support.psql
SELECT plan(45);

-- grant_fits: every constrained argument has one of the values allowed.
SELECT ok(grant_fits('{}', '{}'), 'no constraint fits no arguments');
SELECT ok(grant_fits('{}', '{"env": "prod"}'), 'no constraint fits any arguments');
SELECT ok(grant_fits('{"env": ["staging"]}', '{"env": "staging"}'), 'the one value');
SELECT ok(grant_fits('{"env": ["staging", "test"]}', '{"env": "test", "count": "3"}'), 'one of several; other arguments are free');
SELECT ok(NOT grant_fits('{"env": ["staging"]}', '{"env": "prod"}'), 'another value does not fit');
SELECT ok(NOT grant_fits('{"env": ["staging"]}', '{}'), 'an argument that is not there does not fit');
SELECT ok(NOT grant_fits('{"env": ["staging"]}', '{"env": null}'), 'nor does a null');
SELECT ok(NOT grant_fits('{"env": []}', '{"env": "staging"}'), 'an empty list allows nothing');
SELECT ok(NOT grant_fits('{"env": ["staging"]}', '{"env": "Staging"}'), 'case counts');
SELECT ok(NOT grant_fits('{"env": ["staging"]}', '{"env": "staging "}'), 'a space counts');
SELECT ok(grant_fits('{"env": ["staging"], "count": ["1", "2"]}', '{"env": "staging", "count": "2"}'), 'all constraints at once');
SELECT ok(NOT grant_fits('{"env": ["staging"], "count": ["1", "2"]}', '{"env": "staging", "count": "3"}'), 'one that fails is enough');
SELECT ok(NOT grant_fits('{"count": [1]}', '{"count": "1"}'), 'a number is not the text of it: arguments are texts');

-- may_run and may_see: by role, by group, in a chat.
CREATE FUNCTION pg_temp.may(p_login text, p_command text, p_args jsonb DEFAULT '{}', p_chat bigint DEFAULT 4001) RETURNS boolean LANGUAGE sql AS $$
	SELECT may_run(p_user => pg_temp.user_id(p_login), p_command => pg_temp.command_id(p_command), p_chat => p_chat, p_args => p_args)
$$;
CREATE FUNCTION pg_temp.sees(p_login text, p_command text, p_chat bigint DEFAULT 4001) RETURNS boolean LANGUAGE sql AS $$
	SELECT may_see(p_user => pg_temp.user_id(p_login), p_command => pg_temp.command_id(p_command), p_chat => p_chat)
$$;
SELECT ok(pg_temp.may('ada', 'run'), 'by a role of her own');
SELECT ok(NOT pg_temp.may('ada', 'once'), 'without a grant it is denied');
SELECT ok(NOT pg_temp.sees('ada', 'once'), 'and not seen');
SELECT ok(NOT pg_temp.may('bob', 'run'), 'another''s role is not his');
SELECT ok(pg_temp.may('bob', 'deploy', '{"env": "staging"}'), 'by a role of his group');
SELECT ok(NOT pg_temp.may('bob', 'deploy', '{"env": "prod"}'), 'whose constraint holds');
SELECT ok(pg_temp.sees('bob', 'deploy'), 'and the command is seen all the same');
SELECT ok(pg_temp.may('bob', 'restart', '{}', -100), 'a grant for one chat holds there');
SELECT ok(NOT pg_temp.may('bob', 'restart', '{}', 4002), 'and nowhere else');
SELECT ok(pg_temp.sees('bob', 'restart', -100) AND NOT pg_temp.sees('bob', 'restart', 4002), 'the same for being seen');
SELECT ok(NOT pg_temp.may('nobody', 'run') AND NOT pg_temp.may('ada', 'no_such'), 'nobody may nothing, and no such command is nobody''s');
DELETE FROM user_group_member;
SELECT ok(NOT pg_temp.may('bob', 'deploy', '{"env": "staging"}'), 'who leaves the group loses its roles at once');
INSERT INTO user_role SELECT pg_temp.user_id('bob'), id FROM role WHERE name = 'few';
INSERT INTO user_role SELECT pg_temp.user_id('bob'), id FROM role WHERE name = 'crew';
SELECT ok(pg_temp.may('bob', 'deploy', '{"env": "prod"}'), 'grants add up: one that fits is enough');
DELETE FROM role_command WHERE command_id = pg_temp.command_id('deploy');
SELECT ok(NOT pg_temp.may('bob', 'deploy', '{"env": "staging"}'), 'a grant withdrawn counts at once');

-- command_usage and help_text: only what one may run here.
SELECT is(command_usage(pg_temp.command_id('echo')), '/echo <text>', 'usage: a required parameter');
SELECT is(command_usage(pg_temp.command_id('deploy')), '/deploy <env> [count]', 'usage: an optional one');
SELECT is(command_usage(pg_temp.command_id('run')), '/run', 'usage: none');
SELECT is(command_usage(0), NULL, 'usage of what is not there');
SELECT is(help_text(pg_temp.user_id('ada'), 4001, 'echo'), E'/echo <text>\nSay it back\nAs it stands.\ntext: text; what to say', 'help on one command');
SELECT is(help_text(pg_temp.user_id('ada'), 4001, 'once'), say('unknown', '{"command": "once"}'), 'help on one she may not run: it is unknown');
SELECT is(help_text(pg_temp.user_id('ada'), 4001, 'no_such'), say('unknown', '{"command": "no_such"}'), 'just as one that is not there');
SELECT is(help_text(pg_temp.user_id('gone'), 4001, 'deploy'), say('unknown', '{"command": "deploy"}'), 'no grant is left for deploy');
INSERT INTO role_command (role_id, command_id) SELECT id, pg_temp.command_id('deploy') FROM role WHERE name = 'crew';
SELECT matches(help_text(pg_temp.user_id('ada'), 4001, 'deploy'), E'env: choice \\(prod, staging\\)\ncount: integer from 1 to 9, default 1', 'values and limits are told');
UPDATE command_parameter SET secret = true, default_value = NULL WHERE name = 'count';
SELECT matches(help_text(pg_temp.user_id('ada'), 4001, 'deploy'), 'count: integer from 1 to 9.*' || say('hint_secret'), 'that one is a secret, too');
SELECT matches(help_text(pg_temp.user_id('ada'), 4001, ''), E'/echo - Say it back\n', 'the list has descriptions');
SELECT doesnt_match(help_text(pg_temp.user_id('ada'), 4001, ''), '/once', 'and leaves out what she may not run');
UPDATE command SET enabled = false WHERE name = 'echo';
SELECT doesnt_match(help_text(pg_temp.user_id('ada'), 4001, ''), '/echo', 'and what is switched off');
SELECT is(help_text(pg_temp.user_id('ada'), 4001, 'echo'), say('unknown', '{"command": "echo"}'), 'which is unknown too');
DELETE FROM user_role;
SELECT is(help_text(pg_temp.user_id('ada'), 4001, ''), say('help_none'), 'who may run nothing is told so');

-- user_grant is what all of it rests on.
SELECT is_empty($$SELECT FROM user_grant$$, 'without roles there are no grants');
INSERT INTO user_group_member SELECT pg_temp.user_id('bob'), id FROM user_group;
INSERT INTO user_role SELECT pg_temp.user_id('bob'), id FROM role WHERE name = 'few';
SELECT results_eq($$SELECT command_id, constraints, chat_id, count(*) FROM user_grant GROUP BY 1, 2, 3 ORDER BY 1$$,
	$$VALUES (pg_temp.command_id('restart'), '{}'::jsonb, -100::bigint, 2::bigint)$$, 'a role held twice, alone and by group, grants the same');
SELECT ok(pg_temp.may('bob', 'restart', '{}', -100), 'and may be run');
SELECT * FROM finish();
ROLLBACK;
