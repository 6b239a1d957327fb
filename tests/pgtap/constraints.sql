-- Every CHECK, UNIQUE, PRIMARY KEY and FOREIGN KEY refuses what it is there to refuse, under its own name. A constraint without a case fails.
BEGIN;
\ir support.psql
INSERT INTO chat (chat_id, type) VALUES (4001, 'private');
INSERT INTO task (queue, command_id, user_id, telegram_id, chat_id) VALUES ('default', 1, 1, 4001, 4001);
INSERT INTO task_history (id, state, attempt, queue, command_id, command_name, user_id, telegram_id, chat_id, args, line, admitted_at)
	VALUES (1, 'done', 1, 'default', 1, 'echo', 1, 4001, 4001, '{}', '/echo', now());
INSERT INTO task_output (task_id, body) VALUES (1, 'hi');
INSERT INTO schedule (name, command_id, user_id, chat_id, cron) VALUES ('nightly', pg_temp.command_id('run'), pg_temp.user_id('ada'), 4001, '0 3 * * *');
INSERT INTO pending (state, user_id, telegram_id, chat_id, command_id, expires_at)
	VALUES ('asking', pg_temp.user_id('ada'), 4001, 4001, pg_temp.command_id('run'), now());
INSERT INTO engine (name) VALUES ('one');
INSERT INTO outbox (op, chat_id, seq, coalesce_key) VALUES ('send', 4001, 1, 'k');
INSERT INTO outbox_dead (id, op, reason, created_at) VALUES (1, 'send', 'blocked', now());
INSERT INTO update_seen (update_id) VALUES (1);
INSERT INTO update_rejected (update_id, reason) VALUES (1, 'why');
INSERT INTO audit_seal (seq, first_id, last_id, ids, sha256, previous, from_xid, to_xid) VALUES (1, 1, 1, '{1}', '', '', '0', '1');
INSERT INTO outbox_document (outbox_id, name, body) VALUES (1, 'f', '');
INSERT INTO file (name, task_id, attempt, number) VALUES ('f', 1, 1, 1);
INSERT INTO file_chunk (file_id, part, body) SELECT id, 0, 'x' FROM file;
INSERT INTO person_pace (telegram_id) VALUES (4001);
INSERT INTO approval (pending_id, user_id) SELECT id, pg_temp.user_id('bob') FROM pending;
INSERT INTO menu (telegram_id, version, commands) VALUES (4001, 1, '[]');
INSERT INTO metric (name, kind, value) VALUES ('teleops_x', 'counter', 1);
INSERT INTO signin_pace (key) VALUES ('\x01');
INSERT INTO totp_recovery (user_id, code_hash) VALUES (pg_temp.user_id('ada'), '\x01');
INSERT INTO web_device (id_hash, user_id) VALUES ('\x01', pg_temp.user_id('ada'));
INSERT INTO button (token, kind, expires_at) VALUES ('t', 'cancel', now());
INSERT INTO hook (name, chat_id, token_hash) VALUES ('one', 4001, sha256('x'));
INSERT INTO hook_button (hook_id, position, command_id) SELECT id, 1, pg_temp.command_id('run') FROM hook;
INSERT INTO hook_pace (hook_id) SELECT id FROM hook;
INSERT INTO alert (hook_id, key, state, chat_id, outbox_id) SELECT id, 'k', 'firing', 4001, 7 FROM hook;
INSERT INTO web_session (id_hash, user_id, csrf_hash, expires_at) VALUES ('\x01', pg_temp.user_id('ada'), '', now());
INSERT INTO invite (token_hash, expires_at) VALUES ('\x01', now());
INSERT INTO join_request (telegram_id, chat_id) VALUES (4999, 4999);
INSERT INTO admin_permission (user_id, area) VALUES (pg_temp.user_id('ada'), '*');

INSERT INTO task_slot (at, what, key, tasks) VALUES (now(), 'state', 'done', 1);
INSERT INTO setting (name, value) VALUES ('approving_hours', 1);
INSERT INTO choice_list (command_id) VALUES (pg_temp.command_id('run'));
SET CONSTRAINTS ALL IMMEDIATE;

CREATE TEMPORARY TABLE refusal (turn integer GENERATED ALWAYS AS IDENTITY, by text NOT NULL, statement text NOT NULL);
INSERT INTO refusal (by, statement) VALUES
	-- people
	('organization_name_check', $$INSERT INTO organization (name) VALUES ('')$$),
	('organization_name_check', $$INSERT INTO organization (name) VALUES (E'two\nlines')$$),
	('organization_name_check', $$INSERT INTO organization (name) VALUES (repeat('x', 65))$$),
	('organization_name_key', $$INSERT INTO organization (name) VALUES ('acme')$$),
	('user_group_name_check', $$INSERT INTO user_group (name) VALUES ('')$$),
	('user_group_name_key', $$INSERT INTO user_group (name) VALUES ('night')$$),
	('role_name_check', $$INSERT INTO role (name) VALUES (E'\t')$$),
	('role_name_key', $$INSERT INTO role (name) VALUES ('crew')$$),
	('app_user_login_check', $$INSERT INTO app_user (login) VALUES ('Ada')$$),
	('app_user_login_check', $$INSERT INTO app_user (login) VALUES ('')$$),
	('app_user_login_check', $$INSERT INTO app_user (login) VALUES ('-x')$$),
	('app_user_login_check', $$INSERT INTO app_user (login) VALUES (E'ada\n')$$),
	('app_user_login_key', $$INSERT INTO app_user (login) VALUES ('ada')$$),
	('app_user_first_name_check', $$INSERT INTO app_user (login, first_name) VALUES ('x', repeat('x', 65))$$),
	('app_user_last_name_check', $$INSERT INTO app_user (login, last_name) VALUES ('x', repeat('x', 65))$$),
	('app_user_organization_id_fkey', $$INSERT INTO app_user (login, organization_id) VALUES ('x', 0)$$),
	('app_user_organization_id_fkey', $$DELETE FROM organization WHERE name = 'acme'$$),
	('user_group_member_pkey', $$INSERT INTO user_group_member SELECT * FROM user_group_member$$),
	('user_group_member_user_id_fkey', $$INSERT INTO user_group_member SELECT 0, id FROM user_group$$),
	('user_group_member_group_id_fkey', $$INSERT INTO user_group_member SELECT id, 0 FROM app_user$$),
	('telegram_account_pkey', $$INSERT INTO telegram_account (telegram_id, user_id) SELECT 4001, id FROM app_user WHERE login = 'bob'$$),
	('telegram_account_telegram_id_check', $$INSERT INTO telegram_account (telegram_id, user_id) SELECT 0, id FROM app_user LIMIT 1$$),
	('telegram_account_telegram_id_check', $$INSERT INTO telegram_account (telegram_id, user_id) SELECT -100, id FROM app_user LIMIT 1$$),
	('telegram_account_user_id_fkey', $$INSERT INTO telegram_account (telegram_id, user_id) VALUES (7, 0)$$),
	('user_role_pkey', $$INSERT INTO user_role SELECT * FROM user_role$$),
	('user_role_user_id_fkey', $$INSERT INTO user_role SELECT 0, id FROM role$$),
	('user_role_role_id_fkey', $$INSERT INTO user_role SELECT id, 0 FROM app_user$$),
	('group_role_pkey', $$INSERT INTO group_role SELECT * FROM group_role$$),
	('group_role_group_id_fkey', $$INSERT INTO group_role SELECT 0, id FROM role$$),
	('group_role_role_id_fkey', $$INSERT INTO group_role SELECT id, 0 FROM user_group$$),
	('admin_permission_pkey', $$INSERT INTO admin_permission SELECT * FROM admin_permission$$),
	('admin_permission_area_check', $$INSERT INTO admin_permission (user_id, area) SELECT id, 'everything' FROM app_user LIMIT 1$$),
	('admin_permission_user_id_fkey', $$INSERT INTO admin_permission (user_id, area) VALUES (0, 'people')$$),
	('web_session_pkey', $$INSERT INTO web_session SELECT * FROM web_session$$),
	('web_session_user_id_fkey', $$INSERT INTO web_session (id_hash, user_id, csrf_hash, expires_at) VALUES ('\x02', 0, '', now())$$),
	('web_session_stage_check', $$UPDATE web_session SET stage = 'half'$$),
	('web_device_pkey', $$INSERT INTO web_device SELECT * FROM web_device$$),
	('web_device_user_id_fkey', $$UPDATE web_device SET user_id = 0$$),
	('totp_recovery_pkey', $$INSERT INTO totp_recovery SELECT * FROM totp_recovery$$),
	('totp_recovery_user_id_fkey', $$UPDATE totp_recovery SET user_id = 0$$),
	('signin_pace_pkey', $$INSERT INTO signin_pace SELECT * FROM signin_pace$$),
	('invite_note_check', $$UPDATE invite SET note = repeat('x', 201)$$),
	('invite_token_hash_key', $$INSERT INTO invite (token_hash, expires_at) VALUES ('\x01', now())$$),
	('invite_user_id_fkey', $$INSERT INTO invite (token_hash, expires_at, user_id) VALUES ('\x02', now(), 0)$$),
	('invite_role_id_fkey', $$INSERT INTO invite (token_hash, expires_at, role_id) VALUES ('\x02', now(), 0)$$),
	('invite_created_by_fkey', $$INSERT INTO invite (token_hash, expires_at, created_by) VALUES ('\x02', now(), 0)$$),
	('join_request_pkey', $$INSERT INTO join_request (telegram_id, chat_id) VALUES (4999, 1)$$),
	('join_request_state_check', $$INSERT INTO join_request (telegram_id, chat_id, state) VALUES (1, 1, 'perhaps')$$),
	('join_request_decided_by_fkey', $$INSERT INTO join_request (telegram_id, chat_id, decided_by) VALUES (1, 1, 0)$$),
	-- commands
	('catalogue_version_pkey', $$INSERT INTO catalogue_version DEFAULT VALUES$$),
	('catalogue_version_one_check', $$INSERT INTO catalogue_version (one) VALUES (false)$$),
	('rights_version_pkey', $$INSERT INTO rights_version DEFAULT VALUES$$),
	('rights_version_one_check', $$INSERT INTO rights_version (one) VALUES (false)$$),
	('menu_pkey', $$INSERT INTO menu SELECT * FROM menu$$),
	('menu_telegram_id_fkey', $$INSERT INTO menu (telegram_id, version, commands) VALUES (7, 1, '[]')$$),
	('bot_status_pkey', $$INSERT INTO bot_status DEFAULT VALUES$$),
	('bot_status_one_check', $$INSERT INTO bot_status (one) VALUES (false)$$),
	('queue_pkey', $$INSERT INTO queue (name) VALUES ('default')$$),
	('queue_name_check', $$INSERT INTO queue (name) VALUES ('Q 1')$$),
	('queue_concurrency_check', $$INSERT INTO queue (name, concurrency) VALUES ('q', 0)$$),
	('command_name_key', $$INSERT INTO command (name, kind) VALUES ('deploy', 'text')$$),
	('command_name_check', $$INSERT INTO command (name, kind) VALUES ('9lives', 'text')$$),
	('command_name_check', $$INSERT INTO command (name, kind) VALUES ('De', 'text')$$),
	('command_name_check', $$INSERT INTO command (name, kind) VALUES (repeat('x', 33), 'text')$$),
	('command_kind_check', $$INSERT INTO command (name, kind) VALUES ('x', 'shell')$$),
	('command_check', $$INSERT INTO command (name, kind) VALUES ('x', 'exec')$$),
	('command_program_check', $$INSERT INTO command (name, kind, program) VALUES ('x', 'exec', '/bin/sh')$$),
	('command_program_check', $$INSERT INTO command (name, kind, program) VALUES ('x', 'exec', '..')$$),
	('command_description_check', $$INSERT INTO command (name, kind, description) VALUES ('x', 'text', repeat('x', 257))$$),
	('command_approvals_check', $$INSERT INTO command (name, kind, approvals) VALUES ('x', 'text', -1)$$),
	('command_approvals_check', $$INSERT INTO command (name, kind, approvals) VALUES ('x', 'text', 11)$$),
	('command_max_attempts_check', $$INSERT INTO command (name, kind, max_attempts) VALUES ('x', 'text', 0)$$),
	('command_max_attempts_check', $$INSERT INTO command (name, kind, max_attempts) VALUES ('x', 'text', 101)$$),
	('command_timeout_s_check', $$INSERT INTO command (name, kind, timeout_s) VALUES ('x', 'text', 0)$$),
	('command_timeout_s_check', $$INSERT INTO command (name, kind, timeout_s) VALUES ('x', 'text', 604801)$$),
	('command_grace_s_check', $$INSERT INTO command (name, kind, grace_s) VALUES ('x', 'text', -1)$$),
	('command_grace_s_check', $$INSERT INTO command (name, kind, grace_s) VALUES ('x', 'text', 3601)$$),
	('command_output_limit_check', $$INSERT INTO command (name, kind, output_limit) VALUES ('x', 'text', 0)$$),
	('command_output_limit_check', $$INSERT INTO command (name, kind, output_limit) VALUES ('x', 'text', 67108865)$$),
	('command_priority_check', $$INSERT INTO command (name, kind, priority) VALUES ('x', 'text', 101)$$),
	('command_priority_check', $$INSERT INTO command (name, kind, priority) VALUES ('x', 'text', -101)$$),
	('command_concurrency_check', $$INSERT INTO command (name, kind, concurrency) VALUES ('x', 'text', 0)$$),
	('command_descriptions_check', $$INSERT INTO command (name, kind, descriptions) VALUES ('x', 'text', '["de"]')$$),
	('command_connection_check', $$INSERT INTO command (name, kind, connection) VALUES ('x', 'text', '../etc')$$),
	('command_connection_check', $$INSERT INTO command (name, kind, connection) VALUES ('x', 'text', repeat('x', 33))$$),
	('command_row_limit_check', $$INSERT INTO command (name, kind, row_limit) VALUES ('x', 'text', 0)$$),
	('command_row_limit_check', $$INSERT INTO command (name, kind, row_limit) VALUES ('x', 'text', 100001)$$),
	('command_method_check', $$INSERT INTO command (name, kind, method) VALUES ('x', 'text', 'CONNECT')$$),
	('command_path_check', $$INSERT INTO command (name, kind, path) VALUES ('x', 'text', 'http://elsewhere/')$$),
	('command_path_check', $$INSERT INTO command (name, kind, path) VALUES ('x', 'text', '/a b')$$),
	('command_headers_check', $$INSERT INTO command (name, kind, headers) VALUES ('x', 'text', '["a"]')$$),
	('command_expect_check', $$INSERT INTO command (name, kind, expect) VALUES ('x', 'text', '{200,99}')$$),
	('command_expect_check', $$INSERT INTO command (name, kind, expect) VALUES ('x', 'text', '{600}')$$),
	('command_pointer_check', $$INSERT INTO command (name, kind, pointer) VALUES ('x', 'text', 'a')$$),
	('command_sql', $$INSERT INTO command (name, kind, statement) VALUES ('x', 'sql', 'SELECT 1')$$),
	('command_sql', $$INSERT INTO command (name, kind, connection) VALUES ('x', 'sql', 'teleapp')$$),
	('command_http', $$INSERT INTO command (name, kind, path) VALUES ('x', 'http', '/')$$),
	('command_http', $$INSERT INTO command (name, kind, connection) VALUES ('x', 'http', 'web')$$),
	('command_approvers', $$INSERT INTO command (name, kind, approvals) VALUES ('x', 'text', 1)$$),
	('command_approver_role_id_fkey', $$INSERT INTO command (name, kind, approvals, approver_role_id) VALUES ('x', 'text', 1, 0)$$),
	('command_queue_fkey', $$INSERT INTO command (name, kind, queue) VALUES ('x', 'text', 'nowhere')$$),
	('command_queue_fkey', $$DELETE FROM queue WHERE name = 'other'$$),
	('command_parameter_pkey', $$INSERT INTO command_parameter (command_id, position, name, type) SELECT command_id, position, 'x', 'text' FROM command_parameter$$),
	('command_parameter_command_id_name_key', $$INSERT INTO command_parameter (command_id, position, name, type)
		SELECT command_id, position + 7, name, 'text' FROM command_parameter$$),
	('command_parameter_command_id_fkey', $$INSERT INTO command_parameter (command_id, position, name, type) VALUES (0, 1, 'x', 'text')$$),
	('command_parameter_name_check', $$INSERT INTO command_parameter (command_id, position, name, type) SELECT id, 9, 'a b', 'text' FROM command$$),
	('command_parameter_position_check', $$INSERT INTO command_parameter (command_id, position, name, type) SELECT id, 0, 'x', 'text' FROM command$$),
	('command_parameter_type_check', $$INSERT INTO command_parameter (command_id, position, name, type) SELECT id, 9, 'x', 'json' FROM command$$),
	('command_parameter_choices', $$INSERT INTO command_parameter (command_id, position, name, type) SELECT id, 9, 'x', 'choice' FROM command$$),
	('command_parameter_choices', $$INSERT INTO command_parameter (command_id, position, name, type, choices) SELECT id, 9, 'x', 'choice', '{}' FROM command$$),
	('command_parameter_choices', $$INSERT INTO command_parameter (command_id, position, name, type, choices_from) SELECT id, 9, 'x', 'text', name FROM command$$),
	('command_parameter_choices_from_fkey', $$INSERT INTO command_parameter (command_id, position, name, type, choices_from) SELECT id, 9, 'x', 'choice', 'nowhere' FROM command$$),
	('command_parameter_every_s_check', $$INSERT INTO command_parameter (command_id, position, name, type, every_s) SELECT id, 9, 'x', 'text', 1 FROM command$$),
	('command_parameter_pattern', $$INSERT INTO command_parameter (command_id, position, name, type) SELECT id, 9, 'x', 'pattern' FROM command$$),
	('command_parameter_file', $$INSERT INTO command_parameter (command_id, position, name, type, default_value) SELECT id, 9, 'x', 'file', 'd' FROM command$$),
	('command_parameter_file', $$INSERT INTO command_parameter (command_id, position, name, type, maximum) SELECT id, 9, 'x', 'file', '5M' FROM command$$),
	('command_parameter_secret', $$INSERT INTO command_parameter (command_id, position, name, type, secret, default_value) SELECT id, 9, 'x', 'text', true, 'd' FROM command$$),
	('choice_list_pkey', $$INSERT INTO choice_list (command_id) SELECT command_id FROM choice_list$$),
	('choice_list_command_id_fkey', $$INSERT INTO choice_list (command_id) VALUES (0)$$),
	('role_command_once', $$INSERT INTO role_command (role_id, command_id, constraints, chat_id)
		SELECT role_id, command_id, constraints, chat_id FROM role_command WHERE chat_id IS NULL$$),
	('role_command_constraints_check', $$INSERT INTO role_command (role_id, command_id, constraints) SELECT r.id, c.id, '[]' FROM role r, command c$$),
	('role_command_hours', $$INSERT INTO role_command (role_id, command_id, hours) SELECT r.id, c.id, 'mon-fri 8-18' FROM role r, command c$$),
	('role_command_role_id_fkey', $$INSERT INTO role_command (role_id, command_id) SELECT 0, id FROM command$$),
	('role_command_command_id_fkey', $$INSERT INTO role_command (role_id, command_id) SELECT id, 0 FROM role$$),
	('chat_pkey', $$INSERT INTO chat (chat_id, type) VALUES (4001, 'private')$$),
	('chat_policy_one_check', $$INSERT INTO chat_policy (one) VALUES (false)$$),
	('chat_policy_pkey', $$INSERT INTO chat_policy (one) VALUES (true)$$),
	('command_answer_check', $$UPDATE command SET answer = 'nowhere'$$),
	('command_at_once_check', $$UPDATE command SET at_once = 0$$),
	('command_stop_after_check', $$UPDATE command SET stop_after = 0$$),
	('command_parameter_target', $$INSERT INTO command_parameter (command_id, position, name, type)
		SELECT c.id, 8 + n, 'x' || n, 'target' FROM command c, generate_series(1, 2) n$$),
	('chat_type_check', $$INSERT INTO chat (chat_id, type) VALUES (1, 'secret')$$),
	-- work
	('engine_name_key', $$INSERT INTO engine (name) VALUES ('one')$$),
	('engine_name_check', $$INSERT INTO engine (name) VALUES ('a b')$$),
	('task_state_check', $$UPDATE task SET state = 'done', engine_id = 1, epoch = 1$$),
	('task_check', $$INSERT INTO task (state, queue, command_id, user_id, telegram_id, chat_id) VALUES ('running', 'default', 1, 1, 1, 1)$$),
	('task_check', $$INSERT INTO task (queue, engine_id, epoch, command_id, user_id, telegram_id, chat_id) VALUES ('default', 1, 1, 1, 1, 1, 1)$$),
	('task_check1', $$INSERT INTO task (state, queue, engine_id, command_id, user_id, telegram_id, chat_id) VALUES ('running', 'default', 1, 1, 1, 1, 1)$$),
	('task_parked_check', $$UPDATE task SET parked = 'forever'$$),
	('task_host', $$UPDATE task SET host = 'web1'$$),
	('task_transition_pkey', $$INSERT INTO task_transition SELECT * FROM task_transition$$),
	('task_history_state_check', $$UPDATE task_history SET state = 'running'$$),
	('task_history_pkey', $$INSERT INTO task_history SELECT * FROM task_history$$),
	('task_output_pkey', $$INSERT INTO task_output (task_id, body) VALUES (1, 'again')$$),
	('pending_state_check', $$UPDATE pending SET state = 'waiting'$$),
	('pending_asking', $$INSERT INTO pending (state, user_id, telegram_id, chat_id, thread_id, command_id, expires_at)
		SELECT state, user_id, telegram_id, chat_id, thread_id, command_id, expires_at FROM pending$$),
	('pending_user_id_fkey', $$UPDATE pending SET user_id = 0$$),
	('pending_command_id_fkey', $$UPDATE pending SET command_id = 0$$),
	('approval_pkey', $$INSERT INTO approval SELECT * FROM approval$$),
	('approval_pending_id_fkey', $$UPDATE approval SET pending_id = 0$$),
	('approval_user_id_fkey', $$UPDATE approval SET user_id = 0$$),
	('button_pkey', $$INSERT INTO button SELECT * FROM button$$),
	('button_kind_check', $$UPDATE button SET kind = 'explode'$$),
	('button_pending_id_fkey', $$UPDATE button SET pending_id = 0$$),
	('button_alert_id_fkey', $$UPDATE button SET alert_id = 0$$),
	('button_command_id_fkey', $$UPDATE button SET command_id = 0$$),
	('hook_name_check', $$UPDATE hook SET name = E'two\nlines'$$),
	('hook_name_key', $$INSERT INTO hook (name, chat_id) SELECT name, chat_id FROM hook$$),
	('hook_token_check', $$UPDATE hook SET token_hash = '\x01'$$),
	('hook_token_hash_key', $$INSERT INTO hook (name, chat_id, token_hash) SELECT 'two', chat_id, token_hash FROM hook$$),
	('hook_chat_check', $$UPDATE hook SET chat_id = 0$$),
	('hook_rate_check', $$UPDATE hook SET rate = 0$$),
	('hook_forget_check', $$UPDATE hook SET forget_h = 0$$),
	('hook_button_pkey', $$INSERT INTO hook_button SELECT * FROM hook_button$$),
	('hook_button_hook_id_fkey', $$UPDATE hook_button SET hook_id = 0$$),
	('hook_button_command_id_fkey', $$UPDATE hook_button SET command_id = 0$$),
	('hook_button_label_check', $$UPDATE hook_button SET label = E'two\nlines'$$),
	('hook_button_args_check', $$UPDATE hook_button SET args = '[]'$$),
	('hook_button_labels_check', $$UPDATE hook_button SET labels = '[]'$$),
	('hook_pace_pkey', $$INSERT INTO hook_pace SELECT * FROM hook_pace$$),
	('alert_hook_id_fkey', $$UPDATE alert SET hook_id = 0$$),
	('alert_state_check', $$UPDATE alert SET state = 'loud', closed_at = now()$$),
	('alert_closed_check', $$UPDATE alert SET closed_at = now()$$),
	('alert_open', $$INSERT INTO alert (hook_id, key, state, chat_id) SELECT hook_id, key, 'note', chat_id FROM alert$$),
	('alert_outbox', $$INSERT INTO alert (hook_id, key, state, chat_id, outbox_id) SELECT hook_id, 'l', 'note', chat_id, outbox_id FROM alert$$),
	('signing_key_pkey', $$INSERT INTO signing_key SELECT * FROM signing_key$$),
	('signing_key_one_check', $$UPDATE signing_key SET one = false$$),
	('schedule_name_check', $$UPDATE schedule SET name = E'two\nlines'$$),
	('schedule_name_key', $$INSERT INTO schedule (name, command_id, user_id, chat_id, cron) SELECT name, command_id, user_id, chat_id, cron FROM schedule$$),
	('schedule_missed_check', $$UPDATE schedule SET missed = 'twice'$$),
	('schedule_command_id_fkey', $$UPDATE schedule SET command_id = 0$$),
	('schedule_user_id_fkey', $$UPDATE schedule SET user_id = 0$$),
	-- in and out
	('update_seen_pkey', $$INSERT INTO update_seen (update_id) VALUES (1)$$),
	('update_rejected_pkey', $$INSERT INTO update_rejected (update_id, reason) VALUES (1, 'again')$$),
	('metric_pkey', $$INSERT INTO metric SELECT * FROM metric$$),
	('metric_name_check', $$INSERT INTO metric (name, kind, value) VALUES ('other_x', 'counter', 1)$$),
	('metric_labels_check', $$INSERT INTO metric (name, labels, kind, value) VALUES ('teleops_y', 'a="b",', 'counter', 1)$$),
	('metric_labels_check', $$INSERT INTO metric (name, labels, kind, value) VALUES ('teleops_y', E'a="b\nc"', 'counter', 1)$$),
	('metric_labels_check', $$INSERT INTO metric (name, labels, kind, value) VALUES ('teleops_y', 'a="b"} 1', 'counter', 1)$$),
	('metric_node_check', $$INSERT INTO metric (name, node, kind, value) VALUES ('teleops_y', 'a b', 'gauge', 1)$$),
	('metric_kind_check', $$INSERT INTO metric (name, kind, value) VALUES ('teleops_y', 'summary', 1)$$),
	('metric_check', $$INSERT INTO metric (name, kind, value) VALUES ('teleops_y', 'gauge', 1)$$),
	('metric_check', $$INSERT INTO metric (name, node, kind, value) VALUES ('teleops_y', 'one', 'counter', 1)$$),
	('metric_check1', $$INSERT INTO metric (name, kind, value, bounds, counts) VALUES ('teleops_y', 'histogram', 1, '{1,2}', '{0,0}')$$),
	('metric_check1', $$INSERT INTO metric (name, kind, value, counts) VALUES ('teleops_y', 'counter', 1, '{0}')$$),
	('outbox_op_check', $$INSERT INTO outbox (op, chat_id, seq) VALUES ('shout', 4001, 2)$$),
	('outbox_check', $$INSERT INTO outbox (op, chat_id) VALUES ('send', 4001)$$),
	('outbox_check', $$INSERT INTO outbox (op, seq) VALUES ('edit', 2)$$),
	('outbox_chat_id_seq_key', $$INSERT INTO outbox (op, chat_id, seq) VALUES ('send', 4001, 1)$$),
	('outbox_coalesce', $$INSERT INTO outbox (op, coalesce_key) VALUES ('chat_action', 'k')$$),
	('outbox_dead_pkey', $$INSERT INTO outbox_dead SELECT * FROM outbox_dead$$),
	('outbox_document_file_id_fkey', $$UPDATE outbox_document SET file_id = 0$$),
	('file_name_check', $$INSERT INTO file (name) VALUES ('../x')$$),
	('file_name_check', $$INSERT INTO file (name) VALUES ('..')$$),
	('file_name_check', $$INSERT INTO file (name) VALUES (E'a\nb')$$),
	('file_name_check', $$INSERT INTO file (name) VALUES ('')$$),
	('file_size_check', $$INSERT INTO file (name, size) VALUES ('f', -1)$$),
	('file_of', $$INSERT INTO file (name, task_id) VALUES ('f', 1)$$),
	('file_of', $$INSERT INTO file (name, task_id, attempt, number, pending_id) SELECT 'f', 2, 1, 1, id FROM pending$$),
	('file_pending_id_fkey', $$INSERT INTO file (name, pending_id) VALUES ('f', 0)$$),
	('file_task_id_attempt_number_key', $$INSERT INTO file (name, task_id, attempt, number) VALUES ('g', 1, 1, 1)$$),
	('file_chunk_pkey', $$INSERT INTO file_chunk SELECT * FROM file_chunk$$),
	('file_chunk_part_check', $$UPDATE file_chunk SET part = -1$$),
	('file_chunk_body_check', $$UPDATE file_chunk SET body = decode(repeat('00', 1048577), 'hex')$$),
	('file_chunk_file_id_fkey', $$INSERT INTO file_chunk (file_id, part, body) VALUES (0, 0, '')$$),
	('outbox_document_pkey', $$INSERT INTO outbox_document SELECT * FROM outbox_document$$),
	('person_pace_pkey', $$INSERT INTO person_pace SELECT * FROM person_pace$$),
	('task_slot_pkey', $$INSERT INTO task_slot SELECT * FROM task_slot$$),
	('task_slot_what_check', $$INSERT INTO task_slot (at, what, key, tasks) VALUES (now(), 'weather', 'x', 1)$$),
	('setting_pkey', $$INSERT INTO setting SELECT * FROM setting$$),
	('chore_pkey', $$INSERT INTO chore SELECT * FROM chore$$),
	('audit_seal_pkey', $$INSERT INTO audit_seal SELECT * FROM audit_seal$$),
	('message_text_pkey', $$INSERT INTO message_text SELECT * FROM message_text$$),
	('schema_version_pkey', $$INSERT INTO schema_version SELECT * FROM schema_version$$),
	('schema_standing_pkey', $$INSERT INTO schema_standing SELECT * FROM schema_standing$$);

-- Constraints and unique indexes that are not a copy of their parent's. An identity that is always generated needs no proof of its key.
CREATE TEMPORARY TABLE rule AS
	SELECT conname AS name, contype AS type FROM pg_constraint k
	WHERE connamespace = 'public'::regnamespace AND contype IN ('c', 'u', 'f', 'p', 'x') AND conrelid <> 0
		AND NOT EXISTS (SELECT FROM pg_inherits i WHERE i.inhrelid = k.conrelid)
		AND NOT (contype = 'p' AND EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = conrelid AND a.attidentity = 'a' AND conkey = ARRAY[a.attnum]))
	UNION ALL
	SELECT relname, 'u' FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
	WHERE i.indisunique AND relnamespace = 'public'::regnamespace AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = c.oid)
		AND NOT EXISTS (SELECT FROM pg_inherits h WHERE h.inhrelid = c.oid);

SELECT plan((3 + (SELECT count(*) FROM refusal))::integer);
SELECT is_empty($$SELECT name FROM rule WHERE name NOT IN (SELECT by FROM refusal)$$, 'every constraint has a case in constraints.sql');
SELECT is_empty($$SELECT by FROM refusal WHERE by NOT IN (SELECT name FROM rule)$$, 'every case in constraints.sql is of a constraint there is');
SELECT is_empty($$SELECT a.attrelid::regclass, a.attname FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
	WHERE c.relnamespace = 'public'::regnamespace AND a.attidentity = 'd'$$, 'no identity can be given by hand');

CREATE FUNCTION pg_temp.refused_by(p_statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	code text;
	name text;
BEGIN
	EXECUTE p_statement;
	RETURN 'accepted';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS code = RETURNED_SQLSTATE, name = CONSTRAINT_NAME;
	-- A partition's key has a name of its own.
	RETURN code || ' ' || regexp_replace(name, '^task_history_(\d{4}_\d\d|default)', 'task_history');
END $$;
SELECT is(pg_temp.refused_by(r.statement), CASE k.type WHEN 'c' THEN '23514 ' WHEN 'f' THEN '23503 ' ELSE '23505 ' END || r.by,
	regexp_replace(r.statement, '\s+', ' ', 'g'))
FROM refusal r JOIN rule k ON k.name = r.by ORDER BY r.turn;
SELECT * FROM finish();
ROLLBACK;
