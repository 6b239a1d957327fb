-- Administrators: who may view and change what on the pages. Nobody gets more by these pages than who gives it has, nobody changes their
-- own, and one who may do everything always remains.

CREATE OR REPLACE FUNCTION admin_areas() RETURNS text[]
LANGUAGE sql IMMUTABLE AS $$ SELECT ARRAY['people', 'commands', 'tasks', 'engines', 'chats', 'outbox', 'audit', 'settings', 'administrators', 'backup'] $$;
COMMENT ON FUNCTION admin_areas() IS 'The areas of admin_permission, without * for all of them';

-- 0: nothing, 1: may view, 2: may change.
CREATE OR REPLACE FUNCTION admin_level(p_user bigint, p_area text) RETURNS integer
LANGUAGE sql STABLE AS $$
	SELECT coalesce(max(CASE WHEN a.can_change THEN 2 ELSE 1 END), 0) FROM admin_permission a
		JOIN app_user u ON u.id = a.user_id AND u.enabled WHERE a.user_id = p_user AND a.area IN (p_area, '*')
$$;
COMMENT ON FUNCTION admin_level(bigint, text) IS 'What a person may do in an area: 0 nothing, 1 view, 2 change';

CREATE OR REPLACE FUNCTION admin_covers(p_who bigint, p_other bigint) RETURNS boolean
LANGUAGE sql STABLE AS $$
	SELECT NOT EXISTS (SELECT FROM admin_permission a WHERE a.user_id = p_other AND admin_level(p_who, a.area) < CASE WHEN a.can_change THEN 2 ELSE 1 END)
$$;
COMMENT ON FUNCTION admin_covers(bigint, bigint) IS 'Whether somebody may do all that another may';

CREATE OR REPLACE FUNCTION admin_is_last(p_user bigint) RETURNS boolean
LANGUAGE sql STABLE AS $$
	SELECT EXISTS (SELECT FROM admin_permission a WHERE a.user_id = p_user AND a.area = '*' AND a.can_change)
		AND NOT EXISTS (SELECT FROM admin_permission a JOIN app_user u ON u.id = a.user_id
			WHERE a.user_id <> p_user AND a.area = '*' AND a.can_change AND u.enabled AND u.password_hash IS NOT NULL)
$$;
COMMENT ON FUNCTION admin_is_last(bigint) IS 'Whether this is the only one who may do everything and can sign in';

CREATE OR REPLACE FUNCTION admin_untouchable(p_visit jsonb, p_user bigint) RETURNS text
LANGUAGE plpgsql STABLE AS $$
DECLARE
	who bigint := (p_visit ->> 'user')::bigint;
BEGIN
	RETURN CASE
		WHEN p_user = who THEN 'yourself'
		WHEN NOT EXISTS (SELECT FROM admin_permission a WHERE a.user_id = p_user) THEN NULL
		WHEN admin_level(who, 'administrators') < 2 OR NOT admin_covers(who, p_user) THEN 'administrator'
		WHEN admin_is_last(p_user) THEN 'last_administrator' END;
END $$;
COMMENT ON FUNCTION admin_untouchable(jsonb, bigint) IS 'Why the visitor may not take a person''s access away: the name of an error; null: they may';

CREATE OR REPLACE FUNCTION admin_body(p_user bigint) RETURNS jsonb
LANGUAGE sql STABLE AS $$
	SELECT jsonb_build_object('login', u.login, 'everything', (SELECT CASE WHEN a.can_change THEN 'change' ELSE 'view' END FROM admin_permission a WHERE a.user_id = u.id AND a.area = '*'))
		|| (SELECT jsonb_object_agg(x.area, CASE WHEN a.can_change THEN 'change' WHEN a.area IS NOT NULL THEN 'view' END)
			FROM unnest(admin_areas()) AS x(area) LEFT JOIN admin_permission a ON a.user_id = u.id AND a.area = x.area)
	FROM app_user u WHERE u.id = p_user
$$;
COMMENT ON FUNCTION admin_body(bigint) IS 'An administrator''s permissions: view, change or null by area, and for everything';

CREATE OR REPLACE FUNCTION manager_administrators(p_visit jsonb, p jsonb) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
	PERFORM page_begin(p_visit);
	RETURN page_list(p, $q$ u.id, u.login, trim(u.first_name || ' ' || u.last_name) AS name, u.enabled, u.password_hash IS NOT NULL AS password,
			u.password_temporary AS temporary, u.totp_secret IS NOT NULL AS totp,
			(SELECT string_agg(CASE a.area WHEN '*' THEN 'everything' ELSE a.area END || CASE WHEN a.can_change THEN ': change' ELSE ': view' END, ', ' ORDER BY a.area)
				FROM admin_permission a WHERE a.user_id = u.id) AS permissions,
			(SELECT page_time(max(s.seen_at)) FROM web_session s WHERE s.user_id = u.id AND s.stage = 'open') AS seen $q$,
		'app_user u', 'login', '{"login": "u.login text, u.id bigint"}', $q$ {"search": "u.search LIKE page_search($1 ->> 'search')"} $q$,
		'u.id IN (SELECT a.user_id FROM admin_permission a)');
END $$;
COMMENT ON FUNCTION manager_administrators(jsonb, jsonb) IS 'List of administrators';

CREATE OR REPLACE FUNCTION manager_administrator(p_visit jsonb, p jsonb) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	u app_user;
	who bigint := (p_visit ->> 'user')::bigint;
BEGIN
	IF NOT p ? 'id' THEN
		RETURN jsonb_build_object('values', coalesce((SELECT jsonb_build_object('login', x.login) FROM app_user x WHERE x.id = number_of(p ->> 'from')), '{}'));
	END IF;
	SELECT * INTO u FROM app_user x WHERE x.id = number_of(p ->> 'id') AND EXISTS (SELECT FROM admin_permission a WHERE a.user_id = x.id);
	IF u.id IS NULL THEN
		RETURN NULL;
	END IF;
	PERFORM page_begin(p_visit);
	RETURN jsonb_build_object('id', u.id, 'version', u.version, 'kind', 'administrator', 'name', u.login, 'full_name', user_name(u.id), 'values', admin_body(u.id),
		'enabled', u.enabled, 'password', u.password_hash IS NOT NULL, 'temporary', u.password_temporary, 'totp', u.totp_secret IS NOT NULL,
		'untouchable', (SELECT page_refused(x) FROM admin_untouchable(p_visit, u.id) x WHERE x IS NOT NULL AND x <> 'last_administrator'),
		'sessions', (SELECT nullif(count(*), 0) FROM web_session s WHERE s.user_id = u.id AND s.expires_at > now()));
END $$;
COMMENT ON FUNCTION manager_administrator(jsonb, jsonb) IS 'An administrator for the form';

CREATE OR REPLACE FUNCTION admin_errors(p_visit jsonb, p_user bigint, v jsonb) RETURNS jsonb
LANGUAGE sql STABLE AS $$
	SELECT page_errors(ARRAY[
			CASE WHEN NOT EXISTS (SELECT FROM unnest(admin_areas() || ARRAY['everything']) a WHERE v ->> a IN ('view', 'change')) THEN page_error('', 'no_permission') END]
		|| ARRAY(SELECT page_error(a, 'more_than_own') FROM unnest(admin_areas() || ARRAY['everything']) a
			WHERE admin_level((p_visit ->> 'user')::bigint, CASE a WHEN 'everything' THEN '*' ELSE a END) < CASE v ->> a WHEN 'change' THEN 2 WHEN 'view' THEN 1 ELSE 0 END))
$$;
COMMENT ON FUNCTION admin_errors(jsonb, bigint, jsonb) IS 'What is wrong with an administrator''s form; null: nothing';

CREATE OR REPLACE FUNCTION admin_apply(p_user bigint, v jsonb) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
	DELETE FROM admin_permission WHERE user_id = p_user;
	INSERT INTO admin_permission (user_id, area, can_change)
	SELECT p_user, CASE a WHEN 'everything' THEN '*' ELSE a END, v ->> a = 'change' FROM unnest(admin_areas() || ARRAY['everything']) a WHERE v ->> a IN ('view', 'change');
	UPDATE app_user SET version = version + 1, updated_at = now() WHERE id = p_user;
END $$;
COMMENT ON FUNCTION admin_apply(bigint, jsonb) IS 'Gives a person exactly these permissions';

CREATE OR REPLACE FUNCTION manager_administrator_save(p_visit jsonb, p jsonb) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	v jsonb := p -> 'values';
	u app_user;
	before jsonb;
	errors jsonb;
	refused text;
BEGIN
	-- Two who take each other's permissions at the same time must not both succeed.
	PERFORM pg_advisory_xact_lock(hashtext('teleops.administrators'));
	IF p ? 'id' THEN
		SELECT * INTO u FROM app_user x WHERE x.id = number_of(p ->> 'id') FOR UPDATE;
		IF u.id IS NULL THEN
			RETURN NULL;
		ELSIF u.version <> (p ->> 'version')::bigint THEN
			RETURN page_conflict(p_visit, 'administrator ' || u.login, u.version, admin_body(u.id));
		END IF;
		before := admin_body(u.id);
	ELSE
		SELECT * INTO u FROM app_user x WHERE x.login = v ->> 'login' FOR UPDATE;
		IF u.id IS NULL THEN
			RETURN page_error('login', 'no_such_user');
		ELSIF EXISTS (SELECT FROM admin_permission a WHERE a.user_id = u.id) THEN
			RETURN page_error('login', 'is_administrator');
		END IF;
	END IF;
	refused := admin_untouchable(p_visit, u.id);
	IF refused = 'last_administrator' AND v ->> 'everything' = 'change' THEN
		refused := NULL;
	END IF;
	errors := CASE WHEN refused IS NOT NULL THEN page_error('', refused) ELSE admin_errors(p_visit, u.id, v) END;
	IF errors IS NOT NULL THEN
		RETURN errors;
	END IF;
	PERFORM admin_apply(u.id, v);
	RETURN page_saved(p_visit, 'administrator', u.login, u.id::text, before, admin_body(u.id));
END $$;
COMMENT ON FUNCTION manager_administrator_save(jsonb, jsonb) IS 'Makes a person an administrator, or changes what one may do';

CREATE OR REPLACE FUNCTION manager_administrator_remove(p_visit jsonb, p jsonb) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	u app_user;
	head jsonb;
	refused text;
BEGIN
	PERFORM pg_advisory_xact_lock(hashtext('teleops.administrators'));
	SELECT * INTO u FROM app_user x WHERE x.id = number_of(p ->> 'id') AND EXISTS (SELECT FROM admin_permission a WHERE a.user_id = x.id) FOR UPDATE;
	IF u.id IS NULL THEN
		RETURN NULL;
	END IF;
	head := jsonb_build_object('id', u.id, 'version', u.version, 'kind', 'administrator', 'name', u.login);
	refused := admin_untouchable(p_visit, u.id);
	IF refused IS NOT NULL THEN
		RETURN head || jsonb_build_object('refused', page_refused(refused));
	ELSIF NOT (p ->> 'confirmed')::boolean OR u.version <> (p ->> 'version')::bigint THEN
		RETURN head || jsonb_build_object('depends', page_depends('person_stays', 1) || page_depends('sessions_end', (SELECT count(*) FROM web_session s WHERE s.user_id = u.id)));
	END IF;
	PERFORM page_record(p_visit, 'removed', 'administrator ' || u.login, admin_body(u.id));
	DELETE FROM admin_permission WHERE user_id = u.id;
	DELETE FROM web_session WHERE user_id = u.id;
	DELETE FROM web_device WHERE user_id = u.id;
	DELETE FROM totp_recovery WHERE user_id = u.id;
	UPDATE app_user SET password_hash = NULL, password_temporary = false, totp_secret = NULL, version = version + 1, updated_at = now() WHERE id = u.id;
	RETURN jsonb_build_object('done', true, 'kind', 'administrator', 'name', u.login);
END $$;
COMMENT ON FUNCTION manager_administrator_remove(jsonb, jsonb) IS 'Takes the pages away from a person, who stays a person';

CREATE OR REPLACE FUNCTION manager_administrator_reset(p_visit jsonb, p jsonb) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	u app_user;
	refused text;
BEGIN
	SELECT * INTO u FROM app_user x WHERE x.id = number_of(p ->> 'id') AND EXISTS (SELECT FROM admin_permission a WHERE a.user_id = x.id) FOR UPDATE;
	IF u.id IS NULL THEN
		RETURN NULL;
	END IF;
	refused := admin_untouchable(p_visit, u.id);
	IF refused IN ('yourself', 'administrator') THEN
		RETURN jsonb_build_object('id', u.id, 'name', u.login, 'refused', page_refused(refused));
	END IF;
	DELETE FROM web_session WHERE user_id = u.id;
	CASE p ->> 'what'
	WHEN 'password' THEN
		UPDATE app_user SET password_hash = p ->> 'hash', password_temporary = true, version = version + 1, updated_at = now() WHERE id = u.id;
	WHEN 'totp' THEN
		UPDATE app_user SET totp_secret = NULL, version = version + 1, updated_at = now() WHERE id = u.id;
		DELETE FROM totp_recovery WHERE user_id = u.id;
	WHEN 'sessions' THEN
		DELETE FROM web_device WHERE user_id = u.id;
	END CASE;
	PERFORM page_record(p_visit, CASE p ->> 'what' WHEN 'password' THEN 'password reset' WHEN 'totp' THEN 'second factor removed' ELSE 'sessions ended' END,
		'administrator ' || u.login, account_shown(u), account_shown((SELECT x FROM app_user x WHERE x.id = u.id)));
	RETURN jsonb_build_object('id', u.id, 'name', u.login, 'done', true);
END $$;
COMMENT ON FUNCTION manager_administrator_reset(jsonb, jsonb) IS 'A temporary password (hash), no second factor, or no sessions for another administrator (what)';
