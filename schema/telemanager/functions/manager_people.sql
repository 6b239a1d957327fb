-- The pages of people.

CREATE OR REPLACE FUNCTION is_name(p_name text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$ SELECT p_name ~ '^[^[:cntrl:]]{1,64}$' $$;
COMMENT ON FUNCTION is_name(text) IS 'Whether organizations, groups and roles may have this name';

-- Organizations

CREATE OR REPLACE FUNCTION manager_organizations(p_visit jsonb, p jsonb) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
	PERFORM page_begin(p_visit);
	RETURN page_list(p, $q$ o.id, o.name, page_time(o.created_at) AS created,
			page_count((SELECT count(*) FROM (SELECT FROM app_user u WHERE u.organization_id = o.id LIMIT 1001) n)) AS people $q$,
		'organization o', 'name', '{"name": "o.name text, o.id bigint"}', $q$ {"search": "lower(o.name) LIKE '%' || page_like($1 ->> 'search') || '%'"} $q$);
END $$;
COMMENT ON FUNCTION manager_organizations(jsonb, jsonb) IS 'List of organizations';

CREATE OR REPLACE FUNCTION manager_organization(p_visit jsonb, p jsonb) RETURNS jsonb
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
	SELECT CASE WHEN p ? 'id' THEN (SELECT jsonb_build_object('id', o.id, 'version', o.version, 'kind', 'organization', 'name', o.name,
			'values', jsonb_build_object('name', o.name)) FROM organization o WHERE o.id = number_of(p ->> 'id'))
		ELSE '{"values": {}}' END
$$;
COMMENT ON FUNCTION manager_organization(jsonb, jsonb) IS 'An organization for its form';

CREATE OR REPLACE FUNCTION manager_organization_save(p_visit jsonb, p jsonb) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	v jsonb := p -> 'values';
	o organization;
	before jsonb;
BEGIN
	IF p ? 'id' THEN
		SELECT * INTO o FROM organization x WHERE x.id = number_of(p ->> 'id') FOR UPDATE;
		IF o.id IS NULL THEN
			RETURN NULL;
		ELSIF o.version <> (p ->> 'version')::bigint THEN
			RETURN page_conflict(p_visit, 'organization ' || o.name, o.version, jsonb_build_object('name', o.name));
		END IF;
		before := jsonb_build_object('name', o.name);
	END IF;
	IF NOT is_name(v ->> 'name') THEN
		RETURN page_error('name', 'name_form');
	ELSIF o.id IS NULL THEN
		INSERT INTO organization (name) VALUES (v ->> 'name') RETURNING * INTO o;
	ELSIF o.name <> v ->> 'name' THEN
		UPDATE organization x SET name = v ->> 'name', version = x.version + 1 WHERE x.id = o.id RETURNING * INTO o;
	END IF;
	RETURN page_saved(p_visit, 'organization', o.name, o.id::text, before, jsonb_build_object('name', o.name));
EXCEPTION WHEN unique_violation THEN
	RETURN page_error('name', 'taken');
END $$;
COMMENT ON FUNCTION manager_organization_save(jsonb, jsonb) IS 'Makes or changes an organization';

CREATE OR REPLACE FUNCTION manager_organization_remove(p_visit jsonb, p jsonb) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	o organization;
	people bigint;
BEGIN
	SELECT * INTO o FROM organization x WHERE x.id = number_of(p ->> 'id') FOR UPDATE;
	IF o.id IS NULL THEN
		RETURN NULL;
	END IF;
	IF (p ->> 'confirmed')::boolean AND o.version = (p ->> 'version')::bigint THEN
		PERFORM config_remove_one('organization', o.name, NULL);
		PERFORM page_record(p_visit, 'removed', 'organization ' || o.name, jsonb_build_object('name', o.name));
		RETURN jsonb_build_object('done', true, 'kind', 'organization', 'name', o.name);
	END IF;
	SELECT count(*) INTO people FROM (SELECT FROM app_user u WHERE u.organization_id = o.id LIMIT 1001) n;
	RETURN jsonb_build_object('id', o.id, 'version', o.version, 'kind', 'organization', 'name', o.name, 'depends', page_depends('people_stay', people));
END $$;
COMMENT ON FUNCTION manager_organization_remove(jsonb, jsonb) IS 'What would go with an organization, or (confirmed) its removal';

-- Users

CREATE OR REPLACE FUNCTION user_values(u app_user) RETURNS jsonb
LANGUAGE sql STABLE AS $$
	SELECT config_user(u) || jsonb_build_object('telegram', coalesce((SELECT jsonb_agg(jsonb_build_object('telegram_id', a.telegram_id,
			'seen', concat_ws(' ', nullif(a.name, ''), '@' || nullif(a.username, ''))) ORDER BY a.telegram_id) FROM telegram_account a WHERE a.user_id = u.id), '[]'))
$$;
COMMENT ON FUNCTION user_values(app_user) IS 'A person as the form has it: as declared, Telegram accounts as rows';

CREATE OR REPLACE FUNCTION role_choices() RETURNS jsonb
LANGUAGE sql STABLE AS $$
	SELECT coalesce(jsonb_agg(jsonb_build_object('value', r.name, 'text', concat_ws(': ', r.name, nullif(r.description, ''))) ORDER BY r.name), '[]')
	FROM (SELECT * FROM role ORDER BY name LIMIT 1000) r
$$;
COMMENT ON FUNCTION role_choices() IS 'Roles to choose from';

CREATE OR REPLACE FUNCTION group_choices() RETURNS jsonb
LANGUAGE sql STABLE AS $$
	SELECT coalesce(jsonb_agg(jsonb_build_object('value', g.name, 'text', g.name) ORDER BY g.name), '[]') FROM (SELECT * FROM user_group ORDER BY name LIMIT 1000) g
$$;
COMMENT ON FUNCTION group_choices() IS 'Groups to choose from';

CREATE OR REPLACE FUNCTION organization_choices() RETURNS jsonb
LANGUAGE sql STABLE AS $$
	SELECT coalesce(jsonb_agg(jsonb_build_object('value', o.name, 'text', o.name) ORDER BY o.name), '[]') FROM (SELECT * FROM organization ORDER BY name LIMIT 1000) o
$$;
COMMENT ON FUNCTION organization_choices() IS 'Organizations to choose from';

CREATE OR REPLACE FUNCTION manager_users(p_visit jsonb, p jsonb) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
	PERFORM page_begin(p_visit);
	RETURN page_list(p, $q$ u.id, u.login, trim(u.first_name || ' ' || u.last_name) AS name, u.enabled, page_time(u.created_at) AS created, o.name AS organization,
			(SELECT string_agg(r.name, ', ' ORDER BY r.name) FROM user_role x JOIN role r ON r.id = x.role_id WHERE x.user_id = u.id) AS roles,
			(SELECT string_agg(g.name, ', ' ORDER BY g.name) FROM user_group_member x JOIN user_group g ON g.id = x.group_id WHERE x.user_id = u.id) AS groups,
			(SELECT string_agg(coalesce('@' || nullif(a.username, ''), a.telegram_id::text), ', ' ORDER BY a.telegram_id) FROM telegram_account a WHERE a.user_id = u.id) AS telegram,
			EXISTS (SELECT FROM admin_permission a WHERE a.user_id = u.id) AS administrator $q$,
		'app_user u LEFT JOIN organization o ON o.id = u.organization_id', 'login',
		'{"login": "u.login text, u.id bigint", "name": "u.last_name text, u.first_name text, u.id bigint", "created": "u.created_at timestamptz, u.id bigint"}',
		$q$ {"search": "u.search LIKE page_search($1 ->> 'search')",
			"organization": "u.organization_id = (SELECT id FROM organization WHERE name = $1 ->> 'organization')",
			"group": "u.id IN (SELECT m.user_id FROM user_group_member m JOIN user_group g ON g.id = m.group_id WHERE g.name = $1 ->> 'group')",
			"role": "u.id IN (SELECT x.user_id FROM user_role x JOIN role r ON r.id = x.role_id WHERE r.name = $1 ->> 'role' UNION ALL SELECT m.user_id FROM user_group_member m JOIN group_role x ON x.group_id = m.group_id JOIN role r ON r.id = x.role_id WHERE r.name = $1 ->> 'role')",
			"enabled": "u.enabled = ($1 ->> 'enabled')::boolean",
			"date": "u.created_at >= coalesce(lower(page_range($1 ->> 'date')), '-infinity') AND u.created_at < coalesce(upper(page_range($1 ->> 'date')), 'infinity')"} $q$)
		|| jsonb_build_object('choices', jsonb_build_object('organization', organization_choices(), 'group', group_choices(), 'role', role_choices()),
			'dates', page_dates(p #>> '{filters,date}', (SELECT min(created_at) FROM app_user), (SELECT max(created_at) FROM app_user)));
END $$;
COMMENT ON FUNCTION manager_users(jsonb, jsonb) IS 'List of people';

CREATE OR REPLACE FUNCTION manager_user(p_visit jsonb, p jsonb) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	u app_user;
	choices jsonb := jsonb_build_object('organization', organization_choices(), 'groups', group_choices(), 'roles', role_choices());
BEGIN
	IF NOT p ? 'id' THEN
		RETURN jsonb_build_object('choices', choices, 'values', config_defaults('user') || jsonb_build_object('timezone', coalesce(p_visit ->> 'zone', 'UTC'))
			|| coalesce((SELECT jsonb_build_object('telegram', jsonb_build_array(jsonb_build_object('telegram_id', j.telegram_id)), 'first_name', left(j.name, 64))
				FROM join_request j WHERE j.telegram_id = number_of(p ->> 'from')), '{}'));
	END IF;
	SELECT * INTO u FROM app_user x WHERE x.id = number_of(p ->> 'id');
	IF u.id IS NULL THEN
		RETURN NULL;
	END IF;
	PERFORM page_begin(p_visit);
	RETURN jsonb_build_object('id', u.id, 'version', u.version, 'kind', 'user', 'name', u.login, 'values', user_values(u), 'choices', choices,
		'created', page_time(u.created_at), 'enabled', u.enabled, 'administrator', EXISTS (SELECT FROM admin_permission a WHERE a.user_id = u.id),
		'may_run', (SELECT string_agg('/' || c.name, ' ' ORDER BY c.name) FROM (SELECT DISTINCT k.name FROM user_grant g JOIN command k ON k.id = g.command_id
			WHERE g.user_id = u.id AND k.enabled ORDER BY k.name LIMIT 200) c),
		'waiting_tasks', (SELECT nullif(count(*), 0) FROM (SELECT FROM task t WHERE t.user_id = u.id LIMIT 1001) n));
END $$;
COMMENT ON FUNCTION manager_user(jsonb, jsonb) IS 'A person for the form, or what a new one begins with (from: Telegram id of a stranger)';

CREATE OR REPLACE FUNCTION user_accounts_errors(p_user bigint, p_rows jsonb) RETURNS jsonb[]
LANGUAGE sql STABLE AS $$
	SELECT array_agg(CASE
		WHEN number_of(r ->> 'telegram_id') NOT BETWEEN 1 AND 4503599627370495 OR number_of(r ->> 'telegram_id') IS NULL THEN page_error(f, 'telegram_form')
		WHEN EXISTS (SELECT FROM jsonb_array_elements(p_rows) WITH ORDINALITY AS y(q, m) WHERE m < n AND q -> 'telegram_id' = r -> 'telegram_id') THEN page_error(f, 'twice')
		ELSE (SELECT page_error(f, 'account_of', to_jsonb(u.login)) FROM telegram_account a JOIN app_user u ON u.id = a.user_id
			WHERE a.telegram_id = number_of(r ->> 'telegram_id') AND a.user_id IS DISTINCT FROM p_user) END)
	FROM (SELECT r, n, format('telegram.%s.telegram_id', n - 1) AS f FROM jsonb_array_elements(p_rows) WITH ORDINALITY AS x(r, n)) x
$$;
COMMENT ON FUNCTION user_accounts_errors(bigint, jsonb) IS 'What is wrong with the Telegram accounts typed for a person; nulls where nothing is';

CREATE OR REPLACE FUNCTION user_errors(u app_user, v jsonb) RETURNS jsonb
LANGUAGE sql STABLE AS $$
	SELECT page_errors(ARRAY[
		CASE WHEN v ->> 'login' !~ '^[a-z0-9][a-z0-9._@-]{0,63}$' THEN page_error('login', 'login_form')
			WHEN EXISTS (SELECT FROM app_user x WHERE x.login = v ->> 'login' AND x.id IS DISTINCT FROM u.id) THEN page_error('login', 'taken') END,
		CASE WHEN v ->> 'first_name' ~ '[[:cntrl:]]' THEN page_error('first_name', 'control') END,
		CASE WHEN v ->> 'last_name' ~ '[[:cntrl:]]' THEN page_error('last_name', 'control') END,
		CASE WHEN v ->> 'organization' IS NOT NULL AND NOT EXISTS (SELECT FROM organization o WHERE o.name = v ->> 'organization') THEN page_error('organization', 'gone') END,
		CASE WHEN EXISTS (SELECT FROM jsonb_array_elements_text(v -> 'groups') n WHERE NOT EXISTS (SELECT FROM user_group g WHERE g.name = n)) THEN page_error('groups', 'gone') END,
		CASE WHEN EXISTS (SELECT FROM jsonb_array_elements_text(v -> 'roles') n WHERE NOT EXISTS (SELECT FROM role r WHERE r.name = n)) THEN page_error('roles', 'gone') END,
		CASE WHEN v ->> 'locale' !~ '^[a-z]{2,3}(-[A-Za-z0-9]{2,8})?$' THEN page_error('locale', 'locale_form') END,
		CASE WHEN page_zone(v ->> 'timezone') IS NULL THEN page_error('timezone', 'zone_unknown') END]
		|| user_accounts_errors(u.id, v -> 'telegram'))
$$;
COMMENT ON FUNCTION user_errors(app_user, jsonb) IS 'What is wrong with a person''s form; null: nothing';

CREATE OR REPLACE FUNCTION manager_user_save(p_visit jsonb, p jsonb) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	v jsonb := p -> 'values';
	u app_user;
	before jsonb;
	errors jsonb;
BEGIN
	IF p ? 'id' THEN
		SELECT * INTO u FROM app_user x WHERE x.id = number_of(p ->> 'id') FOR UPDATE;
		IF u.id IS NULL THEN
			RETURN NULL;
		ELSIF u.version <> (p ->> 'version')::bigint THEN
			RETURN page_conflict(p_visit, 'user ' || u.login, u.version, user_values(u));
		END IF;
		before := config_user(u);
	END IF;
	errors := user_errors(u, v);
	IF errors IS NULL AND u.id IS NOT NULL AND (u.login <> v ->> 'login' OR u.enabled AND NOT (v ->> 'enabled')::boolean) THEN
		errors := page_errors(ARRAY[(SELECT page_error(CASE WHEN u.login <> v ->> 'login' THEN 'login' ELSE 'enabled' END, x) FROM admin_untouchable(p_visit, u.id) x WHERE x IS NOT NULL)]);
	END IF;
	IF errors IS NOT NULL THEN
		RETURN errors;
	END IF;
	IF u.login <> v ->> 'login' THEN
		UPDATE app_user x SET login = v ->> 'login' WHERE x.id = u.id;
		PERFORM page_record(p_visit, 'renamed', 'user ' || u.login, jsonb_build_object('login', u.login), jsonb_build_object('login', v ->> 'login'));
	END IF;
	IF before IS NULL OR before <> user_declared(v) THEN
		PERFORM config_apply_user(user_declared(v));
	END IF;
	SELECT * INTO u FROM app_user x WHERE x.login = v ->> 'login';
	RETURN page_saved(p_visit, 'user', u.login, u.id::text, before, config_user(u));
EXCEPTION WHEN unique_violation THEN
	RETURN page_error('login', 'taken');
END $$;
COMMENT ON FUNCTION manager_user_save(jsonb, jsonb) IS 'Makes or changes a person';

CREATE OR REPLACE FUNCTION user_declared(v jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE AS $$
	SELECT (config_defaults('user') || v) - 'telegram' || jsonb_build_object('groups', config_sorted(v -> 'groups'), 'roles', config_sorted(v -> 'roles'),
		'telegram_ids', config_sorted((SELECT coalesce(jsonb_agg(r -> 'telegram_id'), '[]') FROM jsonb_array_elements(v -> 'telegram') r)))
$$;
COMMENT ON FUNCTION user_declared(jsonb) IS 'A person''s form as teleops apply would declare it';

CREATE OR REPLACE FUNCTION user_depends(p_user bigint) RETURNS jsonb
LANGUAGE sql STABLE AS $$
	SELECT page_depends('accounts', (SELECT count(*) FROM telegram_account a WHERE a.user_id = p_user))
		|| page_depends('tasks_cancelled', (SELECT count(*) FROM (SELECT FROM task t WHERE t.user_id = p_user AND t.state = 'queued' LIMIT 1001) n))
		|| page_depends('tasks_go_on', (SELECT count(*) FROM (SELECT FROM task t WHERE t.user_id = p_user AND t.state <> 'queued' LIMIT 1001) n))
		|| page_depends('history_stays', (SELECT count(*) FROM (SELECT FROM task_history h WHERE h.user_id = p_user LIMIT 1001) n))
		|| page_depends('invites_end', (SELECT count(*) FROM invite i WHERE i.user_id = p_user AND i.used_at IS NULL))
		|| page_depends('schedules_end', (SELECT count(*) FROM schedule s WHERE s.user_id = p_user))
		|| page_depends('sessions_end', (SELECT count(*) FROM web_session s WHERE s.user_id = p_user))
		|| page_depends('permissions_end', (SELECT count(*) FROM admin_permission a WHERE a.user_id = p_user))
$$;
COMMENT ON FUNCTION user_depends(bigint) IS 'What goes with a person, and what stays';

CREATE OR REPLACE FUNCTION manager_user_remove(p_visit jsonb, p jsonb) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	u app_user;
	refused text;
	head jsonb;
BEGIN
	SELECT * INTO u FROM app_user x WHERE x.id = number_of(p ->> 'id') FOR UPDATE;
	IF u.id IS NULL THEN
		RETURN NULL;
	END IF;
	head := jsonb_build_object('id', u.id, 'version', u.version, 'kind', 'user', 'name', u.login);
	refused := admin_untouchable(p_visit, u.id);
	IF refused IS NOT NULL THEN
		RETURN head || jsonb_build_object('refused', page_refused(refused));
	ELSIF NOT (p ->> 'confirmed')::boolean OR u.version <> (p ->> 'version')::bigint THEN
		RETURN head || jsonb_build_object('depends', user_depends(u.id));
	END IF;
	PERFORM page_record(p_visit, 'removed', 'user ' || u.login, config_user(u));
	PERFORM config_remove_one('user', u.login, NULL);
	RETURN jsonb_build_object('done', true, 'kind', 'user', 'name', u.login);
END $$;
COMMENT ON FUNCTION manager_user_remove(jsonb, jsonb) IS 'What would go with a person, or (confirmed) their removal';

CREATE OR REPLACE FUNCTION user_act(p_visit jsonb, u app_user, p_action text, p_value text) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
	before jsonb := config_user(u);
	after jsonb;
	refused text;
BEGIN
	after := before || CASE p_action
		WHEN 'enable' THEN '{"enabled": true}'
		WHEN 'disable' THEN '{"enabled": false}'
		WHEN 'give_role' THEN jsonb_build_object('roles', config_sorted((before -> 'roles') || to_jsonb(p_value)))
		WHEN 'take_role' THEN jsonb_build_object('roles', (before -> 'roles') - p_value) END;
	IF after = before THEN
		RETURN '';
	ELSIF p_action = 'disable' THEN
		refused := admin_untouchable(p_visit, u.id);
	END IF;
	IF refused IS NULL THEN
		PERFORM config_apply_user(after);
		PERFORM page_record(p_visit, 'changed', 'user ' || u.login, before, after);
	END IF;
	RETURN refused;
END $$;
COMMENT ON FUNCTION user_act(jsonb, app_user, text, text) IS 'Does an action of the list to one person; null: done, empty: it was so already, else why not';

CREATE OR REPLACE FUNCTION manager_user_act(p_visit jsonb, p jsonb) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	ids bigint[] := ARRAY(SELECT number_of(i) FROM jsonb_array_elements_text(p -> 'ids') i);
	needs_role boolean := p ->> 'action' IN ('give_role', 'take_role');
	u app_user;
	done integer := 0;
	refused text[] := '{}';
	reason text;
BEGIN
	IF (p ->> 'confirmed')::boolean AND (NOT needs_role OR EXISTS (SELECT FROM role r WHERE r.name = p ->> 'value')) THEN
		FOR u IN SELECT * FROM app_user x WHERE x.id = ANY (ids) ORDER BY x.id FOR UPDATE LOOP
			reason := user_act(p_visit, u, p ->> 'action', p ->> 'value');
			IF reason IS NULL THEN
				done := done + 1;
			ELSIF reason <> '' THEN
				refused := refused || u.login;
			END IF;
		END LOOP;
		RETURN jsonb_build_object('flash', 'people_' || (p ->> 'action'), 'done', jsonb_build_object('count', done, 'role', p ->> 'value', 'refused', array_to_string(refused[:10], ', ')));
	END IF;
	RETURN jsonb_build_object('choices', role_choices(), 'objects', (SELECT coalesce(jsonb_agg(jsonb_build_object('id', x.id, 'name', x.login,
			'note', trim(x.first_name || ' ' || x.last_name)) ORDER BY x.login), '[]') FROM app_user x WHERE x.id = ANY (ids)));
END $$;
COMMENT ON FUNCTION manager_user_act(jsonb, jsonb) IS 'Enables, disables several people, gives them a role or takes one';

-- Groups

CREATE OR REPLACE FUNCTION manager_groups(p_visit jsonb, p jsonb) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
	PERFORM page_begin(p_visit);
	RETURN page_list(p, $q$ g.id, g.name, page_time(g.created_at) AS created,
			(SELECT string_agg(r.name, ', ' ORDER BY r.name) FROM group_role x JOIN role r ON r.id = x.role_id WHERE x.group_id = g.id) AS roles,
			page_count((SELECT count(*) FROM (SELECT FROM user_group_member m WHERE m.group_id = g.id LIMIT 1001) n)) AS people $q$,
		'user_group g', 'name', '{"name": "g.name text, g.id bigint"}', $q$ {"search": "lower(g.name) LIKE '%' || page_like($1 ->> 'search') || '%'",
			"role": "EXISTS (SELECT FROM group_role x JOIN role r ON r.id = x.role_id WHERE x.group_id = g.id AND r.name = $1 ->> 'role')"} $q$)
		|| jsonb_build_object('choices', jsonb_build_object('role', role_choices()));
END $$;
COMMENT ON FUNCTION manager_groups(jsonb, jsonb) IS 'List of groups';

CREATE OR REPLACE FUNCTION manager_group(p_visit jsonb, p jsonb) RETURNS jsonb
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
	SELECT CASE WHEN p ? 'id' THEN (SELECT jsonb_build_object('id', g.id, 'version', g.version, 'kind', 'group', 'name', g.name, 'values', config_group(g))
			FROM user_group g WHERE g.id = number_of(p ->> 'id'))
		ELSE jsonb_build_object('values', config_defaults('group')) END || jsonb_build_object('choices', jsonb_build_object('roles', role_choices()))
$$;
COMMENT ON FUNCTION manager_group(jsonb, jsonb) IS 'A group for its form';

CREATE OR REPLACE FUNCTION manager_group_save(p_visit jsonb, p jsonb) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	v jsonb := (p -> 'values') || jsonb_build_object('roles', config_sorted(p #> '{values,roles}'));
	g user_group;
	before jsonb;
	errors jsonb;
BEGIN
	IF p ? 'id' THEN
		SELECT * INTO g FROM user_group x WHERE x.id = number_of(p ->> 'id') FOR UPDATE;
		IF g.id IS NULL THEN
			RETURN NULL;
		ELSIF g.version <> (p ->> 'version')::bigint THEN
			RETURN page_conflict(p_visit, 'group ' || g.name, g.version, config_group(g));
		END IF;
		before := config_group(g);
	END IF;
	errors := page_errors(ARRAY[
		CASE WHEN NOT is_name(v ->> 'name') THEN page_error('name', 'name_form')
			WHEN EXISTS (SELECT FROM user_group x WHERE x.name = v ->> 'name' AND x.id IS DISTINCT FROM g.id) THEN page_error('name', 'taken') END,
		CASE WHEN EXISTS (SELECT FROM jsonb_array_elements_text(v -> 'roles') n WHERE NOT EXISTS (SELECT FROM role r WHERE r.name = n)) THEN page_error('roles', 'gone') END]);
	IF errors IS NOT NULL THEN
		RETURN errors;
	END IF;
	IF g.name <> v ->> 'name' THEN
		UPDATE user_group x SET name = v ->> 'name' WHERE x.id = g.id;
		PERFORM page_record(p_visit, 'renamed', 'group ' || g.name, jsonb_build_object('name', g.name), jsonb_build_object('name', v ->> 'name'));
	END IF;
	IF before IS DISTINCT FROM v THEN
		PERFORM config_apply_one('group', v);
	END IF;
	SELECT * INTO g FROM user_group x WHERE x.name = v ->> 'name';
	RETURN page_saved(p_visit, 'group', g.name, g.id::text, before, config_group(g));
EXCEPTION WHEN unique_violation THEN
	RETURN page_error('name', 'taken');
END $$;
COMMENT ON FUNCTION manager_group_save(jsonb, jsonb) IS 'Makes or changes a group';

CREATE OR REPLACE FUNCTION manager_group_remove(p_visit jsonb, p jsonb) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	g user_group;
BEGIN
	SELECT * INTO g FROM user_group x WHERE x.id = number_of(p ->> 'id') FOR UPDATE;
	IF g.id IS NULL THEN
		RETURN NULL;
	END IF;
	IF (p ->> 'confirmed')::boolean AND g.version = (p ->> 'version')::bigint THEN
		PERFORM page_record(p_visit, 'removed', 'group ' || g.name, config_group(g));
		PERFORM config_remove_one('group', g.name, NULL);
		RETURN jsonb_build_object('done', true, 'kind', 'group', 'name', g.name);
	END IF;
	RETURN jsonb_build_object('id', g.id, 'version', g.version, 'kind', 'group', 'name', g.name, 'depends',
		page_depends('members_lose', (SELECT count(*) FROM (SELECT FROM user_group_member m WHERE m.group_id = g.id LIMIT 1001) n)));
END $$;
COMMENT ON FUNCTION manager_group_remove(jsonb, jsonb) IS 'What would go with a group, or (confirmed) its removal';

-- Roles

CREATE OR REPLACE FUNCTION manager_roles(p_visit jsonb, p jsonb) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
	PERFORM page_begin(p_visit);
	RETURN page_list(p, $q$ r.id, r.name, r.description, r.manages_tasks,
			page_count((SELECT count(*) FROM (SELECT FROM user_role x WHERE x.role_id = r.id LIMIT 1001) n)) AS people,
			(SELECT string_agg(g.name, ', ' ORDER BY g.name) FROM group_role x JOIN user_group g ON g.id = x.group_id WHERE x.role_id = r.id) AS groups,
			page_count((SELECT count(*) FROM (SELECT DISTINCT x.command_id FROM role_command x WHERE x.role_id = r.id LIMIT 1001) n)) AS commands $q$,
		'role r', 'name', '{"name": "r.name text, r.id bigint"}', $q$ {"search": "lower(r.name || ' ' || r.description) LIKE '%' || page_like($1 ->> 'search') || '%'"} $q$);
END $$;
COMMENT ON FUNCTION manager_roles(jsonb, jsonb) IS 'List of roles';

CREATE OR REPLACE FUNCTION manager_role(p_visit jsonb, p jsonb) RETURNS jsonb
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
	SELECT CASE WHEN p ? 'id' THEN (SELECT jsonb_build_object('id', r.id, 'version', r.version, 'kind', 'role', 'name', r.name, 'values', config_role(r),
			'may_run', (SELECT string_agg('/' || c.name, ' ' ORDER BY c.name) FROM command c WHERE c.id IN (SELECT x.command_id FROM role_command x WHERE x.role_id = r.id)))
			FROM role r WHERE r.id = number_of(p ->> 'id'))
		ELSE jsonb_build_object('values', config_defaults('role')) END
$$;
COMMENT ON FUNCTION manager_role(jsonb, jsonb) IS 'A role for its form';

CREATE OR REPLACE FUNCTION manager_role_save(p_visit jsonb, p jsonb) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	v jsonb := p -> 'values';
	r role;
	before jsonb;
	errors jsonb;
BEGIN
	IF p ? 'id' THEN
		SELECT * INTO r FROM role x WHERE x.id = number_of(p ->> 'id') FOR UPDATE;
		IF r.id IS NULL THEN
			RETURN NULL;
		ELSIF r.version <> (p ->> 'version')::bigint THEN
			RETURN page_conflict(p_visit, 'role ' || r.name, r.version, config_role(r));
		END IF;
		before := config_role(r);
	END IF;
	errors := page_errors(ARRAY[
		CASE WHEN NOT is_name(v ->> 'name') THEN page_error('name', 'name_form')
			WHEN EXISTS (SELECT FROM role x WHERE x.name = v ->> 'name' AND x.id IS DISTINCT FROM r.id) THEN page_error('name', 'taken') END,
		CASE WHEN v ->> 'description' ~ '[[:cntrl:]]' THEN page_error('description', 'control') END]);
	IF errors IS NOT NULL THEN
		RETURN errors;
	END IF;
	IF r.name <> v ->> 'name' THEN
		UPDATE role x SET name = v ->> 'name' WHERE x.id = r.id;
		PERFORM page_record(p_visit, 'renamed', 'role ' || r.name, jsonb_build_object('name', r.name), jsonb_build_object('name', v ->> 'name'));
	END IF;
	IF before IS DISTINCT FROM v THEN
		PERFORM config_apply_one('role', v);
	END IF;
	SELECT * INTO r FROM role x WHERE x.name = v ->> 'name';
	RETURN page_saved(p_visit, 'role', r.name, r.id::text, before, config_role(r));
EXCEPTION WHEN unique_violation THEN
	RETURN page_error('name', 'taken');
END $$;
COMMENT ON FUNCTION manager_role_save(jsonb, jsonb) IS 'Makes or changes a role';

CREATE OR REPLACE FUNCTION manager_role_remove(p_visit jsonb, p jsonb) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	r role;
BEGIN
	SELECT * INTO r FROM role x WHERE x.id = number_of(p ->> 'id') FOR UPDATE;
	IF r.id IS NULL THEN
		RETURN NULL;
	END IF;
	IF (p ->> 'confirmed')::boolean AND r.version = (p ->> 'version')::bigint THEN
		PERFORM page_record(p_visit, 'removed', 'role ' || r.name, config_role(r));
		PERFORM config_remove_one('role', r.name, NULL);
		RETURN jsonb_build_object('done', true, 'kind', 'role', 'name', r.name);
	END IF;
	RETURN jsonb_build_object('id', r.id, 'version', r.version, 'kind', 'role', 'name', r.name, 'depends',
		page_depends('people_lose', (SELECT count(*) FROM (SELECT FROM user_role x WHERE x.role_id = r.id LIMIT 1001) n))
		|| page_depends('groups_lose', (SELECT count(*) FROM group_role x WHERE x.role_id = r.id))
		|| page_depends('grants_end', (SELECT count(*) FROM role_command x WHERE x.role_id = r.id))
		|| page_depends('invites_end', (SELECT count(*) FROM invite i WHERE i.role_id = r.id AND i.used_at IS NULL)));
END $$;
COMMENT ON FUNCTION manager_role_remove(jsonb, jsonb) IS 'What would go with a role, or (confirmed) its removal';
