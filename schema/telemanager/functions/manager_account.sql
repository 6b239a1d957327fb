-- One's own account: name and zone, password, second factor, sessions. And the second step of signing in.

CREATE OR REPLACE FUNCTION account_values(u app_user) RETURNS jsonb
LANGUAGE sql STABLE AS $$
	SELECT jsonb_build_object('first_name', u.first_name, 'last_name', u.last_name, 'timezone', u.timezone)
$$;
COMMENT ON FUNCTION account_values(app_user) IS 'What a person may change of themselves';

CREATE OR REPLACE FUNCTION agent_name(p_agent text) RETURNS text
LANGUAGE sql IMMUTABLE AS $$
	SELECT coalesce(nullif(concat_ws(' on ', CASE WHEN p_agent ~ 'Edg' THEN 'Edge' WHEN p_agent ~ 'OPR/' THEN 'Opera' ELSE substring(p_agent FROM 'Firefox|Chrome|Safari|curl|Python') END,
		substring(p_agent FROM 'Windows|Android|iPhone|iPad|CrOS|Mac OS|Linux')), ''), left(p_agent, 60))
$$;
COMMENT ON FUNCTION agent_name(text) IS 'A browser as people know it, from what it says of itself';

CREATE OR REPLACE FUNCTION manager_account(p_visit jsonb, p jsonb) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	u app_user;
	own bytea := decode(p ->> 'session', 'hex');
BEGIN
	SELECT * INTO u FROM app_user x WHERE x.id = (p_visit ->> 'user')::bigint;
	PERFORM page_begin(p_visit);
	RETURN jsonb_build_object('id', u.id, 'version', u.version, 'login', u.login, 'values', account_values(u), 'totp', u.totp_secret IS NOT NULL,
		'totp_new', (SELECT encode(s.totp_new, 'hex') FROM web_session s WHERE s.id_hash = own),
		'recovery_left', (SELECT count(*)::text FROM totp_recovery r WHERE r.user_id = u.id AND r.used_at IS NULL),
		'permissions', (SELECT string_agg(CASE a.area WHEN '*' THEN 'everything' ELSE a.area END || CASE WHEN a.can_change THEN ': change' ELSE ': view' END, ', ' ORDER BY a.area)
			FROM admin_permission a WHERE a.user_id = u.id),
		'others', (SELECT count(*) > 0 FROM web_session s WHERE s.user_id = u.id AND s.id_hash <> own AND s.expires_at > now()),
		'sessions', (SELECT jsonb_agg(jsonb_build_object('id', encode(s.id_hash, 'hex'), 'own', s.id_hash = own, 'agent', agent_name(s.agent), 'address', host(s.address),
				'began', page_time(s.created_at), 'seen', page_time(s.seen_at), 'ends', page_time(s.expires_at)) ORDER BY s.id_hash <> own, s.seen_at DESC)
			FROM web_session s WHERE s.user_id = u.id AND s.expires_at > now() AND s.stage = 'open'));
END $$;
COMMENT ON FUNCTION manager_account(jsonb, jsonb) IS 'One''s own account (session: hash of the one that asks)';

CREATE OR REPLACE FUNCTION manager_account_save(p_visit jsonb, p jsonb) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	v jsonb := p -> 'values';
	u app_user;
	before jsonb;
	errors jsonb;
BEGIN
	SELECT * INTO u FROM app_user x WHERE x.id = (p_visit ->> 'user')::bigint FOR UPDATE;
	IF u.version <> (p ->> 'version')::bigint THEN
		RETURN page_conflict(p_visit, 'user ' || u.login, u.version, account_values(u));
	END IF;
	errors := page_errors(ARRAY[
		CASE WHEN v ->> 'first_name' ~ '[[:cntrl:]]' THEN page_error('first_name', 'control') END,
		CASE WHEN v ->> 'last_name' ~ '[[:cntrl:]]' THEN page_error('last_name', 'control') END,
		CASE WHEN page_zone(v ->> 'timezone') IS NULL THEN page_error('timezone', 'zone_unknown') END]);
	IF errors IS NOT NULL THEN
		RETURN errors;
	END IF;
	before := config_user(u);
	IF account_values(u) <> v THEN
		UPDATE app_user x SET first_name = v ->> 'first_name', last_name = v ->> 'last_name', timezone = v ->> 'timezone', version = x.version + 1, updated_at = now()
		WHERE x.id = u.id RETURNING * INTO u;
	END IF;
	RETURN page_saved(p_visit, 'user', u.login, u.id::text, before, config_user(u));
END $$;
COMMENT ON FUNCTION manager_account_save(jsonb, jsonb) IS 'Changes one''s own name and zone';

-- Who sits at a browser left open must not be able to guess.
CREATE OR REPLACE FUNCTION account_wait(p_kind text, p_user bigint) RETURNS integer
LANGUAGE plpgsql AS $$
DECLARE
	k bytea := sha256(convert_to(concat_ws(E'\n', p_kind, p_user), 'UTF8'));
	wait integer;
BEGIN
	SELECT ceil(extract(epoch FROM s.free_at - clock_timestamp())) INTO wait FROM signin_pace s WHERE s.key = k;
	IF wait > 0 THEN
		RETURN wait;
	END IF;
	INSERT INTO signin_pace AS s (key) VALUES (k)
	ON CONFLICT (key) DO UPDATE SET tries = CASE WHEN s.last_at < now() - interval '1 hour' THEN 1 ELSE s.tries + 1 END, last_at = now();
	UPDATE signin_pace s SET free_at = clock_timestamp() + signin_delay('browser', s.tries) WHERE s.key = k;
	RETURN 0;
END $$;
COMMENT ON FUNCTION account_wait(text, bigint) IS 'Counts a try at one''s own password or code; seconds to wait before it is looked at, 0: none';

CREATE OR REPLACE FUNCTION account_right(p_kind text, p_user bigint) RETURNS void
LANGUAGE sql AS $$
	DELETE FROM signin_pace WHERE key = sha256(convert_to(concat_ws(E'\n', p_kind, p_user), 'UTF8'))
$$;
COMMENT ON FUNCTION account_right(text, bigint) IS 'The try was right: nothing is held against the next';

CREATE OR REPLACE FUNCTION manager_account_password(p_visit jsonb, p jsonb) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	wait integer := account_wait('password', (p_visit ->> 'user')::bigint);
BEGIN
	RETURN jsonb_build_object('wait', wait, 'hash', CASE WHEN wait = 0 THEN (SELECT u.password_hash FROM app_user u WHERE u.id = (p_visit ->> 'user')::bigint) END);
END $$;
COMMENT ON FUNCTION manager_account_password(jsonb, jsonb) IS 'The hash of one''s own password, to compare what was typed with; or seconds to wait';

CREATE OR REPLACE FUNCTION account_shown(p_user app_user) RETURNS jsonb
LANGUAGE sql IMMUTABLE AS $$
	SELECT jsonb_build_object('second_factor', (p_user).totp_secret IS NOT NULL, 'temporary_password', (p_user).password_temporary, 'version', (p_user).version)
$$;
COMMENT ON FUNCTION account_shown(app_user) IS 'What the record tells of how somebody signs in: no secret';

CREATE OR REPLACE FUNCTION manager_account_change(p_visit jsonb, p jsonb) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	u app_user;
	own bytea := decode(p ->> 'session', 'hex');
BEGIN
	SELECT * INTO u FROM app_user x WHERE x.id = (p_visit ->> 'user')::bigint FOR UPDATE;
	PERFORM account_right('password', u.id);
	CASE p ->> 'what'
	WHEN 'password' THEN
		UPDATE app_user x SET password_hash = p ->> 'hash', password_temporary = false, version = x.version + 1, updated_at = now() WHERE x.id = u.id;
		DELETE FROM web_session WHERE user_id = u.id AND id_hash <> own;
		DELETE FROM web_device d WHERE d.user_id = u.id AND d.id_hash NOT IN (SELECT s.device_hash FROM web_session s WHERE s.id_hash = own AND s.device_hash IS NOT NULL);
	WHEN 'totp' THEN
		UPDATE web_session SET totp_new = decode(p ->> 'secret', 'hex') WHERE id_hash = own;
		RETURN '{}';
	WHEN 'totp_off' THEN
		UPDATE app_user x SET totp_secret = NULL, version = x.version + 1, updated_at = now() WHERE x.id = u.id;
		DELETE FROM totp_recovery WHERE user_id = u.id;
	WHEN 'codes' THEN
		DELETE FROM totp_recovery WHERE user_id = u.id;
		INSERT INTO totp_recovery (user_id, code_hash) SELECT u.id, decode(h, 'hex') FROM jsonb_array_elements_text(p -> 'codes') h;
	END CASE;
	-- Of what is secret the record tells that it changed, not what it is.
	PERFORM page_record(p_visit, CASE p ->> 'what' WHEN 'password' THEN 'password changed' WHEN 'totp_off' THEN 'second factor removed' ELSE 'recovery codes made' END,
		'user ' || u.login, account_shown(u), account_shown((SELECT x FROM app_user x WHERE x.id = u.id)));
	RETURN '{}';
END $$;
COMMENT ON FUNCTION manager_account_change(jsonb, jsonb) IS 'After one''s password was right: a new one, a second factor begun or removed, new recovery codes (what)';

CREATE OR REPLACE FUNCTION manager_totp_begin(p_visit jsonb, p jsonb) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	wait integer := account_wait('code', (p_visit ->> 'user')::bigint);
BEGIN
	RETURN jsonb_build_object('wait', wait, 'secret', (SELECT encode(s.totp_new, 'hex') FROM web_session s
		WHERE wait = 0 AND s.id_hash = decode(p ->> 'session', 'hex') AND s.totp_new IS NOT NULL));
END $$;
COMMENT ON FUNCTION manager_totp_begin(jsonb, jsonb) IS 'The second factor being set up, to compare the first code with; or seconds to wait';

CREATE OR REPLACE FUNCTION manager_totp_end(p_visit jsonb, p jsonb) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	u app_user;
	secret bytea;
BEGIN
	SELECT * INTO u FROM app_user x WHERE x.id = (p_visit ->> 'user')::bigint FOR UPDATE;
	UPDATE web_session s SET totp_new = NULL FROM web_session old WHERE old.id_hash = s.id_hash AND s.id_hash = decode(p ->> 'session', 'hex')
	RETURNING old.totp_new INTO secret;
	IF secret IS NULL THEN
		RETURN NULL;
	END IF;
	PERFORM account_right('code', u.id);
	UPDATE app_user x SET totp_secret = secret, totp_last = (p ->> 'step')::bigint, version = x.version + 1, updated_at = now() WHERE x.id = u.id;
	DELETE FROM totp_recovery WHERE user_id = u.id;
	INSERT INTO totp_recovery (user_id, code_hash) SELECT u.id, decode(h, 'hex') FROM jsonb_array_elements_text(p -> 'codes') h;
	PERFORM page_record(p_visit, 'second factor set up', 'user ' || u.login, account_shown(u), account_shown((SELECT x FROM app_user x WHERE x.id = u.id)));
	RETURN '{}';
END $$;
COMMENT ON FUNCTION manager_totp_end(jsonb, jsonb) IS 'The first code was right: the second factor counts, with its recovery codes';

CREATE OR REPLACE FUNCTION manager_session_end(p_visit jsonb, p jsonb) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	ended integer;
	u app_user;
BEGIN
	SELECT * INTO u FROM app_user x WHERE x.id = (p_visit ->> 'user')::bigint;
	DELETE FROM web_session s WHERE s.user_id = u.id
		AND CASE WHEN p ->> 'id' = 'others' THEN s.id_hash <> decode(p ->> 'session', 'hex') ELSE encode(s.id_hash, 'hex') = p ->> 'id' END;
	GET DIAGNOSTICS ended = ROW_COUNT;
	IF ended > 0 THEN
		PERFORM page_record(p_visit, 'sessions ended', 'user ' || u.login, jsonb_build_object('sessions', ended + (SELECT count(*) FROM web_session s WHERE s.user_id = u.id)),
			jsonb_build_object('sessions', (SELECT count(*) FROM web_session s WHERE s.user_id = u.id)));
	END IF;
	RETURN jsonb_build_object('ended', ended);
END $$;
COMMENT ON FUNCTION manager_session_end(jsonb, jsonb) IS 'Ends one of one''s own sessions (id), or all others';

-- The second step of signing in: the session is there, and good for nothing else yet.

CREATE OR REPLACE FUNCTION manager_code(p_visit jsonb, p jsonb) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	u app_user;
	wait integer;
BEGIN
	SELECT x.* INTO u FROM web_session s JOIN app_user x ON x.id = s.user_id
	WHERE s.id_hash = decode(p ->> 'session', 'hex') AND s.stage = 'code' AND s.expires_at > now() AND x.enabled AND x.totp_secret IS NOT NULL;
	IF u.id IS NULL THEN
		RETURN NULL;
	END IF;
	wait := CASE WHEN (p ->> 'try')::boolean THEN account_wait('code', u.id) ELSE 0 END;
	RETURN jsonb_build_object('wait', wait) || CASE WHEN wait = 0 AND (p ->> 'try')::boolean THEN jsonb_build_object('secret', encode(u.totp_secret, 'hex')) ELSE '{}' END;
END $$;
COMMENT ON FUNCTION manager_code(jsonb, jsonb) IS 'A session that awaits its code: with try, the secret to compare with or seconds to wait; null: there is none';

CREATE OR REPLACE FUNCTION manager_code_used(p_visit jsonb, p jsonb) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	u app_user;
	visit jsonb;
	good boolean;
BEGIN
	SELECT x.* INTO u FROM web_session s JOIN app_user x ON x.id = s.user_id
	WHERE s.id_hash = decode(p ->> 'session', 'hex') AND s.stage = 'code' AND s.expires_at > now() AND x.enabled FOR UPDATE OF x;
	IF u.id IS NULL THEN
		RETURN NULL;
	END IF;
	visit := p_visit || jsonb_build_object('user', u.id);
	IF p ? 'step' THEN
		-- A code that was seen over somebody's shoulder is worth nothing once it was used, nor is an older one.
		UPDATE app_user x SET totp_last = (p ->> 'step')::bigint WHERE x.id = u.id AND x.totp_last < (p ->> 'step')::bigint;
		good := FOUND;
	ELSE
		UPDATE totp_recovery r SET used_at = now() WHERE r.user_id = u.id AND r.code_hash = decode(p ->> 'recovery', 'hex') AND r.used_at IS NULL;
		good := FOUND;
	END IF;
	IF NOT good THEN
		PERFORM page_record(visit, 'sign-in refused', 'user ' || u.login);
		RETURN jsonb_build_object('passed', false);
	END IF;
	PERFORM account_right('code', u.id);
	INSERT INTO web_device (id_hash, user_id) SELECT s.device_hash, u.id FROM web_session s WHERE s.id_hash = decode(p ->> 'session', 'hex') AND s.device_hash IS NOT NULL
	ON CONFLICT DO NOTHING;
	-- Another id than the one that was known while only the password had been given.
	UPDATE web_session s SET id_hash = decode(p ->> 'new_session', 'hex'), csrf_hash = decode(p ->> 'form', 'hex'), stage = 'open', created_at = now(), seen_at = now(),
		expires_at = now() + interval '1 hour' * (p ->> 'hours')::integer WHERE s.id_hash = decode(p ->> 'session', 'hex');
	PERFORM page_record(visit, CASE WHEN p ? 'step' THEN 'signed in' ELSE 'signed in with a recovery code' END, 'user ' || u.login);
	RETURN jsonb_build_object('passed', true);
END $$;
COMMENT ON FUNCTION manager_code_used(jsonb, jsonb) IS 'A code fitted (step) or may be a recovery code (recovery): opens the session under a new id, unless it was used before';
