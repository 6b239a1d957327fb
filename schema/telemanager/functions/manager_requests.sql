-- Strangers who wrote to the bot: let in with a role, or refused.

CREATE OR REPLACE FUNCTION chat_tell(p_chat bigint, p_text text) RETURNS void
LANGUAGE sql AS $$
	WITH place AS (UPDATE chat h SET out_seq = h.out_seq + 1 WHERE h.chat_id = p_chat RETURNING h.chat_id, h.out_seq)
	INSERT INTO outbox (op, chat_id, seq, text) SELECT 'send', s.chat_id, s.out_seq, p_text FROM place s;
	SELECT pg_notify('outbox', '')
$$;
COMMENT ON FUNCTION chat_tell(bigint, text) IS 'Says something in a chat that the bot knows';

CREATE OR REPLACE FUNCTION login_free(p_wanted text, p_telegram_id bigint) RETURNS text
LANGUAGE sql STABLE AS $$
	SELECT l FROM (VALUES (1, nullif(left(ltrim(regexp_replace(lower(p_wanted), '[^a-z0-9._-]', '', 'g'), '._-'), 40), '')), (2, 'tg' || p_telegram_id),
		(3, 'tg' || p_telegram_id || '-' || substr(md5(random()::text), 1, 6))) AS c(n, l)
	WHERE l IS NOT NULL AND NOT EXISTS (SELECT FROM app_user u WHERE u.login = l) ORDER BY n LIMIT 1
$$;
COMMENT ON FUNCTION login_free(text, bigint) IS 'A login for somebody known by a Telegram name or id alone, that nobody has yet';

CREATE OR REPLACE FUNCTION manager_requests(p_visit jsonb, p jsonb) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
	PERFORM page_begin(p_visit);
	RETURN page_list(p || jsonb_build_object('filters', '{"state": "pending"}' || coalesce(p -> 'filters', '{}')),
			$q$ j.telegram_id AS id, coalesce(nullif(j.name, ''), nullif(j.username, ''), j.telegram_id::text) AS name, j.username, j.language, j.state,
			j.state = 'pending' AS pending, j.state = 'refused' AS refused, j.messages, page_time(j.first_at) AS first, page_time(j.last_at) AS last, user_name(j.decided_by) AS decided_by,
			(SELECT a.user_id FROM telegram_account a WHERE a.telegram_id = j.telegram_id) AS user_id $q$,
		'join_request j', '-last', '{"last": "j.last_at timestamptz, j.telegram_id bigint"}',
		$q$ {"state": "j.state = $1 ->> 'state'", "search": "lower(concat_ws(' ', j.telegram_id, j.username, j.name)) LIKE '%' || page_like($1 ->> 'search') || '%'"} $q$)
		|| jsonb_build_object('roles', role_choices());
END $$;
COMMENT ON FUNCTION manager_requests(jsonb, jsonb) IS 'List of strangers; those that wait, unless another state is asked for';

CREATE OR REPLACE FUNCTION request_approve(p_visit jsonb, j join_request, p_role text) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
	made text := login_free(j.username, j.telegram_id);
	u app_user;
BEGIN
	PERFORM config_apply_user(config_defaults('user') || jsonb_build_object('login', made, 'first_name', left(coalesce(nullif(j.name, ''), j.username), 64),
		'roles', CASE WHEN p_role = '' THEN '[]' ELSE jsonb_build_array(p_role) END, 'telegram_ids', jsonb_build_array(j.telegram_id)));
	SELECT * INTO u FROM app_user x WHERE x.login = made;
	UPDATE telegram_account a SET username = j.username, name = j.name, language = j.language WHERE a.telegram_id = j.telegram_id;
	UPDATE join_request x SET state = 'approved', decided_by = (p_visit ->> 'user')::bigint, decided_at = now() WHERE x.telegram_id = j.telegram_id;
	PERFORM page_record(p_visit, 'created', 'user ' || made, NULL, config_user(u));
	PERFORM chat_tell(j.chat_id, say('approved', jsonb_build_object('name', user_name(u.id))));
	RETURN made;
END $$;
COMMENT ON FUNCTION request_approve(jsonb, join_request, text) IS 'Makes a person of a stranger, tells them; the login';

CREATE OR REPLACE FUNCTION manager_request_act(p_visit jsonb, p jsonb) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	ids bigint[] := ARRAY(SELECT number_of(i) FROM jsonb_array_elements_text(p -> 'ids') i);
	j join_request;
	done text[] := '{}';
BEGIN
	IF NOT (p ->> 'confirmed')::boolean OR (p ->> 'value' <> '' AND NOT EXISTS (SELECT FROM role r WHERE r.name = p ->> 'value')) THEN
		RETURN jsonb_build_object('choices', role_choices(), 'objects', (SELECT coalesce(jsonb_agg(jsonb_build_object('id', x.telegram_id,
			'name', coalesce(nullif(x.name, ''), x.telegram_id::text), 'note', concat_ws(' ', '@' || nullif(x.username, ''), x.telegram_id)) ORDER BY x.name), '[]')
			FROM join_request x WHERE x.telegram_id = ANY (ids)));
	END IF;
	FOR j IN SELECT * FROM join_request x WHERE x.telegram_id = ANY (ids) ORDER BY x.telegram_id FOR UPDATE LOOP
		-- Decided by somebody else meanwhile, or made an account of somebody's.
		CONTINUE WHEN EXISTS (SELECT FROM telegram_account a WHERE a.telegram_id = j.telegram_id) OR (p ->> 'action' = 'refuse' AND j.state <> 'pending');
		IF p ->> 'action' = 'approve' THEN
			done := done || request_approve(p_visit, j, p ->> 'value');
		ELSE
			UPDATE join_request x SET state = 'refused', decided_by = (p_visit ->> 'user')::bigint, decided_at = now() WHERE x.telegram_id = j.telegram_id;
			PERFORM page_record(p_visit, 'refused', 'stranger ' || j.telegram_id, jsonb_build_object('name', j.name, 'username', j.username, 'state', j.state),
				jsonb_build_object('name', j.name, 'username', j.username, 'state', 'refused'));
			done := done || coalesce(nullif(j.name, ''), j.telegram_id::text);
		END IF;
	END LOOP;
	RETURN jsonb_build_object('flash', 'requests_' || (p ->> 'action'), 'done', jsonb_build_object('count', cardinality(done), 'names', array_to_string(done[:10], ', '), 'role', p ->> 'value'));
END $$;
COMMENT ON FUNCTION manager_request_act(jsonb, jsonb) IS 'Approves strangers (value: a role, or empty) or refuses them';
