-- What the pages' functions are made with. A manager_… function takes who asks (user, address, zone) and what, and gives one document;
-- docs/pages.md says what must be in it.

-- From here on times are written in the reader's zone, with its offset.
CREATE OR REPLACE FUNCTION page_begin(p_visit jsonb) RETURNS void
LANGUAGE sql AS $$
	SELECT set_config('timezone', coalesce(nullif(p_visit ->> 'zone', ''), 'UTC'), true)
$$;
COMMENT ON FUNCTION page_begin(jsonb) IS 'First in a function that shows times: the reader''s zone counts until the end of the transaction';

CREATE OR REPLACE FUNCTION page_zone(p_zone text) RETURNS text
LANGUAGE plpgsql STABLE AS $$
BEGIN
	PERFORM now() AT TIME ZONE p_zone;
	RETURN p_zone;
EXCEPTION WHEN invalid_parameter_value THEN
	RETURN NULL;
END $$;
COMMENT ON FUNCTION page_zone(text) IS 'The name of a time zone; null: there is none of that name';

CREATE OR REPLACE FUNCTION page_time(p_at timestamptz) RETURNS text
LANGUAGE sql STABLE AS $$ SELECT to_char(p_at, 'YYYY-MM-DD HH24:MI TZH:TZM') $$;
COMMENT ON FUNCTION page_time(timestamptz) IS 'A time to the minute, in the zone of page_begin()';

CREATE OR REPLACE FUNCTION page_second(p_at timestamptz) RETURNS text
LANGUAGE sql STABLE AS $$ SELECT to_char(p_at, 'YYYY-MM-DD HH24:MI:SS TZH:TZM') $$;
COMMENT ON FUNCTION page_second(timestamptz) IS 'A time to the second, in the zone of page_begin()';

CREATE OR REPLACE FUNCTION page_count(p_count bigint) RETURNS text
LANGUAGE sql IMMUTABLE AS $$ SELECT CASE WHEN p_count > 1000 THEN '1000+' ELSE p_count::text END $$;
COMMENT ON FUNCTION page_count(bigint) IS 'A number that was counted to 1001 at most';

CREATE OR REPLACE FUNCTION page_like(p_text text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$ SELECT regexp_replace(lower(p_text), '([\\%_])', '\\\1', 'g') $$;
COMMENT ON FUNCTION page_like(text) IS 'What was typed into a search, as a part of a LIKE pattern';

-- Two letters have no trigram, so they are looked for where words begin.
CREATE OR REPLACE FUNCTION page_search(p_text text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
	SELECT '%' || CASE WHEN length(p_text) < 3 THEN ' ' ELSE '' END || page_like(p_text) || '%'
$$;
COMMENT ON FUNCTION page_search(text) IS 'A LIKE pattern over '' '' || words';

/*
 * A list, a page of it. p is what the page was asked for: filters {name: value}, sort (a name of p_orders, - before it turns it
 * round), after or before (key of a row), limit.
 *	p_columns, p_from  what a row shows
 *	p_orders   {"name": "x.name text, x.id bigint"}: expressions without blanks and their types; the last is unique, none is null. The
 *	           first of p_default is the order when none is asked for; there must be an index for each
 *	p_filters  {"enabled": "x.enabled = ($1 ->> ''enabled'')::boolean"}: the condition when the filter is given; $1 is filters
 *	p_where    what holds always
 * The statement is put together from these constants alone; everything that comes from outside is a parameter.
 */
CREATE OR REPLACE FUNCTION page_list(p jsonb, p_columns text, p_from text, p_default text, p_orders jsonb, p_filters jsonb DEFAULT '{}', p_where text DEFAULT 'true')
RETURNS jsonb
-- Compiling takes longer than any page may.
LANGUAGE plpgsql SET jit = off AS $$
DECLARE
	filters jsonb := coalesce(p -> 'filters', '{}');
	most integer := least(coalesce((p ->> 'limit')::integer, 50), 1000);
	sort text := CASE WHEN p_orders ? ltrim(p ->> 'sort', '-') THEN p ->> 'sort' ELSE p_default END;
	backward boolean := p ? 'before';
	key jsonb := coalesce(nullif(p ->> 'before', ''), p ->> 'after')::jsonb;
	falling boolean := (left(sort, 1) = '-') <> backward;
	terms text[] := string_to_array(p_orders ->> ltrim(sort, '-'), ', ');
	exprs text[] := ARRAY(SELECT split_part(t, ' ', 1) FROM unnest(terms) WITH ORDINALITY AS x(t, n) ORDER BY n);
	types text[] := ARRAY(SELECT split_part(t, ' ', 2) FROM unnest(terms) WITH ORDINALITY AS x(t, n) ORDER BY n);
	conditions text := p_where;
	rows jsonb;
	keys jsonb[];
	more boolean;
BEGIN
	SELECT conditions || coalesce(string_agg(' AND (' || (p_filters ->> f.key) || ')', '' ORDER BY f.key), '') INTO conditions
	FROM jsonb_each_text(filters) f WHERE p_filters ? f.key AND f.value <> '';
	IF key IS NOT NULL THEN
		conditions := conditions || format(' AND (%s) %s (%s)', array_to_string(exprs, ', '), CASE WHEN falling THEN '<' ELSE '>' END,
			(SELECT string_agg(format('($2 ->> %s)::%s', n - 1, t), ', ' ORDER BY n) FROM unnest(types) WITH ORDINALITY AS x(t, n)));
	END IF;
	EXECUTE format('SELECT jsonb_agg(to_jsonb(r) - ''page_key'' - ''page_place'' ORDER BY r.page_place), array_agg(r.page_key ORDER BY r.page_place)
		FROM (SELECT x.*, row_number() OVER () AS page_place FROM (SELECT %s, jsonb_build_array(%s) AS page_key FROM %s WHERE %s ORDER BY %s LIMIT $3) x) r',
		p_columns, array_to_string(exprs, ', '), p_from, conditions,
		(SELECT string_agg(e || CASE WHEN falling THEN ' DESC' ELSE '' END, ', ' ORDER BY n) FROM unnest(exprs) WITH ORDINALITY AS x(e, n)))
	INTO rows, keys USING filters, key, most + 1;
	more := coalesce(cardinality(keys), 0) > most;
	IF more THEN
		rows := rows - most;
		keys := keys[:most];
	END IF;
	IF backward THEN
		SELECT jsonb_agg(e ORDER BY n DESC) INTO rows FROM jsonb_array_elements(rows) WITH ORDINALITY AS x(e, n);
		SELECT array_agg(e ORDER BY n DESC) INTO keys FROM unnest(keys) WITH ORDINALITY AS x(e, n);
	END IF;
	RETURN jsonb_build_object('rows', coalesce(rows, '[]'), 'sort', sort, 'orders', (SELECT jsonb_agg(k) FROM jsonb_object_keys(p_orders) k))
		|| CASE WHEN CASE WHEN backward THEN keys IS NOT NULL ELSE more END THEN jsonb_build_object('next', keys[cardinality(keys)]) ELSE '{}' END
		|| CASE WHEN CASE WHEN backward THEN more ELSE key IS NOT NULL AND keys IS NOT NULL END THEN jsonb_build_object('previous', keys[1]) ELSE '{}' END;
END $$;
COMMENT ON FUNCTION page_list(jsonb, text, text, text, jsonb, jsonb, text)
	IS 'A page of a list by keyset: rows, next, previous (keys), sort, orders. Its SQL comes from constants of the calling function alone';

-- Dates to choose from: years, the months of the year chosen, the days of the month chosen; no counting.
CREATE OR REPLACE FUNCTION page_dates(p_chosen text, p_first timestamptz, p_last timestamptz) RETURNS jsonb
LANGUAGE sql STABLE AS $$
	SELECT jsonb_build_object('chosen', p_chosen,
		'up', CASE length(p_chosen) WHEN 10 THEN left(p_chosen, 7) WHEN 7 THEN left(p_chosen, 4) WHEN 4 THEN '' END,
		'parts', coalesce((SELECT jsonb_agg(to_char(d, w.form) ORDER BY d) FROM (SELECT CASE WHEN length(p_chosen) = 4 THEN 'YYYY-MM' WHEN length(p_chosen) = 7 THEN 'YYYY-MM-DD' ELSE 'YYYY' END AS form,
				CASE WHEN length(p_chosen) = 4 THEN 'month' WHEN length(p_chosen) = 7 THEN 'day' ELSE 'year' END AS unit) w,
			generate_series(date_trunc(w.unit, greatest(p_first, lower(page_range(p_chosen)))), least(p_last, upper(page_range(p_chosen)) - interval '1 second'),
				('1 ' || w.unit)::interval) d
			WHERE coalesce(length(p_chosen), 0) < 10), '[]'))
$$;
COMMENT ON FUNCTION page_dates(text, timestamptz, timestamptz) IS 'For a date hierarchy: what was chosen (year, year-month or date), what is above it and what can be chosen below';

CREATE OR REPLACE FUNCTION page_range(p_chosen text) RETURNS tstzrange
LANGUAGE sql STABLE AS $$
	SELECT CASE
		WHEN p_chosen ~ '^\d{4}$' THEN tstzrange(make_timestamptz(p_chosen::integer, 1, 1, 0, 0, 0), make_timestamptz(p_chosen::integer + 1, 1, 1, 0, 0, 0))
		WHEN p_chosen ~ '^\d{4}-\d{2}$' THEN tstzrange((p_chosen || '-01')::date::timestamptz, ((p_chosen || '-01')::date + interval '1 month')::timestamptz)
		WHEN p_chosen ~ '^\d{4}-\d{2}-\d{2}$' THEN tstzrange(p_chosen::date::timestamptz, (p_chosen::date + 1)::timestamptz)
		ELSE tstzrange(NULL, NULL) END
$$;
COMMENT ON FUNCTION page_range(text) IS 'The year, month or day that was chosen, in the reader''s zone; everything, when nothing was';

-- Writing

-- In plpgsql, which plans its statements once: in a list it is called for every member of every row.
CREATE OR REPLACE FUNCTION page_shown(p jsonb) RETURNS text
LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
	CASE jsonb_typeof(p)
	WHEN 'null' THEN
		RETURN '';
	WHEN 'string' THEN
		RETURN left(p #>> '{}', 200);
	WHEN 'array' THEN
		RETURN left((SELECT string_agg(page_shown(e), ', ' ORDER BY n) FROM jsonb_array_elements(p) WITH ORDINALITY AS x(e, n)), 200);
	WHEN 'object' THEN
		RETURN left((SELECT string_agg(k.key || ': ' || page_shown(k.value), '; ' ORDER BY k.key) FROM jsonb_each(p) k WHERE k.value NOT IN ('null', '""', '[]')), 200);
	ELSE
		RETURN left(p::text, 200);
	END CASE;
END $$;
COMMENT ON FUNCTION page_shown(jsonb) IS 'A value of the record in a line';

CREATE OR REPLACE FUNCTION page_changes(p_before jsonb, p_after jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE AS $$
	SELECT coalesce(jsonb_agg(jsonb_build_object('name', replace(k, '_', ' '), 'before', b, 'after', a) ORDER BY k), '[]')
	FROM (SELECT k, coalesce(page_shown(p_before -> k), '') AS b, coalesce(page_shown(p_after -> k), '') AS a
		FROM (SELECT jsonb_object_keys(coalesce(nullif(p_before, 'null'), '{}') || coalesce(nullif(p_after, 'null'), '{}')) AS k) n
		WHERE p_before -> k IS DISTINCT FROM p_after -> k) x
	WHERE b <> '' OR a <> ''
$$;
COMMENT ON FUNCTION page_changes(jsonb, jsonb) IS 'What differs between two states of an object: name, before, after';

CREATE OR REPLACE FUNCTION page_record(p_visit jsonb, p_action text, p_object text, p_before jsonb DEFAULT NULL, p_after jsonb DEFAULT NULL) RETURNS void
LANGUAGE sql AS $$
	INSERT INTO audit_event (actor, user_id, action, object, detail, address)
	VALUES ('manager', (p_visit ->> 'user')::bigint, p_action, p_object,
		jsonb_strip_nulls(jsonb_build_object('before', p_before, 'after', p_after)), (p_visit ->> 'address')::inet)
$$;
COMMENT ON FUNCTION page_record(jsonb, text, text, jsonb, jsonb) IS 'Writes what was done on a page into the record';

CREATE OR REPLACE FUNCTION page_saved(p_visit jsonb, p_kind text, p_name text, p_id text, p_before jsonb, p_after jsonb) RETURNS jsonb
LANGUAGE plpgsql AS $$
DECLARE
	changes jsonb := page_changes(p_before, p_after);
BEGIN
	IF changes <> '[]' THEN
		PERFORM page_record(p_visit, CASE WHEN p_before IS NULL THEN 'created' ELSE 'changed' END, p_kind || ' ' || p_name, p_before, p_after);
	END IF;
	RETURN jsonb_build_object('id', p_id, 'kind', p_kind, 'name', p_name, 'changed', changes <> '[]', 'changes',
		(SELECT coalesce(jsonb_agg(jsonb_build_object('name', c ->> 'name', 'before', left(c ->> 'before', 60), 'after', left(c ->> 'after', 60)) ORDER BY n), '[]')
			FROM jsonb_array_elements(changes) WITH ORDINALITY AS x(c, n) WHERE p_before IS NOT NULL AND n <= 8));
END $$;
COMMENT ON FUNCTION page_saved(jsonb, text, text, text, jsonb, jsonb) IS 'The end of a save: the record, and what the page says of it';

CREATE OR REPLACE FUNCTION page_error(p_field text, p_error text, p_detail jsonb DEFAULT NULL) RETURNS jsonb
LANGUAGE sql IMMUTABLE AS $$
	SELECT jsonb_build_object('errors', jsonb_build_array(jsonb_strip_nulls(jsonb_build_object('field', p_field, 'error', p_error, 'detail', p_detail))))
$$;
COMMENT ON FUNCTION page_error(text, text, jsonb) IS 'A refusal: the field ("" for the whole form) and the name of a text in templates/part/error.html';

CREATE OR REPLACE FUNCTION page_refused(p_error text, p_detail jsonb DEFAULT 'true') RETURNS jsonb
LANGUAGE sql IMMUTABLE AS $$ SELECT jsonb_build_array(jsonb_build_object('e', jsonb_build_object(p_error, p_detail))) $$;
COMMENT ON FUNCTION page_refused(text, jsonb) IS 'Why a removal or an action is refused: the name of a text in templates/part/error.html';

CREATE OR REPLACE FUNCTION page_depends(p_what text, p_count bigint) RETURNS jsonb
LANGUAGE sql IMMUTABLE AS $$
	SELECT CASE WHEN p_count > 0 THEN jsonb_build_array(jsonb_build_object('d', jsonb_build_object(p_what, jsonb_build_object('count', page_count(p_count)))))
		ELSE '[]' END
$$;
COMMENT ON FUNCTION page_depends(text, bigint) IS 'What goes with an object: the name of a text in templates/part/depends.html, and how many; to be joined with ||';

CREATE OR REPLACE FUNCTION page_errors(p_all jsonb[]) RETURNS jsonb
LANGUAGE sql IMMUTABLE AS $$
	SELECT jsonb_build_object('errors', jsonb_agg(e)) FROM unnest(p_all) x(o), jsonb_array_elements(o -> 'errors') e HAVING count(*) > 0
$$;
COMMENT ON FUNCTION page_errors(jsonb[]) IS 'Several refusals as one; null: there is none';

CREATE OR REPLACE FUNCTION page_conflict(p_visit jsonb, p_object text, p_version integer, p_values jsonb) RETURNS jsonb
LANGUAGE plpgsql AS $$
BEGIN
	PERFORM page_begin(p_visit);
	RETURN jsonb_build_object('conflict', jsonb_build_object('version', p_version, 'values', p_values) || coalesce(
		(SELECT jsonb_build_object('by', coalesce(user_name(e.user_id), e.actor), 'at', page_second(e.at)) FROM audit_event e WHERE e.object = p_object ORDER BY e.id DESC LIMIT 1), '{}'));
END $$;
COMMENT ON FUNCTION page_conflict(jsonb, text, integer, jsonb) IS 'Somebody else saved meanwhile: what they made of it, who, when';

-- History

CREATE OR REPLACE FUNCTION page_object(p_kind text, p_id bigint) RETURNS text
LANGUAGE sql STABLE AS $$
	SELECT CASE p_kind
		WHEN 'organization' THEN (SELECT name FROM organization WHERE id = p_id)
		WHEN 'group' THEN (SELECT name FROM user_group WHERE id = p_id)
		WHEN 'role' THEN (SELECT name FROM role WHERE id = p_id)
		WHEN 'user' THEN (SELECT login FROM app_user WHERE id = p_id)
		WHEN 'administrator' THEN (SELECT login FROM app_user WHERE id = p_id)
		WHEN 'command' THEN (SELECT name FROM command WHERE id = p_id)
		WHEN 'schedule' THEN (SELECT name FROM schedule WHERE id = p_id)
		WHEN 'hook' THEN (SELECT name FROM hook WHERE id = p_id)
		WHEN 'engine' THEN (SELECT name FROM engine WHERE id = p_id)
		WHEN 'chat' THEN (SELECT chat_id::text FROM chat WHERE chat_id = p_id) END
$$;
COMMENT ON FUNCTION page_object(text, bigint) IS 'The name that an object has in the record; null: there is no such object';

-- Each name it has had, with the event before which it had it: a change of name is recorded under the new one.
CREATE OR REPLACE FUNCTION page_names(p_kind text, p_name text, p_before bigint) RETURNS TABLE (object text, before bigint)
LANGUAGE sql STABLE AS $$
	WITH RECURSIVE names (name, before) AS (
		SELECT p_name, p_before
		UNION ALL
		SELECT r.name, r.id FROM names n, LATERAL (
			SELECT coalesce(a.detail #>> '{before,name}', a.detail #>> '{before,login}') AS name, a.id FROM audit_event a
			WHERE a.object = p_kind || ' ' || n.name AND a.id < n.before AND coalesce(a.detail #>> '{after,name}', a.detail #>> '{after,login}') = n.name
				AND coalesce(a.detail #>> '{before,name}', a.detail #>> '{before,login}') <> n.name
			ORDER BY a.id DESC LIMIT 1) r)
	SELECT p_kind || ' ' || name, before FROM names
$$;
COMMENT ON FUNCTION page_names(text, text, bigint) IS 'What an object is called in the record, and was called before';

CREATE OR REPLACE FUNCTION manager_history(p_visit jsonb, p jsonb) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	-- Some are named in their addresses.
	name text := CASE p ->> 'kind' WHEN 'queue' THEN (SELECT q.name FROM queue q WHERE q.name = p ->> 'id') WHEN 'setting' THEN (SELECT s.name FROM setting_about() s WHERE s.name = p ->> 'id')
		ELSE page_object(p ->> 'kind', number_of(p ->> 'id')) END;
	events jsonb;
BEGIN
	IF name IS NULL THEN
		RETURN NULL;
	END IF;
	PERFORM page_begin(p_visit);
	SELECT jsonb_agg(jsonb_build_object('id', e.id, 'at', page_second(e.at), 'who', coalesce(user_name(e.user_id), e.actor), 'address', host(e.address), 'action', e.action,
		'changed', e.detail ?| ARRAY['before', 'after'], 'changes', page_changes(e.detail -> 'before', e.detail -> 'after')) ORDER BY e.id DESC) INTO events
	FROM (SELECT a.* FROM page_names(p ->> 'kind', name, 9223372036854775807) n JOIN audit_event a ON a.object = n.object
			AND a.id < least(n.before, coalesce(number_of(p ->> 'before'), 9223372036854775807))
		ORDER BY a.id DESC LIMIT 51) e;
	RETURN jsonb_build_object('id', p ->> 'id', 'kind', p ->> 'kind', 'name', name, 'rows', coalesce(events - 50, '[]'),
		'next', CASE WHEN jsonb_array_length(events) > 50 THEN events -> 49 ->> 'id' END);
END $$;
COMMENT ON FUNCTION manager_history(jsonb, jsonb) IS 'What the record says of an object (kind, id), the newest first';
