-- The declared state as a document: all of it, and another one applied, with the difference shown first.

CREATE OR REPLACE FUNCTION manager_backup(p_visit jsonb, p jsonb) RETURNS jsonb
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
	SELECT jsonb_build_object('kinds', jsonb_agg(jsonb_build_object('name', k.name, 'count', k.count))) FROM (VALUES
		('organizations', (SELECT count(*) FROM organization)), ('groups', (SELECT count(*) FROM user_group)), ('roles', (SELECT count(*) FROM role)),
		('users', (SELECT count(*) FROM app_user)), ('queues', (SELECT count(*) FROM queue)), ('commands', (SELECT count(*) FROM command)),
		('grants', (SELECT count(*) FROM role_command)), ('schedules', (SELECT count(*) FROM schedule))) AS k(name, count)
$$;
COMMENT ON FUNCTION manager_backup(jsonb, jsonb) IS 'How much the declared state holds';

CREATE OR REPLACE FUNCTION manager_backup_export(p_visit jsonb, p jsonb) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
	PERFORM page_record(p_visit, 'exported', 'configuration');
	RETURN jsonb_build_object('document', config_export(), 'day', to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD'));
END $$;
COMMENT ON FUNCTION manager_backup_export(jsonb, jsonb) IS 'The declared state as teleops export writes it';

-- An administrator is not locked out by a document.
CREATE OR REPLACE FUNCTION backup_refused(p_visit jsonb, p_changes jsonb) RETURNS jsonb
LANGUAGE sql STABLE AS $$
	SELECT jsonb_agg(jsonb_build_object('path', 'users', 'reason', '', 'login', u.login, 'e', jsonb_build_object(x.why, true)) ORDER BY u.login)
	FROM jsonb_array_elements(p_changes) c JOIN app_user u ON u.login = c ->> 'name', admin_untouchable(p_visit, u.id) AS x(why)
	WHERE c ->> 'kind' = 'user' AND c ->> 'action' = 'changed' AND c #> '{detail,enabled}' = '[true, false]' AND x.why IS NOT NULL
$$;
COMMENT ON FUNCTION backup_refused(jsonb, jsonb) IS 'Whose access a document would take away though the visitor may not; null: nobody''s';

CREATE OR REPLACE FUNCTION backup_shown(p_changes jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE AS $$
	SELECT coalesce(jsonb_agg(jsonb_build_object('action', c ->> 'action', 'is', jsonb_build_object(c ->> 'action', true), 'kind', c ->> 'kind', 'name', c ->> 'name',
		'details', (SELECT coalesce(jsonb_agg(jsonb_build_object('name', d.key, 'before', coalesce(page_shown(d.value -> 0), ''), 'after', coalesce(page_shown(d.value -> 1), '')) ORDER BY d.key), '[]')
			FROM jsonb_each(nullif(c -> 'detail', 'null')) d)) ORDER BY n), '[]')
	FROM jsonb_array_elements(p_changes) WITH ORDINALITY AS x(c, n) WHERE n <= 500
$$;
COMMENT ON FUNCTION backup_shown(jsonb) IS 'Changes as the page shows them, the first 500';

-- Undone unless confirmed is the digest of exactly this difference. lines: what lines of schedules mean then, see manager_command_save().
CREATE OR REPLACE FUNCTION manager_backup_apply(p_visit jsonb, p jsonb) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	changes jsonb;
	schedules bigint[];
	answer jsonb;
	digest text;
BEGIN
	BEGIN
		SELECT coalesce(jsonb_agg(jsonb_build_object('action', a.action, 'kind', a.kind, 'name', a.name, 'detail', a.detail)), '[]') INTO changes
		FROM config_apply_as(p_visit, p -> 'document', coalesce((p ->> 'prune')::boolean, false)) a;
		SET CONSTRAINTS ALL IMMEDIATE;
		digest := md5(changes::text);
		schedules := ARRAY(SELECT s.id FROM schedule s JOIN command c ON c.id = s.command_id WHERE s.enabled AND s.command_version <> c.version ORDER BY s.id);
		IF changes #>> '{0,action}' = 'error' THEN
			answer := jsonb_build_object('problems', (SELECT jsonb_agg(jsonb_build_object('path', c ->> 'name', 'reason', c ->> 'detail')) FROM jsonb_array_elements(changes) c));
		ELSIF NOT p ? 'lines' AND cardinality(schedules) > 0 THEN
			answer := jsonb_build_object('read', lines_unread(schedules));
		ELSE
			PERFORM lines_take(schedules, p -> 'lines');
			answer := (SELECT jsonb_build_object('problems', x) FROM (SELECT jsonb_agg(jsonb_build_object('path', s.name, 'reason', s.complaint) ORDER BY s.name) AS x
				FROM schedule s WHERE s.id = ANY (schedules) AND s.args IS NULL AND s.complaint <> '') y WHERE x IS NOT NULL);
			answer := coalesce(answer, (SELECT jsonb_build_object('problems', x) FROM backup_refused(p_visit, changes) x WHERE x IS NOT NULL));
		END IF;
		IF answer IS NULL AND (p ->> 'confirmed') IS DISTINCT FROM digest THEN
			answer := jsonb_build_object('changes', backup_shown(changes), 'digest', digest, 'changes_count', jsonb_array_length(changes),
				'more', nullif(greatest(jsonb_array_length(changes) - 500, 0), 0));
		END IF;
		IF answer IS NOT NULL THEN
			RAISE EXCEPTION USING ERRCODE = 'TM001';
		END IF;
	EXCEPTION
		WHEN SQLSTATE 'TM001' THEN
			RETURN answer;
		WHEN integrity_constraint_violation THEN
			RETURN jsonb_build_object('problems', jsonb_build_array(jsonb_build_object('path', '', 'reason', SQLERRM)));
	END;
	RETURN jsonb_build_object('done', true, 'count', (SELECT count(*) FROM jsonb_array_elements(changes) c WHERE c ->> 'action' <> 'kept'));
END $$;
COMMENT ON FUNCTION manager_backup_apply(jsonb, jsonb) IS 'What a document would change, or (confirmed: the digest of that) its change';
