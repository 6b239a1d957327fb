-- Settings that hold for the whole of TeleOps, beside those that each program has in its file.

CREATE OR REPLACE FUNCTION setting_about() RETURNS TABLE (name text, standard integer, low integer, high integer)
LANGUAGE sql IMMUTABLE AS $$
	VALUES ('asking_minutes', 10, 1, 1440), ('confirming_minutes', 5, 1, 1440), ('approving_hours', 24, 1, 720), ('dead_letter_days', 90, 1, 3650), ('rejected_days', 30, 1, 3650),
		('file_hours', 24, 1, 720), ('file_megabytes', 20, 1, 20)
$$;
COMMENT ON FUNCTION setting_about() IS 'Settings of the table setting: what each is where nobody changed it, and its limits';

CREATE OR REPLACE FUNCTION setting_of(p_name text) RETURNS integer
LANGUAGE sql STABLE AS $$ SELECT coalesce((SELECT s.value FROM setting s WHERE s.name = p_name), (SELECT a.standard FROM setting_about() a WHERE a.name = p_name)) $$;
COMMENT ON FUNCTION setting_of(text) IS 'What a setting is now';

CREATE OR REPLACE FUNCTION manager_settings(p_visit jsonb, p jsonb) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
	PERFORM page_begin(p_visit);
	RETURN page_list(p, $q$ a.name AS id, a.name, jsonb_build_object(a.name, true) AS is, setting_of(a.name)::text AS value, a.standard::text AS standard,
			setting_of(a.name) <> a.standard AS differs, (SELECT page_second(s.changed_at) FROM setting s WHERE s.name = a.name) AS changed_at $q$,
		'setting_about() a', 'name', '{"name": "a.name text"}');
END $$;
COMMENT ON FUNCTION manager_settings(jsonb, jsonb) IS 'List of settings';

CREATE OR REPLACE FUNCTION manager_setting(p_visit jsonb, p jsonb) RETURNS jsonb
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
	SELECT jsonb_build_object('id', a.name, 'version', coalesce((SELECT s.version FROM setting s WHERE s.name = a.name), 0)::text, 'kind', 'setting', 'name', a.name,
		'is', jsonb_build_object(a.name, true), 'standard', a.standard::text, 'least', a.low::text, 'most', a.high::text, 'values', jsonb_build_object('value', setting_of(a.name)))
	FROM setting_about() a WHERE a.name = p ->> 'id'
$$;
COMMENT ON FUNCTION manager_setting(jsonb, jsonb) IS 'A setting for its form';

CREATE OR REPLACE FUNCTION manager_setting_save(p_visit jsonb, p jsonb) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	a record;
	was jsonb;
	wanted bigint := (p #>> '{values,value}')::bigint;
	now_version integer;
BEGIN
	SELECT * INTO a FROM setting_about() x WHERE x.name = p ->> 'id';
	IF a.name IS NULL THEN
		RETURN NULL;
	END IF;
	-- There may be no row yet to be locked.
	PERFORM pg_advisory_xact_lock(hashtext('teleops.setting'));
	now_version := coalesce((SELECT s.version FROM setting s WHERE s.name = a.name), 0);
	was := jsonb_build_object('value', setting_of(a.name));
	IF now_version <> (p ->> 'version')::bigint THEN
		RETURN page_conflict(p_visit, 'setting ' || a.name, now_version, was);
	ELSIF wanted IS NULL OR wanted NOT BETWEEN a.low AND a.high THEN
		RETURN page_error('value', 'between', jsonb_build_object('least', a.low::text, 'most', a.high::text));
	END IF;
	IF was <> jsonb_build_object('value', wanted) THEN
		INSERT INTO setting AS s (name, value) VALUES (a.name, wanted)
		ON CONFLICT (name) DO UPDATE SET value = excluded.value, version = s.version + 1, changed_at = now();
	END IF;
	RETURN page_saved(p_visit, 'setting', a.name, a.name, was, jsonb_build_object('value', wanted));
END $$;
COMMENT ON FUNCTION manager_setting_save(jsonb, jsonb) IS 'Changes a setting';
