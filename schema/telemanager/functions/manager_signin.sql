-- Signing in to the pages, and who is signed in.

CREATE OR REPLACE FUNCTION signin_delay(p_kind text, p_tries integer) RETURNS interval
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
	SELECT CASE WHEN p_tries <= free THEN interval '0' ELSE interval '1 second' * least(most, power(2, least(p_tries - free, 20))) END
	FROM (VALUES ('browser', 5, 900), ('place', 3, 900), ('login', 10, 30), ('address', 30, 60)) AS k(kind, free, most) WHERE kind = p_kind
$$;
COMMENT ON FUNCTION signin_delay(text, integer)
	IS 'How long after so many tries the next is looked at. A login by itself is never put off for long: that would be a way to lock its owner out';

-- A try is counted before the password is looked at, so that many at once are no way around it.
CREATE OR REPLACE FUNCTION manager_signin(p_visit jsonb, p jsonb) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	u app_user;
	wait integer;
	kinds text[];
BEGIN
	SELECT * INTO u FROM app_user WHERE login = lower(trim(p ->> 'login'));
	-- Who comes with a browser that this person has signed in with is not one of those who guess elsewhere.
	kinds := CASE WHEN EXISTS (SELECT FROM web_device d WHERE d.id_hash = decode(p ->> 'device', 'hex') AND d.user_id = u.id AND d.created_at > now() - interval '90 days')
		THEN ARRAY['browser'] ELSE ARRAY['address', 'login', 'place'] END;
	SELECT ceil(extract(epoch FROM max(s.free_at) - clock_timestamp())) INTO wait FROM signin_pace s
	WHERE s.key IN (SELECT signin_key(k, p_visit, p) FROM unnest(kinds) k);
	IF wait > 0 THEN
		RETURN jsonb_build_object('wait', wait);
	END IF;
	INSERT INTO signin_pace AS s (key) SELECT signin_key(k, p_visit, p) FROM unnest(kinds) k ORDER BY 1
	ON CONFLICT (key) DO UPDATE SET tries = CASE WHEN s.last_at < now() - interval '1 hour' THEN 1 ELSE s.tries + 1 END, last_at = now();
	UPDATE signin_pace s SET free_at = clock_timestamp() + signin_delay(k, s.tries) FROM unnest(kinds) k WHERE s.key = signin_key(k, p_visit, p);
	RETURN jsonb_build_object('wait', 0, 'hash', CASE WHEN u.enabled AND EXISTS (SELECT FROM admin_permission a WHERE a.user_id = u.id) THEN u.password_hash END);
END $$;
COMMENT ON FUNCTION manager_signin(jsonb, jsonb) IS 'A try to sign in (login, device): the hash to compare with, null for nobody; or seconds to wait';

CREATE OR REPLACE FUNCTION signin_key(p_kind text, p_visit jsonb, p jsonb) RETURNS bytea
LANGUAGE sql IMMUTABLE AS $$
	SELECT sha256(convert_to(concat_ws(E'\n', p_kind, CASE WHEN p_kind <> 'address' THEN lower(trim(p ->> 'login')) END,
		CASE WHEN p_kind = 'browser' THEN p ->> 'device' END, CASE WHEN p_kind IN ('address', 'place') THEN p_visit ->> 'address' END), 'UTF8'))
$$;
COMMENT ON FUNCTION signin_key(text, jsonb, jsonb) IS 'What tries are counted by: address, login, place (login at an address), browser (login in a known browser)';

CREATE OR REPLACE FUNCTION manager_signed_in(p_visit jsonb, p jsonb) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	u app_user;
	visit jsonb;
BEGIN
	SELECT * INTO u FROM app_user x WHERE x.login = lower(trim(p ->> 'login'));
	visit := p_visit || jsonb_build_object('user', u.id);
	IF NOT (p ->> 'passed')::boolean OR u.id IS NULL OR NOT u.enabled THEN
		-- What is no login may be a password typed into the wrong field.
		PERFORM page_record(visit, 'sign-in refused', 'user ' || coalesce(u.login, '?'));
		RETURN NULL;
	END IF;
	DELETE FROM signin_pace WHERE key IN (SELECT signin_key(k, p_visit, p) FROM unnest(ARRAY['browser', 'place', 'login']) k)
		OR last_at < now() - interval '1 day';
	DELETE FROM web_session WHERE user_id = u.id AND expires_at < now();
	DELETE FROM web_device WHERE id_hash = decode(p ->> 'device', 'hex') OR created_at < now() - interval '90 days';
	INSERT INTO web_session (id_hash, user_id, csrf_hash, expires_at, address, agent, stage, device_hash)
	VALUES (decode(p ->> 'session', 'hex'), u.id, decode(p ->> 'form', 'hex'),
		now() + CASE WHEN u.totp_secret IS NULL THEN interval '1 hour' * (p ->> 'hours')::integer ELSE interval '5 minutes' END,
		(p_visit ->> 'address')::inet, left(p ->> 'agent', 300), CASE WHEN u.totp_secret IS NULL THEN 'open' ELSE 'code' END, decode(p ->> 'new_device', 'hex'));
	IF u.totp_secret IS NULL THEN
		INSERT INTO web_device (id_hash, user_id) VALUES (decode(p ->> 'new_device', 'hex'), u.id);
		PERFORM page_record(visit, 'signed in', 'user ' || u.login);
	END IF;
	RETURN jsonb_build_object('code', u.totp_secret IS NOT NULL);
END $$;
COMMENT ON FUNCTION manager_signed_in(jsonb, jsonb)
	IS 'How comparing the password went (login, passed): begins a session, or one that awaits the second factor (code); null: refused';

CREATE OR REPLACE FUNCTION manager_session(p_visit jsonb, p jsonb) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	s web_session;
	u app_user;
	may jsonb;
BEGIN
	SELECT * INTO s FROM web_session x WHERE x.id_hash = decode(p ->> 'session', 'hex') AND x.stage = 'open' AND x.expires_at > now()
		AND x.seen_at > now() - interval '1 minute' * (p ->> 'idle_min')::integer;
	SELECT * INTO u FROM app_user x WHERE x.id = s.user_id AND x.enabled AND x.password_hash IS NOT NULL;
	SELECT jsonb_object_agg(a.area, g.can_change ORDER BY g.can_change) INTO may FROM admin_permission g
	CROSS JOIN LATERAL (SELECT g.area WHERE g.area <> '*' UNION ALL
		SELECT unnest(admin_areas()) WHERE g.area = '*') a
	WHERE g.user_id = u.id;
	IF may IS NULL THEN
		RETURN NULL;
	END IF;
	-- Not with every page: a write each would cost more than the page.
	IF s.seen_at < now() - interval '20 seconds' THEN
		UPDATE web_session x SET seen_at = now(), address = (p_visit ->> 'address')::inet WHERE x.id_hash = s.id_hash;
	END IF;
	RETURN jsonb_build_object('user', u.id, 'must_change', u.password_temporary, 'zone', coalesce(page_zone(u.timezone), 'UTC'),
		'who', jsonb_build_object('login', u.login, 'name', user_name(u.id), 'zone', coalesce(page_zone(u.timezone), 'UTC')),
		'may', (SELECT jsonb_object_agg(k.key, true) FROM jsonb_each(may) k),
		'change', (SELECT jsonb_object_agg(k.key, true) FROM jsonb_each(may) k WHERE k.value = 'true'),
		'section', jsonb_build_object('operations', may ?| ARRAY['tasks', 'engines', 'chats', 'outbox'], 'teleops', may ?| ARRAY['audit', 'settings', 'administrators']),
		'waiting', jsonb_build_object('requests', CASE WHEN may ? 'people' THEN
			(SELECT nullif(count(*), 0) FROM (SELECT FROM join_request j WHERE j.state = 'pending' LIMIT 99) w) END));
END $$;
COMMENT ON FUNCTION manager_session(jsonb, jsonb) IS 'Who a session belongs to, what they may view and change, and what waits for them; null: nobody';

CREATE OR REPLACE FUNCTION manager_sign_out(p_visit jsonb, p jsonb) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
	DELETE FROM web_session WHERE id_hash = decode(p ->> 'session', 'hex');
	PERFORM page_record(p_visit, 'signed out', 'user ' || (SELECT login FROM app_user WHERE id = (p_visit ->> 'user')::bigint));
	RETURN '{}';
END $$;
COMMENT ON FUNCTION manager_sign_out(jsonb, jsonb) IS 'Ends a session';
