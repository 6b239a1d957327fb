-- The pages of the record.

-- What is written all day long has no index of its own; the others have one that names what it leaves out.
CREATE OR REPLACE FUNCTION audit_list(p jsonb, p_columns text) RETURNS jsonb
LANGUAGE plpgsql AS $$
BEGIN
	RETURN page_list(p || jsonb_build_object('filters', task_filters(p)), p_columns, 'audit_event a', '-at', '{"at": "a.at timestamptz, a.id bigint"}', jsonb_build_object(
		'person', $q$ a.user_id = ($1 ->> 'person')::bigint $q$,
		'object', $q$ a.object = trim($1 ->> 'object') $q$,
		'action', CASE WHEN p #>> '{filters,action}' IN ('admitted', 'done') THEN '' ELSE $q$ a.action NOT IN ('admitted', 'done') AND $q$ END || $q$ a.action = $1 ->> 'action' $q$,
		'actor', CASE WHEN p #>> '{filters,actor}' IN ('bot', 'engine') THEN '' ELSE $q$ a.actor NOT IN ('bot', 'engine') AND $q$ END || $q$ a.actor = $1 ->> 'actor' $q$,
		'date', $q$ a.at >= lower(page_range($1 ->> 'date')) AND a.at < upper(page_range($1 ->> 'date')) $q$));
END $$;
COMMENT ON FUNCTION audit_list(jsonb, text) IS 'A page of the record, with these columns';

CREATE OR REPLACE FUNCTION audit_is_change(p_detail jsonb) RETURNS boolean
LANGUAGE sql IMMUTABLE AS $$ SELECT coalesce(jsonb_typeof(p_detail -> 'before') = 'object' AND jsonb_typeof(p_detail -> 'after') = 'object', false) $$;
COMMENT ON FUNCTION audit_is_change(jsonb) IS 'Whether an event has both what was before and what is now';

CREATE OR REPLACE FUNCTION manager_audit(p_visit jsonb, p jsonb) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET jit = off AS $$
DECLARE
	s audit_seal;
BEGIN
	PERFORM page_begin(p_visit);
	SELECT * INTO s FROM audit_seal x ORDER BY x.seq DESC LIMIT 1;
	RETURN audit_list(p, $q$ a.id, page_second(a.at) AS at, a.actor, coalesce(user_name(a.user_id), CASE WHEN a.user_id IS NOT NULL THEN '#' || a.user_id END) AS person, a.chat_id::text AS chat_id, a.action, a.object,
			audit_is_change(a.detail) AS changed, CASE WHEN audit_is_change(a.detail) THEN page_changes(a.detail -> 'before', a.detail -> 'after') ELSE '[]' END AS changes,
			CASE WHEN NOT a.detail ?| ARRAY['before', 'after'] THEN page_shown(a.detail) WHEN NOT audit_is_change(a.detail) THEN left(coalesce(a.detail ->> 'after', a.detail ->> 'before'), 200) END AS detail, host(a.address) AS address $q$)
		|| jsonb_build_object('dates', page_dates(p #>> '{filters,date}', (SELECT min(a.at) FROM audit_event a), now()),
			'seals', coalesce(s.seq, 0)::text, 'sealed_at', page_second(s.sealed_at), 'head', encode(s.sha256, 'hex'),
			'unsealed', (SELECT page_count(count(*)) FROM (SELECT FROM audit_event a WHERE a.xid >= coalesce(s.to_xid, '0') LIMIT 1001) x));
END $$;
COMMENT ON FUNCTION manager_audit(jsonb, jsonb) IS 'The record, the newest first, and how far it is sealed';

CREATE OR REPLACE FUNCTION manager_audit_export(p_visit jsonb, p jsonb) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET jit = off AS $$
BEGIN
	PERFORM page_begin(p_visit);
	IF NOT p ? 'after' THEN
		PERFORM page_record(p_visit, 'exported', 'record', NULL, p -> 'filters');
	END IF;
	RETURN audit_list(p, $q$ a.id AS event, a.at, a.actor, (SELECT u.login FROM app_user u WHERE u.id = a.user_id) AS login, a.user_id, a.telegram_id, a.chat_id, a.action, a.object, a.detail, host(a.address) AS address $q$);
END $$;
COMMENT ON FUNCTION manager_audit_export(jsonb, jsonb) IS 'A part of the record for a file';

-- From the newest seal backward, as far as a page may take; before: go on below that one. All of it: teleops audit verify.
CREATE OR REPLACE FUNCTION manager_audit_verify(p_visit jsonb, p jsonb) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	before bigint := coalesce(number_of(p ->> 'before'), 9223372036854775807);
	s audit_seal;
	follower bytea;
	following bigint;
	have bigint[];
	lines text;
	events bigint := 0;
	passed integer := 0;
	seals integer := 0;
	broken jsonb := '[]';
	first bigint;
	last bigint;
BEGIN
	PERFORM page_begin(p_visit);
	SELECT x.previous, x.seq INTO follower, following FROM audit_seal x WHERE x.seq >= before ORDER BY x.seq LIMIT 1;
	FOR s IN SELECT * FROM audit_seal x WHERE x.seq < before ORDER BY x.seq DESC LIMIT 200 LOOP
		EXIT WHEN events > 5000;
		-- One transaction may have written more than a page can wait for.
		IF cardinality(s.ids) > 20000 THEN
			passed := passed + 1;
		ELSE
			SELECT array_agg(a.id ORDER BY a.id), string_agg(audit_line(a), E'\n' ORDER BY a.id) INTO have, lines FROM audit_event a WHERE a.xid >= s.from_xid AND a.xid < s.to_xid;
			events := events + cardinality(s.ids);
			IF have IS DISTINCT FROM s.ids OR s.sha256 IS DISTINCT FROM sha256(s.previous || convert_to(coalesce(lines, ''), 'UTF8')) THEN
				broken := broken || jsonb_build_object('seq', s.seq::text, 'first', s.first_id::text, 'last', s.last_id::text, 'at', page_second(s.sealed_at), 'link', false);
			END IF;
		END IF;
		IF following IS NOT NULL AND (following <> s.seq + 1 OR follower <> s.sha256) THEN
			broken := broken || jsonb_build_object('seq', s.seq::text, 'first', s.first_id::text, 'last', s.last_id::text, 'at', page_second(s.sealed_at), 'link', true);
		END IF;
		last := coalesce(last, s.seq);
		first := s.seq;
		follower := s.previous;
		following := s.seq;
		seals := seals + 1;
	END LOOP;
	IF first = 1 AND follower <> '' THEN
		broken := broken || jsonb_build_object('seq', '1', 'first', '', 'last', '', 'at', '', 'link', true);
	END IF;
	RETURN jsonb_build_object('count', seals::text, 'events', events::text, 'first', first::text, 'last', last::text, 'broken', broken, 'passed', nullif(passed, 0), 'next', CASE WHEN first > 1 THEN first::text END,
		'none', seals = 0);
END $$;
COMMENT ON FUNCTION manager_audit_verify(jsonb, jsonb) IS 'Computes the newest seals of the record anew';
