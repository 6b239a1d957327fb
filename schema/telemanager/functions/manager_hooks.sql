-- The pages of hooks. What is declared is checked and made by the functions of config.sql and hook.sql, as a file would be.

CREATE OR REPLACE FUNCTION word_lines(p jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE AS $$ SELECT coalesce(jsonb_agg(w.key || '=' || w.value ORDER BY w.key), '[]') FROM jsonb_each_text(p) w $$;
COMMENT ON FUNCTION word_lines(jsonb) IS 'An object of texts as lines, name=value';

CREATE OR REPLACE FUNCTION hook_values(h hook) RETURNS jsonb
LANGUAGE sql STABLE AS $$
	SELECT b || jsonb_build_object('buttons', (SELECT coalesce(jsonb_agg(x || jsonb_build_object('args', word_lines(x -> 'args'), 'when', word_lines(x -> 'when')) ORDER BY n), '[]')
		FROM jsonb_array_elements(b -> 'buttons') WITH ORDINALITY AS y(x, n)))
	FROM config_hook(h) b
$$;
COMMENT ON FUNCTION hook_values(hook) IS 'A hook as its form has it';

CREATE OR REPLACE FUNCTION manager_hooks(p_visit jsonb, p jsonb) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
	PERFORM page_begin(p_visit);
	RETURN page_list(p, $q$ h.id, h.name, h.enabled, h.chat_id AS chat, nullif(c.title, '') AS chat_title, h.thread_id AS topic, h.token_hash IS NULL AS tokenless,
			NOT c.allowed AS shut, page_time(f.last_at) AS last_at, (SELECT string_agg(DISTINCT '/' || k.name, ' ') FROM hook_button b JOIN command k ON k.id = b.command_id WHERE b.hook_id = h.id) AS commands,
			page_count((SELECT count(*) FROM (SELECT FROM alert a WHERE a.hook_id = h.id AND a.closed_at IS NULL LIMIT 1001) n)) AS open $q$,
		'hook h JOIN chat c ON c.chat_id = h.chat_id LEFT JOIN hook_pace f ON f.hook_id = h.id', 'name', '{"name": "h.name text, h.id bigint"}',
		$q$ {"search": "lower(h.name) LIKE '%' || page_like($1 ->> 'search') || '%'", "enabled": "h.enabled = ($1 ->> 'enabled')::boolean"} $q$);
END $$;
COMMENT ON FUNCTION manager_hooks(jsonb, jsonb) IS 'List of hooks';

CREATE OR REPLACE FUNCTION manager_hook(p_visit jsonb, p jsonb) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	h hook;
	choices jsonb := jsonb_build_object('command', text_choices(ARRAY(SELECT c.name FROM command c ORDER BY c.name)));
BEGIN
	IF NOT p ? 'id' THEN
		RETURN jsonb_build_object('choices', choices, 'values', config_defaults('hook'));
	END IF;
	SELECT * INTO h FROM hook x WHERE x.id = number_of(p ->> 'id');
	IF h.id IS NULL THEN
		RETURN NULL;
	END IF;
	PERFORM page_begin(p_visit);
	RETURN jsonb_build_object('id', h.id, 'version', h.version, 'kind', 'hook', 'name', h.name, 'values', hook_values(h), 'choices', choices,
		'tokenless', h.token_hash IS NULL, 'token_at', page_time(h.token_at), 'last_at', (SELECT page_time(f.last_at) FROM hook_pace f WHERE f.hook_id = h.id),
		'shut', NOT (SELECT c.allowed FROM chat c WHERE c.chat_id = h.chat_id),
		'alerts', (SELECT coalesce(jsonb_agg(jsonb_build_object('title', alert_title(a), 'since', page_time(a.opened_at), 'last', page_time(a.last_at), 'reports', a.reports)
				ORDER BY a.closed_at IS NOT NULL, a.last_at DESC), '[]')
			FROM (SELECT * FROM alert x WHERE x.hook_id = h.id ORDER BY x.closed_at IS NOT NULL, x.last_at DESC LIMIT 20) a));
END $$;
COMMENT ON FUNCTION manager_hook(jsonb, jsonb) IS 'A hook for its form with its latest alerts, those that are open first; or what a new one begins with';

CREATE OR REPLACE FUNCTION manager_hook_save(p_visit jsonb, p jsonb) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	wanted_name text := p #>> '{document,hooks,0,name}';
	wanted jsonb := (SELECT body FROM config_wanted(p -> 'document') WHERE kind = 'hook');
	h hook;
	before jsonb;
	problems jsonb;
BEGIN
	PERFORM pg_advisory_xact_lock(hashtext('teleops.config'));
	IF p ? 'id' THEN
		SELECT * INTO h FROM hook x WHERE x.id = number_of(p ->> 'id') FOR UPDATE;
		IF h.id IS NULL THEN
			RETURN NULL;
		ELSIF h.version <> (p ->> 'version')::bigint THEN
			RETURN page_conflict(p_visit, 'hook ' || h.name, h.version, hook_values(h));
		END IF;
		before := config_hook(h);
	END IF;
	IF EXISTS (SELECT FROM hook x WHERE x.name = wanted_name AND x.id IS DISTINCT FROM h.id) THEN
		RETURN page_error('name', 'taken');
	END IF;
	problems := problems_of(p -> 'document');
	IF problems IS NOT NULL THEN
		RETURN problems;
	END IF;
	IF h.name <> wanted_name THEN
		UPDATE hook x SET name = wanted_name WHERE x.id = h.id;
		PERFORM page_record(p_visit, 'renamed', 'hook ' || h.name, jsonb_build_object('name', h.name), jsonb_build_object('name', wanted_name));
	END IF;
	IF before IS DISTINCT FROM wanted THEN
		PERFORM config_apply_hook(wanted);
	END IF;
	SELECT * INTO h FROM hook x WHERE x.name = wanted_name;
	RETURN page_saved(p_visit, 'hook', h.name, h.id::text, before, config_hook(h));
END $$;
COMMENT ON FUNCTION manager_hook_save(jsonb, jsonb) IS 'Makes or changes a hook as document declares it; its token stays';

CREATE OR REPLACE FUNCTION manager_hook_remove(p_visit jsonb, p jsonb) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	h hook;
BEGIN
	SELECT * INTO h FROM hook x WHERE x.id = number_of(p ->> 'id') FOR UPDATE;
	IF h.id IS NULL THEN
		RETURN NULL;
	END IF;
	IF (p ->> 'confirmed')::boolean AND h.version = (p ->> 'version')::bigint THEN
		PERFORM page_record(p_visit, 'removed', 'hook ' || h.name, config_hook(h));
		PERFORM config_remove_one('hook', h.name, NULL);
		RETURN jsonb_build_object('done', true, 'kind', 'hook', 'name', h.name);
	END IF;
	RETURN jsonb_build_object('id', h.id, 'version', h.version, 'kind', 'hook', 'name', h.name, 'depends',
		page_depends('address_ends', (h.token_hash IS NOT NULL)::integer)
		|| page_depends('alerts_end', (SELECT count(*) FROM (SELECT FROM alert a WHERE a.hook_id = h.id AND a.closed_at IS NULL LIMIT 1001) n)));
END $$;
COMMENT ON FUNCTION manager_hook_remove(jsonb, jsonb) IS 'What would go with a hook, or (confirmed) its removal';

CREATE OR REPLACE FUNCTION manager_hook_renew(p_visit jsonb, p jsonb) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	h hook;
BEGIN
	SELECT * INTO h FROM hook x WHERE x.id = number_of(p ->> 'id') FOR UPDATE;
	IF h.id IS NULL THEN
		RETURN NULL;
	END IF;
	UPDATE hook x SET token_hash = decode(p ->> 'token', 'hex'), token_at = now() WHERE x.id = h.id;
	PERFORM page_record(p_visit, CASE WHEN h.token_hash IS NULL THEN 'token made' ELSE 'token renewed' END, 'hook ' || h.name,
		jsonb_build_object('token_of', coalesce(h.token_at::text, '')), jsonb_build_object('token_of', now()::text));
	RETURN jsonb_build_object('id', h.id, 'name', h.name, 'former', h.token_hash IS NOT NULL);
END $$;
COMMENT ON FUNCTION manager_hook_renew(jsonb, jsonb) IS 'Gives a hook another token (token: its hash); former: there was one, which holds no more';
