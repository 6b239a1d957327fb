-- Invitations: links that make a Telegram account somebody's, each good once.

CREATE OR REPLACE FUNCTION manager_invites(p_visit jsonb, p jsonb) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
	PERFORM page_begin(p_visit);
	RETURN page_list(p, $q$ i.id, '#' || i.id AS name, i.note, page_time(i.created_at) AS created, page_time(i.expires_at) AS expires, page_time(i.used_at) AS used, i.used_by::text,
			i.used_at IS NOT NULL AS is_used, i.used_at IS NULL AND i.expires_at <= now() AS is_over, i.used_at IS NULL AND i.expires_at > now() AS is_open,
			i.user_id, (SELECT u.login FROM app_user u WHERE u.id = i.user_id) AS login, (SELECT r.name FROM role r WHERE r.id = i.role_id) AS role, user_name(i.created_by) AS by $q$,
		'invite i', '-created', '{"created": "i.created_at timestamptz, i.id bigint"}',
		$q$ {"state": "CASE $1 ->> 'state' WHEN 'open' THEN i.used_at IS NULL AND i.expires_at > now() WHEN 'used' THEN i.used_at IS NOT NULL WHEN 'over' THEN i.used_at IS NULL AND i.expires_at <= now() END"} $q$);
END $$;
COMMENT ON FUNCTION manager_invites(jsonb, jsonb) IS 'List of invitations';

CREATE OR REPLACE FUNCTION manager_invite(p_visit jsonb, p jsonb) RETURNS jsonb
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
	SELECT jsonb_build_object('values', jsonb_build_object('login', (SELECT u.login FROM app_user u WHERE u.id = number_of(p ->> 'from')), 'days', 7),
		'choices', jsonb_build_object('role', role_choices()))
$$;
COMMENT ON FUNCTION manager_invite(jsonb, jsonb) IS 'What a new invitation begins with (from: key of a person)';

CREATE OR REPLACE FUNCTION manager_invite_make(p_visit jsonb, p jsonb) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	v jsonb := p -> 'values';
	u app_user;
	r role;
	errors jsonb;
	made invite;
BEGIN
	SELECT * INTO u FROM app_user x WHERE x.login = v ->> 'login';
	SELECT * INTO r FROM role x WHERE x.name = v ->> 'role';
	errors := page_errors(ARRAY[
		CASE WHEN v ->> 'login' <> '' AND u.id IS NULL THEN page_error('login', 'no_such_user') WHEN NOT u.enabled THEN page_error('login', 'user_disabled') END,
		CASE WHEN v ->> 'role' IS NOT NULL AND r.id IS NULL THEN page_error('role', 'gone') END,
		CASE WHEN v ->> 'note' ~ '[[:cntrl:]]' THEN page_error('note', 'control') END,
		CASE WHEN NOT (v ->> 'days')::bigint BETWEEN 1 AND 90 THEN page_error('days', 'days_form') END]);
	IF errors IS NOT NULL THEN
		RETURN errors;
	END IF;
	PERFORM page_begin(p_visit);
	INSERT INTO invite (token_hash, user_id, role_id, created_by, expires_at, note)
	VALUES (decode(p ->> 'token', 'hex'), u.id, r.id, (p_visit ->> 'user')::bigint, now() + interval '1 day' * (v ->> 'days')::integer, v ->> 'note') RETURNING * INTO made;
	PERFORM page_record(p_visit, 'created', 'invite ' || made.id, NULL, jsonb_strip_nulls(jsonb_build_object('login', u.login, 'role', r.name, 'days', v -> 'days', 'note', nullif(v ->> 'note', ''))));
	RETURN jsonb_build_object('id', made.id, 'expires', page_time(made.expires_at), 'login', u.login, 'role', r.name, 'bot', (SELECT nullif(b.username, '') FROM bot_status b));
END $$;
COMMENT ON FUNCTION manager_invite_make(jsonb, jsonb) IS 'Makes an invitation (token: hash of what the link holds)';

CREATE OR REPLACE FUNCTION manager_invite_remove(p_visit jsonb, p jsonb) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	i invite;
BEGIN
	SELECT * INTO i FROM invite x WHERE x.id = number_of(p ->> 'id') FOR UPDATE;
	IF i.id IS NULL THEN
		RETURN NULL;
	ELSIF NOT (p ->> 'confirmed')::boolean THEN
		RETURN jsonb_build_object('id', i.id, 'version', 1, 'kind', 'invite', 'name', '#' || i.id, 'listed_only', true,
			'depends', page_depends(CASE WHEN i.used_at IS NULL THEN 'link_ends' ELSE 'account_stays' END, 1));
	END IF;
	DELETE FROM invite x WHERE x.id = i.id;
	PERFORM page_record(p_visit, 'removed', 'invite ' || i.id, jsonb_strip_nulls(jsonb_build_object('login', (SELECT u.login FROM app_user u WHERE u.id = i.user_id),
		'role', (SELECT r.name FROM role r WHERE r.id = i.role_id), 'note', nullif(i.note, ''), 'used', i.used_at IS NOT NULL)));
	RETURN jsonb_build_object('done', true, 'kind', 'invite', 'name', '#' || i.id);
END $$;
COMMENT ON FUNCTION manager_invite_remove(jsonb, jsonb) IS 'Takes an invitation back, or (used) off the list';

-- Called by admission, which holds nothing of the person yet.
CREATE OR REPLACE FUNCTION invite_redeem(p_token text, p_telegram_id bigint, p_username text, p_name text, p_language text) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
	i invite;
	holder bigint := (SELECT a.user_id FROM telegram_account a WHERE a.telegram_id = p_telegram_id);
	who bigint;
BEGIN
	SELECT * INTO i FROM invite x WHERE x.token_hash = sha256(convert_to(p_token, 'UTF8')) AND x.used_at IS NULL AND x.expires_at > now() FOR UPDATE;
	-- An account that is somebody's stays theirs: who is known already can only be given what the invitation is for.
	IF i.id IS NULL OR (holder IS NOT NULL AND i.user_id IS NOT NULL AND holder <> i.user_id) THEN
		RETURN false;
	END IF;
	who := coalesce(i.user_id, holder);
	IF who IS NULL THEN
		INSERT INTO app_user (login, first_name) VALUES (login_free(p_username, p_telegram_id), left(coalesce(nullif(p_name, ''), p_username), 64)) RETURNING id INTO who;
	END IF;
	INSERT INTO telegram_account (telegram_id, user_id, username, name, language) VALUES (p_telegram_id, who, p_username, p_name, p_language) ON CONFLICT DO NOTHING;
	INSERT INTO user_role (user_id, role_id) SELECT who, i.role_id WHERE i.role_id IS NOT NULL ON CONFLICT DO NOTHING;
	UPDATE app_user SET version = version + 1, updated_at = now() WHERE id = who;
	UPDATE invite x SET used_at = now(), used_by = p_telegram_id WHERE x.id = i.id;
	UPDATE join_request j SET state = 'approved', decided_by = i.created_by, decided_at = now() WHERE j.telegram_id = p_telegram_id AND j.state <> 'approved';
	INSERT INTO audit_event (actor, user_id, telegram_id, action, object, detail)
	SELECT 'bot', who, p_telegram_id, 'invitation used', 'user ' || u.login, jsonb_build_object('invite', i.id, 'role', (SELECT r.name FROM role r WHERE r.id = i.role_id),
		'after', config_user(u)) FROM app_user u WHERE u.id = who;
	RETURN true;
END $$;
COMMENT ON FUNCTION invite_redeem(text, bigint, text, text, text)
	IS 'Uses an invitation: the Telegram account becomes its person''s, or a new one''s, with its role. False: it is not good (any more), or not for this account';
