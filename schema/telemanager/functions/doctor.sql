-- What teleops doctor asks of the database, in one answer. It connects as the owner.

-- What this version's grants.sql gives is read from that file, so that there is no second list to keep.
CREATE OR REPLACE FUNCTION config_missing_grants(p_grants text) RETURNS TABLE (role text, lacks text)
LANGUAGE sql STABLE AS $$
	WITH bare AS (
		SELECT regexp_replace(regexp_replace(p_grants, '--[^\n]*', '', 'g'), '\([^()]*\)', '', 'g') AS text
	), given AS (
		SELECT privilege, m[2] ~ 'FUNCTION' AS is_function, object, role
		FROM bare, regexp_matches(text, 'GRANT\s+([A-Z, ]+?)\s+ON\s+(FUNCTION\s+|TABLE\s+|)([a-z_][a-z0-9_.,\s]*?)\s+TO\s+([a-z_][a-z0-9_, ]*)\s*;', 'g') AS m,
			regexp_split_to_table(m[1], '\s*,\s*') AS privilege, regexp_split_to_table(m[3], '\s*,\s*') AS object,
			regexp_split_to_table(trim(m[4]), '\s*,\s*') AS role
	), wanted AS (
		SELECT DISTINCT role FROM given
	), lacking AS (
		SELECT w.role, 1 AS turn, CASE WHEN r.oid IS NULL THEN 'the role itself' WHEN NOT r.rolcanlogin THEN 'LOGIN'
			WHEN NOT has_database_privilege(r.oid, current_database(), 'CONNECT') THEN 'CONNECT on the database'
			WHEN NOT has_schema_privilege(r.oid, 'public', 'USAGE') THEN 'USAGE on schema public' END AS lacks
		FROM wanted w LEFT JOIN pg_roles r ON r.rolname = w.role
		UNION
		SELECT g.role, 2, CASE WHEN p.oid IS NULL THEN 'function ' || g.object
			WHEN NOT has_function_privilege(r.oid, p.oid, g.privilege) THEN g.privilege || ' on ' || g.object END
		FROM given g JOIN pg_roles r ON r.rolname = g.role
			LEFT JOIN pg_proc p ON p.pronamespace = 'public'::regnamespace AND p.proname = g.object
		WHERE g.is_function
		UNION
		-- A grant of some columns counts as well.
		SELECT g.role, 3, CASE WHEN to_regclass(g.object) IS NULL THEN 'table ' || g.object
			WHEN NOT CASE WHEN g.privilege IN ('SELECT', 'INSERT', 'UPDATE') THEN has_any_column_privilege(r.oid, to_regclass(g.object)::oid, g.privilege)
				ELSE has_table_privilege(r.oid, to_regclass(g.object)::oid, g.privilege) END THEN g.privilege || ' on ' || g.object END
		FROM given g JOIN pg_roles r ON r.rolname = g.role
		WHERE NOT g.is_function AND g.privilege IN ('SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE')
	)
	SELECT role, lacks FROM lacking WHERE lacks IS NOT NULL ORDER BY role, turn, lacks
$$;
COMMENT ON FUNCTION config_missing_grants(text) IS 'What the text of grants.sql gives and a role does not have, by role';

CREATE OR REPLACE FUNCTION config_doctor(p_grants text) RETURNS json
-- Asked once: compiling it would take longer than running it.
LANGUAGE sql STABLE SET jit = off AS $$
	WITH live AS (
		SELECT e.name, q.queue FROM engine e, unnest(e.queues) AS q(queue) WHERE e.stopped_at IS NULL AND e.lease_until > now()
	), here AS (
		SELECT * FROM pg_stat_activity WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()
	)
	SELECT json_build_object(
		'lacking', (SELECT coalesce(json_agg(json_build_object('role', role, 'lacks', lacks)), '[]') FROM config_missing_grants(p_grants)),
		'fsync', current_setting('fsync'), 'full_page_writes', current_setting('full_page_writes'),
		'synchronous_commit', current_setting('synchronous_commit'), 'synchronous_standby_names', current_setting('synchronous_standby_names'),
		'standbys', (SELECT count(*) FROM pg_stat_replication),
		'synchronous_standbys', (SELECT count(*) FROM pg_stat_replication WHERE sync_state IN ('sync', 'quorum')),
		'sees_others', pg_has_role(current_user, 'pg_read_all_stats', 'MEMBER'),
		'oldest_transaction', (SELECT json_build_object('pid', pid, 'who', usename, 'program', application_name,
				'seconds', extract(epoch FROM clock_timestamp() - xact_start)::bigint, 'transactions', age(coalesce(backend_xmin, backend_xid)))
			FROM here WHERE backend_xmin IS NOT NULL OR backend_xid IS NOT NULL ORDER BY age(coalesce(backend_xmin, backend_xid)) DESC, xact_start LIMIT 1),
		'prepared', (SELECT count(*) FROM pg_prepared_xacts WHERE database = current_database() AND prepared < now() - interval '5 minutes'),
		'history_default', EXISTS (SELECT FROM task_history_default),
		'history_ahead', to_regclass('task_history_' || to_char(now() AT TIME ZONE 'UTC' + interval '1 month', 'YYYY_MM')) IS NOT NULL,
		'rejected', (SELECT count(*) FROM update_rejected WHERE rejected_at > now() - interval '1 day'),
		'sender', EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 1
			AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
			AND ((classid::bigint << 32) | objid::bigint) = hashtext('teleops.sender')::bigint),
		'messages', (SELECT count(*) FROM (SELECT FROM outbox LIMIT 100000) o),
		'oldest_message_s', (SELECT extract(epoch FROM now() - min(created_at))::bigint FROM outbox),
		'last_error', (SELECT last_error FROM outbox WHERE last_error IS NOT NULL ORDER BY id LIMIT 1),
		'bot', (SELECT username FROM bot_status),
		'heard_s', (SELECT extract(epoch FROM now() - seen_at)::bigint FROM bot_status),
		'poller', EXISTS (SELECT FROM here WHERE application_name = 'telepoll'),
		'secret_commands', (SELECT string_agg(DISTINCT '/' || c.name, ' ') FROM command c JOIN command_parameter p ON p.command_id = c.id
			WHERE c.enabled AND p.secret),
		'connections', (SELECT coalesce(json_agg(json_build_object('connection', connection, 'commands', commands) ORDER BY connection), '[]')
			FROM (SELECT c.connection, string_agg('/' || c.name, ' ' ORDER BY c.name) AS commands FROM command c
				WHERE c.enabled AND c.kind IN ('sql', 'http') GROUP BY c.connection) k),
		'hooks', (SELECT count(*) FROM hook WHERE enabled),
		'hooks_odd', (SELECT coalesce(json_agg(json_build_object('hook', x.name, 'chat', x.chat_id, 'what', x.what, 'days', x.days) ORDER BY x.name), '[]')
			FROM (SELECT h.name, h.chat_id, floor(extract(epoch FROM now() - h.token_at) / 86400)::bigint AS days,
					CASE WHEN c.blocked_at IS NOT NULL THEN 'closed' WHEN NOT c.allowed THEN 'forbidden'
						WHEN EXISTS (SELECT FROM outbox_dead d WHERE d.chat_id = h.chat_id AND d.reason ~ 'chat not found' AND d.died_at > now() - interval '7 days') THEN 'missing'
						WHEN h.token_hash IS NULL THEN 'no_address'
						-- What the bot has heard of has a title; what it only was told of may be right all the same.
						WHEN c.title = '' AND NOT EXISTS (SELECT FROM alert a WHERE a.chat_id = h.chat_id AND a.message_id IS NOT NULL) THEN 'unseen'
						WHEN h.token_at < now() - interval '7 days' AND NOT EXISTS (SELECT FROM hook_pace p WHERE p.hook_id = h.id AND p.last_at > h.token_at)
							AND NOT EXISTS (SELECT FROM alert a WHERE a.hook_id = h.id) THEN 'silent' END AS what
				FROM hook h JOIN chat c ON c.chat_id = h.chat_id WHERE h.enabled) x WHERE x.what IS NOT NULL),
		'engines', (SELECT count(DISTINCT name) FROM live),
		'engines_gone', (SELECT coalesce(json_agg(json_build_object('engine', name,
				'seconds', extract(epoch FROM now() - lease_until)::bigint) ORDER BY name), '[]')
			FROM engine WHERE stopped_at IS NULL AND lease_until < now() AND lease_until > now() - interval '7 days'),
		'queues_odd', (SELECT coalesce(json_agg(json_build_object('engine', name, 'queue', queue) ORDER BY name, queue), '[]') FROM live
			WHERE NOT EXISTS (SELECT FROM queue q WHERE q.name = live.queue)),
		'queues_unserved', (SELECT coalesce(json_agg(json_build_object('queue', queue, 'commands', commands) ORDER BY queue), '[]')
			FROM (SELECT queue, string_agg('/' || name, ' ' ORDER BY name) AS commands FROM command
				WHERE enabled AND queue NOT IN (SELECT l.queue FROM live l) GROUP BY queue) u),
		'programs_missing', (SELECT coalesce(json_agg(json_build_object('program', program, 'commands', commands) ORDER BY program), '[]')
			FROM (SELECT c.program, string_agg('/' || c.name, ' ' ORDER BY c.name) AS commands FROM command c
				WHERE c.enabled AND c.kind = 'exec' AND EXISTS (SELECT FROM live l WHERE l.queue = c.queue)
					AND NOT EXISTS (SELECT FROM engine e JOIN live l ON l.name = e.name WHERE l.queue = c.queue AND c.program = ANY (e.programs))
				GROUP BY c.program) m))
$$;
COMMENT ON FUNCTION config_doctor(text) IS 'For teleops doctor: what may be wrong, as facts; the text of grants.sql tells what roles should have';
