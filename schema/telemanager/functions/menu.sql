-- Menus: what setMyCommands tells Telegram of each person.

CREATE OR REPLACE FUNCTION menu_commands(p_user bigint, p_chat bigint, p_language text) RETURNS jsonb
LANGUAGE sql STABLE AS $$
	SELECT coalesce(jsonb_agg(jsonb_build_object('command', x.name, 'description', x.description) ORDER BY x.own DESC, x.name), '[]')
	FROM (SELECT y.* FROM (
			SELECT c.name, left(coalesce(nullif(c.descriptions ->> p_language, ''), nullif(c.descriptions ->> split_part(p_language, '-', 1), ''),
				nullif(c.description, ''), c.name), 256) AS description, true AS own
			FROM command c WHERE c.enabled AND may_see(p_user, c.id, p_chat)
			UNION ALL
			SELECT b, say('menu_' || b), false FROM unnest(ARRAY['help', 'tasks']) b) y
		ORDER BY y.own DESC, y.name LIMIT 100) x
	WHERE EXISTS (SELECT FROM app_user u WHERE u.id = p_user AND u.enabled)
$$;
COMMENT ON FUNCTION menu_commands(bigint, bigint, text) IS 'BotCommand objects for a person (core.telegram.org/bots/api#botcommand): at most 100, in their language where there is one';

CREATE OR REPLACE FUNCTION menus_refresh(p_most integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	now_version bigint := (SELECT version FROM rights_version);
	a record;
	wanted jsonb;
	looked integer := 0;
BEGIN
	FOR a IN SELECT t.telegram_id, t.user_id, t.language, m.commands FROM telegram_account t
			JOIN chat h ON h.chat_id = t.telegram_id AND h.type = 'private' AND h.blocked_at IS NULL
			LEFT JOIN menu m ON m.telegram_id = t.telegram_id
			WHERE m.version IS DISTINCT FROM now_version ORDER BY t.telegram_id LIMIT p_most LOOP
		looked := looked + 1;
		wanted := menu_commands(a.user_id, a.telegram_id, a.language);
		INSERT INTO menu (telegram_id, version, commands) VALUES (a.telegram_id, now_version, wanted)
		ON CONFLICT (telegram_id) DO UPDATE SET version = excluded.version, commands = excluded.commands;
		IF wanted IS DISTINCT FROM a.commands THEN
			INSERT INTO outbox AS o (op, chat_id, params, coalesce_key)
			VALUES ('set_commands', a.telegram_id, jsonb_build_object('commands', wanted, 'scope', jsonb_build_object('type', 'chat', 'chat_id', a.telegram_id)),
				'menu ' || a.telegram_id)
			ON CONFLICT (coalesce_key) WHERE coalesce_key IS NOT NULL DO UPDATE SET params = excluded.params, wanted_version = o.wanted_version + 1;
		END IF;
	END LOOP;
	IF looked < p_most THEN
		UPDATE rights_version SET menus = now_version WHERE menus < now_version;
	END IF;
	IF looked > 0 THEN
		PERFORM pg_notify('outbox', '');
	END IF;
	RETURN looked;
END $$;
COMMENT ON FUNCTION menus_refresh(integer) IS 'Brings menus up to date, so many people at once; how many were looked at';
