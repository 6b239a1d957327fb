-- The page that tells who can run what, and how a line would be resolved; nothing is run and nothing written.

CREATE OR REPLACE FUNCTION manager_try_command(p_visit jsonb, p jsonb) RETURNS jsonb
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
	SELECT jsonb_build_object('builtin', is_builtin(p ->> 'name')) || coalesce((SELECT jsonb_build_object('id', c.id, 'rows', catalogue_rows(c.id)) FROM command c
		WHERE c.name = p ->> 'name'), '{}')
$$;
COMMENT ON FUNCTION manager_try_command(jsonb, jsonb) IS 'What a line that begins with this name is read with';

-- Every grant of the command, and how it stands to this person: by which role and group they have it, and what of it does not fit.
CREATE OR REPLACE FUNCTION try_grants(p_user bigint, p_command bigint, p_chat bigint, p_args jsonb) RETURNS jsonb
LANGUAGE sql STABLE AS $$
	SELECT coalesce(jsonb_agg(jsonb_build_object('role', x.role, 'own', x.own, 'groups', x.groups, 'has', x.has, 'chat', x.chat_id, 'chat_fits', x.chat_fits,
			'values', x.lines, 'values_fit', x.values_fit, 'hours', x.hours, 'hours_fit', x.hours_fit, 'fits', x.has AND x.chat_fits AND x.values_fit AND x.hours_fit)
			ORDER BY x.has AND x.chat_fits AND x.values_fit AND x.hours_fit DESC, x.has DESC, x.role, x.id), '[]')
	FROM (SELECT g.id, r.name AS role, g.chat_id, has_role(p_user, r.id) AS has, EXISTS (SELECT FROM user_role u WHERE u.user_id = p_user AND u.role_id = r.id) AS own,
			(SELECT string_agg(o.name, ', ' ORDER BY o.name) FROM user_group_member m JOIN group_role k ON k.group_id = m.group_id JOIN user_group o ON o.id = m.group_id
				WHERE m.user_id = p_user AND k.role_id = r.id) AS groups,
			(SELECT nullif(string_agg(l, ', ' ORDER BY n), '') FROM jsonb_array_elements_text(constraint_lines(g.constraints)) WITH ORDINALITY AS y(l, n)) AS lines,
			g.chat_id IS NULL OR g.chat_id = p_chat AS chat_fits, grant_fits(g.constraints, p_args) AS values_fit,
			CASE WHEN g.hours <> '' THEN g.hours || ' ' || g.timezone END AS hours, g.hours = '' OR hours_open(g.hours, g.timezone, now()) AS hours_fit
		FROM role_command g JOIN role r ON r.id = g.role_id WHERE g.command_id = p_command) x
$$;
COMMENT ON FUNCTION try_grants(bigint, bigint, bigint, jsonb) IS 'The grants of a command, those that let this person run it first';

CREATE OR REPLACE FUNCTION try_run(c command, u app_user, p_args jsonb) RETURNS jsonb
LANGUAGE sql STABLE AS $$
	SELECT jsonb_build_object('kind', c.kind, 'exec', c.kind = 'exec', 'text', c.kind = 'text', 'program', c.program, 'argv', to_jsonb(c.args), 'template', c.template, 'sql', c.kind = 'sql', 'http', c.kind = 'http',
		'connection', nullif(c.connection, ''), 'statement', c.statement, 'method', c.method, 'path', c.path,
		'values', CASE c.kind WHEN 'text' THEN '{}'::jsonb || args_masked(p_args) || jsonb_build_object('user', user_name(u.id), 'person', user_name(u.id)) ELSE args_masked(p_args) END,
		'arguments', (SELECT coalesce(jsonb_agg(jsonb_build_object('name', q.name, 'value', args_masked(p_args) ->> q.name, 'given', p_args ? q.name) ORDER BY q.position), '[]')
			FROM command_parameter q WHERE q.command_id = c.id),
		'queue', c.queue, 'engines', (SELECT string_agg(e.name, ', ' ORDER BY e.name) FROM engine e WHERE e.lease_until > clock_timestamp() AND e.stopped_at IS NULL AND c.queue = ANY (e.queues)),
		'offered', c.kind <> 'exec' OR EXISTS (SELECT FROM engine e WHERE e.lease_until > clock_timestamp() AND e.stopped_at IS NULL AND c.queue = ANY (e.queues) AND c.program = ANY (e.programs)),
		'confirm', c.dangerous, 'approvals', nullif(c.approvals, 0), 'approvers', (SELECT r.name FROM role r WHERE r.id = c.approver_role_id),
		'approver_count', CASE WHEN c.approvals > 0 THEN cardinality(approver_chats(c.id, u.id)) END,
		'ordered', c.ordered, 'concurrency', c.concurrency, 'timeout', c.timeout_s)
$$;
COMMENT ON FUNCTION try_run(command, app_user, jsonb) IS 'What would run; argument templates are filled in by the page';

-- args: as read, "missing" when it asks for some; complaint: what the line would be answered instead.
CREATE OR REPLACE FUNCTION manager_try(p_visit jsonb, p jsonb) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	u app_user;
	c command;
	chat bigint;
	meant record;
	said text := nullif(p ->> 'complaint', '');
	reasons jsonb[];
	may boolean;
BEGIN
	SELECT * INTO u FROM app_user x WHERE x.login = lower(p ->> 'user');
	IF u.id IS NULL THEN
		SELECT x.* INTO u FROM app_user x WHERE x.login = person_find(p ->> 'user');
	END IF;
	IF u.id IS NULL THEN
		RETURN jsonb_build_object('errors', jsonb_build_array(jsonb_build_object('field', 'user', 'error', 'no_such_user')));
	END IF;
	SELECT * INTO c FROM command x WHERE x.id = (p ->> 'command')::bigint;
	IF c.id IS NULL THEN
		RETURN NULL;
	END IF;
	chat := coalesce((p ->> 'chat')::bigint, (SELECT min(a.telegram_id) FROM telegram_account a WHERE a.user_id = u.id));
	SELECT r.args, r.complaint INTO meant FROM args_resolve(u.id, c.id, coalesce((p ->> 'args')::jsonb, '{}')) r;
	said := coalesce(said, meant.complaint);
	may := CASE WHEN (p ->> 'missing')::boolean THEN may_see(u.id, c.id, chat) ELSE may_run(u.id, c.id, chat, meant.args) END;
	reasons := ARRAY[
		CASE WHEN NOT u.enabled THEN page_refused('try_user_off') END,
		CASE WHEN NOT EXISTS (SELECT FROM telegram_account a WHERE a.user_id = u.id) THEN page_refused('try_no_account') END,
		CASE WHEN chat < 0 AND NOT coalesce((SELECT h.allowed FROM chat h WHERE h.chat_id = chat), chat_at_first(chat, 'group')) THEN page_refused('try_chat') END,
		CASE WHEN NOT c.enabled THEN page_refused('try_command_off') END,
		CASE WHEN said IS NOT NULL THEN page_refused('try_complaint', to_jsonb(said)) END,
		CASE WHEN NOT may AND said IS NULL THEN page_refused('try_no_grant') END];
	RETURN jsonb_build_object('yes', may AND said IS NULL AND array_remove(reasons, NULL) = '{}', 'asks', (p ->> 'missing')::boolean AND said IS NULL,
		'reasons', (SELECT coalesce(jsonb_agg(r -> 0), '[]') FROM unnest(reasons) r WHERE r IS NOT NULL),
		'user_id', u.id, 'login', u.login, 'person', user_name(u.id), 'chat', chat, 'chat_title', (SELECT nullif(h.title, '') FROM chat h WHERE h.chat_id = chat),
		'command_id', c.id, 'command', c.name, 'usage', command_usage(c.id), 'sees', may_see(u.id, c.id, chat),
		'grants', try_grants(u.id, c.id, chat, CASE WHEN said IS NULL THEN meant.args ELSE '{}' END), 'resolved', CASE WHEN said IS NULL THEN try_run(c, u, meant.args) END);
END $$;
COMMENT ON FUNCTION manager_try(jsonb, jsonb) IS 'Whether a person can run a command line in a chat, by which grant or why not, and what would run';
