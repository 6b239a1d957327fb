-- The pages of engines and queues: who is alive, what waits, pausing.

CREATE OR REPLACE FUNCTION manager_engines(p_visit jsonb, p jsonb) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
	PERFORM page_begin(p_visit);
	RETURN page_list(p, $q$ e.id, e.name, array_to_string(e.queues, ', ') AS queues, e.slots, (SELECT count(*) FROM task t WHERE t.engine_id = e.id)::text AS used,
			cardinality(e.programs) AS programs, e.lease_until > now() AS alive, e.lease_until <= now() AND e.stopped_at IS NULL AS gone, e.stopped_at IS NOT NULL AS stopped,
			e.paused_at IS NOT NULL AS paused, page_second(e.started_at) AS started, page_second(coalesce(e.stopped_at, CASE WHEN isfinite(e.lease_until) AND e.lease_until <= now() THEN e.lease_until END)) AS ended $q$,
		'engine e', 'name', '{"name": "e.name text, e.id bigint"}',
		$q$ {"queue": "$1 ->> 'queue' = ANY (e.queues)",
			"state": "CASE $1 ->> 'state' WHEN 'alive' THEN e.lease_until > now() WHEN 'paused' THEN e.paused_at IS NOT NULL WHEN 'stopped' THEN e.stopped_at IS NOT NULL WHEN 'gone' THEN e.lease_until <= now() AND e.stopped_at IS NULL END"} $q$)
		|| jsonb_build_object('choices', jsonb_build_object('queue', (SELECT jsonb_agg(jsonb_build_object('value', q.name, 'text', q.name) ORDER BY q.name) FROM queue q)));
END $$;
COMMENT ON FUNCTION manager_engines(jsonb, jsonb) IS 'List of engines';

CREATE OR REPLACE FUNCTION manager_engine(p_visit jsonb, p jsonb) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	e engine;
BEGIN
	PERFORM page_begin(p_visit);
	SELECT * INTO e FROM engine x WHERE x.id = number_of(p ->> 'id');
	IF e.id IS NULL THEN
		RETURN NULL;
	END IF;
	RETURN jsonb_build_object('id', e.id, 'kind', 'engine', 'name', e.name, 'queues', to_jsonb(e.queues), 'labels', nullif(array_to_string(e.labels, ', '), ''), 'slots', e.slots, 'pid', nullif(e.pid, 0), 'alive', e.lease_until > now(),
		'gone', e.lease_until <= now() AND e.stopped_at IS NULL, 'stopped', page_second(e.stopped_at), 'paused', page_second(e.paused_at), 'started', page_second(e.started_at),
		'lease', CASE WHEN isfinite(e.lease_until) THEN page_second(e.lease_until) END, 'used', (SELECT count(*) FROM task t WHERE t.engine_id = e.id)::text,
		'drained', e.paused_at IS NOT NULL AND NOT EXISTS (SELECT FROM task t WHERE t.engine_id = e.id), 'forgettable', e.lease_until <= now() AND NOT EXISTS (SELECT FROM task t WHERE t.engine_id = e.id),
		'tasks', (SELECT coalesce(jsonb_agg(jsonb_build_object('id', t.id, 'line', left(t.line, 80), 'is', jsonb_build_object(t.state, true), 'person', coalesce(user_name(t.user_id), '-'),
			'time', duration_text(clock_timestamp() - coalesce(t.started_at, t.claimed_at))) ORDER BY t.id), '[]') FROM (SELECT * FROM task x WHERE x.engine_id = e.id AND NOT x.internal ORDER BY x.id LIMIT 100) t),
		'programs', (SELECT coalesce(jsonb_agg(jsonb_build_object('program', g, 'commands', coalesce((SELECT string_agg('/' || c.name, ' ' ORDER BY c.name) FROM command c WHERE c.kind = 'exec' AND c.program = g), '')) ORDER BY g), '[]') FROM unnest(e.programs) g),
		'missing', (SELECT string_agg(DISTINCT '/' || c.name || ' (' || c.program || ')', ', ') FROM command c
			WHERE c.enabled AND c.kind = 'exec' AND c.queue = ANY (e.queues) AND c.program <> ALL (e.programs)));
END $$;
COMMENT ON FUNCTION manager_engine(jsonb, jsonb) IS 'An engine for its page: what it serves, offers, runs';

CREATE OR REPLACE FUNCTION manager_engine_act(p_visit jsonb, p jsonb) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	ids bigint[] := ARRAY(SELECT number_of(i) FROM jsonb_array_elements_text(p -> 'ids') i);
	act text := p ->> 'action';
	e engine;
	done text[] := '{}';
BEGIN
	IF NOT (p ->> 'confirmed')::boolean THEN
		RETURN jsonb_build_object('objects', (SELECT coalesce(jsonb_agg(jsonb_build_object('id', x.id, 'name', x.name, 'note', '') ORDER BY x.name), '[]') FROM engine x WHERE x.id = ANY (ids)));
	END IF;
	FOR e IN SELECT * FROM engine x WHERE x.id = ANY (ids) ORDER BY x.id FOR UPDATE LOOP
		IF act = 'forget' THEN
			-- What it held must have been given back, and its process be gone.
			CONTINUE WHEN e.lease_until > clock_timestamp() OR EXISTS (SELECT FROM task t WHERE t.engine_id = e.id);
			DELETE FROM engine x WHERE x.id = e.id;
		ELSE
			CONTINUE WHEN (act = 'pause') = (e.paused_at IS NOT NULL);
			UPDATE engine x SET paused_at = CASE WHEN act = 'pause' THEN now() END WHERE x.id = e.id;
		END IF;
		PERFORM page_record(p_visit, CASE act WHEN 'pause' THEN 'paused' WHEN 'resume' THEN 'resumed' ELSE 'removed' END, 'engine ' || e.name,
			CASE WHEN act = 'forget' THEN jsonb_build_object('queues', e.queues, 'slots', e.slots) ELSE jsonb_build_object('paused', act <> 'pause') END,
			CASE WHEN act <> 'forget' THEN jsonb_build_object('paused', act = 'pause') END);
		done := done || e.name;
	END LOOP;
	PERFORM pg_notify('task', '');
	RETURN jsonb_build_object('flash', 'engines_' || act, 'done', jsonb_build_object('count', cardinality(done), 'names', array_to_string(done[:10], ', ')));
END $$;
COMMENT ON FUNCTION manager_engine_act(jsonb, jsonb) IS 'Pauses engines, lets them work again, or forgets those that are gone';

-- Queues

CREATE OR REPLACE FUNCTION manager_queues(p_visit jsonb, p jsonb) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
	PERFORM page_begin(p_visit);
	RETURN page_list(p, $q$ q.name AS id, q.name, q.concurrency AS limit, q.waiting::text AS waiting, q.parked, q.running::text AS running, q.engines::text AS engines, q.paused_at IS NOT NULL AS paused,
			page_second(q.paused_at) AS paused_since, q.engines = 0 AND q.paused_at IS NULL AS unserved, CASE WHEN q.since IS NOT NULL THEN duration_text(clock_timestamp() - q.since) END AS oldest,
			(SELECT count(*) FROM command c WHERE c.queue = q.name)::text AS commands $q$,
		'queue_states() q', 'name', '{"name": "q.name text"}', $q$ {"search": "q.name LIKE '%' || page_like($1 ->> 'search') || '%'"} $q$);
END $$;
COMMENT ON FUNCTION manager_queues(jsonb, jsonb) IS 'List of queues';

CREATE OR REPLACE FUNCTION manager_queue(p_visit jsonb, p jsonb) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	q queue;
BEGIN
	IF NOT p ? 'id' THEN
		RETURN jsonb_build_object('values', config_defaults('queue'));
	END IF;
	PERFORM page_begin(p_visit);
	SELECT * INTO q FROM queue x WHERE x.name = p ->> 'id';
	IF q.name IS NULL THEN
		RETURN NULL;
	END IF;
	RETURN jsonb_build_object('id', q.name, 'version', q.version, 'kind', 'queue', 'name', q.name, 'values', config_queue(q), 'paused', page_second(q.paused_at),
		'engines', (SELECT string_agg(e.name, ', ' ORDER BY e.name) FROM engine e WHERE e.lease_until > now() AND q.name = ANY (e.queues)),
		'commands', (SELECT string_agg('/' || c.name, ' ' ORDER BY c.name) FROM command c WHERE c.queue = q.name));
END $$;
COMMENT ON FUNCTION manager_queue(jsonb, jsonb) IS 'A queue for its form';

CREATE OR REPLACE FUNCTION manager_queue_save(p_visit jsonb, p jsonb) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	v jsonb := p -> 'values';
	q queue;
	before jsonb;
	errors jsonb;
BEGIN
	IF p ? 'id' THEN
		SELECT * INTO q FROM queue x WHERE x.name = p ->> 'id' FOR UPDATE;
		IF q.name IS NULL THEN
			RETURN NULL;
		ELSIF q.version <> (p ->> 'version')::bigint THEN
			RETURN page_conflict(p_visit, 'queue ' || q.name, q.version, config_queue(q));
		END IF;
		before := config_queue(q);
		v := v || jsonb_build_object('name', q.name);
	END IF;
	errors := page_errors(ARRAY[
		-- An address /queues/new leads elsewhere.
		CASE WHEN NOT v ->> 'name' ~ '^[a-z0-9_-]{1,32}$' OR v ->> 'name' = 'new' THEN page_error('name', 'queue_form')
			WHEN q.name IS NULL AND EXISTS (SELECT FROM queue x WHERE x.name = v ->> 'name') THEN page_error('name', 'taken') END,
		CASE WHEN NOT (v ->> 'concurrency')::bigint BETWEEN 1 AND 100000 THEN page_error('concurrency', 'limit_form') END]);
	IF errors IS NOT NULL THEN
		RETURN errors;
	END IF;
	IF before IS DISTINCT FROM v THEN
		PERFORM config_apply_one('queue', v);
		PERFORM pg_notify('task', '');
	END IF;
	SELECT * INTO q FROM queue x WHERE x.name = v ->> 'name';
	RETURN page_saved(p_visit, 'queue', q.name, q.name, before, config_queue(q));
END $$;
COMMENT ON FUNCTION manager_queue_save(jsonb, jsonb) IS 'Makes a queue or changes its limit';

CREATE OR REPLACE FUNCTION manager_queue_remove(p_visit jsonb, p jsonb) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	q queue;
	refused jsonb;
BEGIN
	SELECT * INTO q FROM queue x WHERE x.name = p ->> 'id' FOR UPDATE;
	IF q.name IS NULL THEN
		RETURN NULL;
	END IF;
	refused := CASE WHEN q.name = 'default' THEN page_refused('queue_default')
		WHEN EXISTS (SELECT FROM command c WHERE c.queue = q.name) THEN page_refused('queue_used', to_jsonb((SELECT string_agg('/' || c.name, ', ' ORDER BY c.name) FROM command c WHERE c.queue = q.name)))
		WHEN EXISTS (SELECT FROM task t WHERE t.queue = q.name) THEN page_refused('queue_busy') END;
	IF refused IS NULL AND (p ->> 'confirmed')::boolean AND q.version = (p ->> 'version')::bigint THEN
		PERFORM page_record(p_visit, 'removed', 'queue ' || q.name, config_queue(q));
		PERFORM config_remove_one('queue', q.name, NULL);
		RETURN jsonb_build_object('done', true, 'kind', 'queue', 'name', q.name);
	END IF;
	RETURN jsonb_build_object('id', q.name, 'version', q.version, 'kind', 'queue', 'name', q.name, 'depends', '[]'::jsonb, 'refused', refused);
END $$;
COMMENT ON FUNCTION manager_queue_remove(jsonb, jsonb) IS 'Removal of a queue that nothing waits in and no command names';

CREATE OR REPLACE FUNCTION manager_queue_act(p_visit jsonb, p jsonb) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	names text[] := ARRAY(SELECT i FROM jsonb_array_elements_text(p -> 'ids') i);
	act text := p ->> 'action';
	q queue;
	done text[] := '{}';
BEGIN
	IF NOT (p ->> 'confirmed')::boolean THEN
		RETURN jsonb_build_object('objects', (SELECT coalesce(jsonb_agg(jsonb_build_object('id', x.name, 'name', x.name, 'note', '') ORDER BY x.name), '[]') FROM queue x WHERE x.name = ANY (names)));
	END IF;
	FOR q IN SELECT * FROM queue x WHERE x.name = ANY (names) AND (x.paused_at IS NULL) = (act = 'pause') ORDER BY x.name FOR UPDATE LOOP
		UPDATE queue x SET paused_at = CASE WHEN act = 'pause' THEN now() END WHERE x.name = q.name;
		PERFORM page_record(p_visit, act || 'd', 'queue ' || q.name, jsonb_build_object('paused', act <> 'pause'), jsonb_build_object('paused', act = 'pause'));
		done := done || q.name;
	END LOOP;
	PERFORM pg_notify('task', '');
	RETURN jsonb_build_object('flash', 'queues_' || act, 'done', jsonb_build_object('count', cardinality(done), 'names', array_to_string(done[:10], ', ')));
END $$;
COMMENT ON FUNCTION manager_queue_act(jsonb, jsonb) IS 'Pauses queues, or has them served again';
