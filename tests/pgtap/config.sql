-- The catalogue's version grows when TeleBot's copy is out of date, and only then; what is derived stays true; export is what apply was given.
BEGIN;
\ir support.psql
SELECT plan(62);

-- Whether a statement moves the version.
CREATE FUNCTION pg_temp.moves(p_statement text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
	was bigint;
BEGIN
	SELECT version INTO was FROM catalogue_version;
	EXECUTE p_statement;
	RETURN (SELECT version > was FROM catalogue_version);
END $$;
SELECT ok(pg_temp.moves(s), 'a new catalogue: ' || s) FROM (VALUES
	($$INSERT INTO command (name, kind) VALUES ('fresh', 'text')$$),
	($$UPDATE command SET name = 'fresher' WHERE name = 'fresh'$$),
	($$UPDATE command SET enabled = false WHERE name = 'fresher'$$),
	($$UPDATE command SET description = 'x' WHERE name = 'fresher'$$),
	($$INSERT INTO command_parameter (command_id, position, name, type) SELECT id, 1, 'p', 'text' FROM command WHERE name = 'fresher'$$),
	($$UPDATE command_parameter SET required = true WHERE name = 'p'$$),
	($$UPDATE command_parameter SET maximum = 3 WHERE name = 'p'$$),
	($$UPDATE command_parameter SET secret = true WHERE name = 'p'$$),
	($$DELETE FROM command_parameter WHERE name = 'p'$$),
	($$DELETE FROM command WHERE name = 'fresher'$$),
	($$UPDATE bot_status SET username = 'ops_bot'$$)) AS t (s);
SELECT ok(NOT pg_temp.moves(s), 'none: ' || s) FROM (VALUES
	($$UPDATE command SET running = running + 1$$),
	($$UPDATE command SET updated_at = now()$$),
	($$UPDATE bot_status SET seen_at = now(), webhook = '{}', webhook_at = now()$$),
	($$UPDATE bot_status SET sender_epoch = sender_epoch + 1$$),
	($$UPDATE queue SET running = 1, concurrency = 5$$),
	($$INSERT INTO role_command (role_id, command_id) SELECT r.id, c.id FROM role r, command c WHERE r.name = 'few' AND c.name = 'echo'$$),
	($$INSERT INTO user_role SELECT u.id, r.id FROM app_user u, role r WHERE u.login = 'bob' AND r.name = 'crew'$$),
	($$INSERT INTO app_user (login) VALUES ('new')$$),
	($$UPDATE app_user SET enabled = false WHERE login = 'new'$$),
	($$INSERT INTO telegram_account (telegram_id, user_id) SELECT 77, id FROM app_user WHERE login = 'new'$$),
	($$INSERT INTO chat (chat_id, type) VALUES (77, 'private')$$),
	($$INSERT INTO task (queue, command_id, user_id, telegram_id, chat_id) SELECT 'default', c.id, u.id, 77, 77 FROM command c, app_user u WHERE c.name = 'run' AND u.login = 'ada'$$),
	($$INSERT INTO update_seen (update_id) VALUES (77)$$)) AS t (s);

-- One statement is one version, however many rows.
SELECT version AS was FROM catalogue_version \gset
UPDATE command SET description = description || '.';
SELECT is((SELECT version FROM catalogue_version), :was + 1::bigint, 'one statement makes one version, however many rows it changes');

-- The version of the rights, from which menus are made.
CREATE FUNCTION pg_temp.moves_rights(p_statement text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
	was bigint;
BEGIN
	SELECT version INTO was FROM rights_version;
	EXECUTE p_statement;
	RETURN (SELECT version > was FROM rights_version);
END $$;
SELECT ok(pg_temp.moves_rights(s), 'other rights: ' || s) FROM (VALUES
	($$INSERT INTO user_role SELECT u.id, r.id FROM app_user u, role r WHERE u.login = 'gone' AND r.name = 'few'$$),
	($$DELETE FROM user_role WHERE user_id = pg_temp.user_id('gone')$$),
	($$INSERT INTO group_role SELECT g.id, r.id FROM user_group g, role r WHERE r.name = 'crew'$$),
	($$DELETE FROM user_group_member$$),
	($$DELETE FROM role_command WHERE chat_id = -100$$),
	($$UPDATE app_user SET enabled = true WHERE login = 'gone'$$),
	($$UPDATE telegram_account SET language = 'de' WHERE telegram_id = 4001$$),
	($$UPDATE command SET enabled = false WHERE name = 'silent'$$),
	($$DELETE FROM app_user WHERE login = 'gone'$$)) AS t (s);
SELECT ok(NOT pg_temp.moves_rights(s), 'the same rights: ' || s) FROM (VALUES
	($$UPDATE command SET running = 0, timeout_s = 5, version = version + 1$$),
	($$UPDATE telegram_account SET username = 'ada', name = 'Ada'$$),
	($$UPDATE app_user SET first_name = 'Augusta' WHERE login = 'ada'$$),
	($$UPDATE role SET description = 'x'$$)) AS t (s);

-- min_args, max_args.
CREATE FUNCTION pg_temp.counts(p_command text) RETURNS text LANGUAGE sql AS $$ SELECT min_args || '-' || max_args FROM command WHERE name = p_command $$;
SELECT is(pg_temp.counts('deploy'), '1-2', 'one required parameter and an optional one');
INSERT INTO command_parameter (command_id, position, name, type, required) SELECT id, 1, 'a', 'text', true FROM command WHERE name = 'run';
SELECT is(pg_temp.counts('run'), '1-1', 'a required parameter');
INSERT INTO command_parameter (command_id, position, name, type) SELECT id, 2, 'b', 'text' FROM command WHERE name = 'run';
SELECT is(pg_temp.counts('run'), '1-2', 'and another that is optional');
UPDATE command_parameter SET required = false WHERE name = 'a';
SELECT is(pg_temp.counts('run'), '0-2', 'both optional');
DELETE FROM command_parameter WHERE name = 'a';
SELECT is(pg_temp.counts('run'), '0-1', 'one is gone');

-- catalogue(): a row a parameter, nulls where there is none, by name.
SELECT results_eq('SELECT command, parameter FROM catalogue() WHERE command IN ($$run$$, $$once$$)', $$VALUES ('once', NULL), ('run', 'b')$$, 'commands with and without parameters');
SELECT is((SELECT version FROM catalogue_head()), (SELECT version FROM catalogue_version), 'its head is the version');
SELECT is((SELECT bot_username FROM catalogue_head()), 'ops_bot', 'and the bot''s name');

-- Apply: a second time nothing, and no new catalogue. Export: what apply was given, without what is by default.
CREATE TEMPORARY TABLE exported AS SELECT config_export() AS doc;
SELECT version AS was FROM catalogue_version \gset
SELECT is_empty('SELECT action, kind, name FROM config_apply((SELECT doc FROM exported), true)', 'what was exported is what is: apply changes nothing, prune removes nothing');
DROP TABLE config_change;
SELECT is((SELECT version FROM catalogue_version), :was::bigint, 'and makes no new catalogue');
SELECT results_eq($$SELECT action, kind, name FROM config_apply('{"users": [{"login": "bob", "groups": ["night"], "telegram_ids": [4002, 4005]}]}', false)$$,
	$$VALUES ('changed', 'user', 'bob')$$, 'apply names what it changes');
DROP TABLE config_change;
SELECT is((SELECT version FROM catalogue_version), :was::bigint, 'people are not in the catalogue');
SELECT is((SELECT count(*) FROM audit_event WHERE actor = 'operator' AND action = 'changed' AND object = 'user bob'), 1::bigint, 'but in the record');
SELECT results_eq($$SELECT action, kind, name FROM config_apply('{"commands": [{"name": "run", "kind": "exec", "program": "true", "timeout_s": 5}]}', false)$$,
	$$VALUES ('changed', 'command', 'run')$$, 'a command changed');
DROP TABLE config_change;
SELECT ok((SELECT version > :was FROM catalogue_version), 'is a new catalogue');
SELECT results_eq($$SELECT action, name FROM config_apply('{"grants": [{"role": "nobody_has_it", "command": "run"}]}', true)$$,
	$$VALUES ('error', 'grants[0].role')$$, 'a bad document is told by path');
SELECT results_ne('SELECT count(*) FROM role_command', 'VALUES (0::bigint)', 'and prunes nothing');

-- config_administrator.
SELECT lives_ok($$SELECT config_administrator('root', '$y$hash', 'Root', NULL, false)$$, 'an administrator is made');
SELECT results_eq($$SELECT u.password_hash, p.area, p.can_change FROM app_user u JOIN admin_permission p ON p.user_id = u.id WHERE login = 'root'$$,
	$$VALUES ('$y$hash', '*', true)$$, 'with a password and every permission');
SELECT throws_ok($$SELECT config_administrator('root', '$y$other', NULL, NULL, false)$$, 'P0001', 'has a password already', 'not twice');
SELECT throws_ok($$SELECT config_administrator('nobody', '$y$other', NULL, NULL, true)$$, 'P0001', 'there is no such user', 'a reset makes nobody');
INSERT INTO web_session (id_hash, user_id, csrf_hash, expires_at) SELECT '\x01', id, '', now() + interval '1 day' FROM app_user WHERE login = 'root';
SELECT lives_ok($$SELECT config_administrator('root', '$y$other', NULL, NULL, true)$$, 'a reset gives a new password');
SELECT results_eq($$SELECT password_hash, first_name, (SELECT count(*) FROM web_session) FROM app_user WHERE login = 'root'$$,
	$$VALUES ('$y$other', 'Root', 0::bigint)$$, 'keeps the name and ends open sessions');
SET CONSTRAINTS ALL IMMEDIATE;
SELECT ok(pg_temp.moves('TRUNCATE command_parameter'), 'a new catalogue: TRUNCATE command_parameter');
SELECT * FROM finish();
ROLLBACK;
