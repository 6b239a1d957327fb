-- The first page: what happens now, and charts of the last day.

CREATE OR REPLACE FUNCTION took_bounds() RETURNS double precision[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$ SELECT ARRAY[0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 60, 120, 300, 600, 1800, 3600, 86400]::double precision[] $$;
COMMENT ON FUNCTION took_bounds() IS 'Upper bounds, in seconds, that task_slot counts times by';

CREATE OR REPLACE FUNCTION slot_of(p_at timestamptz) RETURNS timestamptz
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$ SELECT date_bin('15 minutes', p_at, '2020-01-01 00:00+00') $$;
COMMENT ON FUNCTION slot_of(timestamptz) IS 'The quarter of an hour that a time is in';

CREATE OR REPLACE FUNCTION slots_count(p_from timestamptz, p_to timestamptz, p_most integer) RETURNS SETOF task_slot
LANGUAGE sql STABLE AS $$
	SELECT g.at, CASE WHEN g.by_state = 0 THEN 'state' WHEN g.by_took = 0 THEN 'took' WHEN g.by_command = 0 THEN 'command' ELSE 'bad' END,
		coalesce(g.state, g.took::text, g.command_name, g.bad), g.tasks
	FROM (SELECT s.at, s.state, s.took, s.command_name, s.bad, grouping(s.state) AS by_state, grouping(s.took) AS by_took, grouping(s.command_name) AS by_command, count(*) AS tasks
		FROM (SELECT slot_of(h.finished_at) AS at, h.state, width_bucket(extract(epoch FROM greatest(h.finished_at - h.admitted_at, interval '0'))::double precision, took_bounds()) AS took,
				h.command_name, CASE WHEN h.state IN ('failed', 'timeout', 'lost') THEN h.command_name END AS bad
			FROM task_history h WHERE h.finished_at >= p_from AND h.finished_at < p_to ORDER BY h.finished_at DESC LIMIT p_most) s
		GROUP BY GROUPING SETS ((s.at, s.state), (s.at, s.took), (s.at, s.command_name), (s.at, s.bad))) g
	WHERE coalesce(g.state, g.took::text, g.command_name, g.bad) IS NOT NULL
$$;
COMMENT ON FUNCTION slots_count(timestamptz, timestamptz, integer) IS 'Counts what finished in a time by quarters of an hour; no more than so many of the newest';

CREATE OR REPLACE FUNCTION slots_fill() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	-- A result may be stored a little after the time it bears.
	upto timestamptz := slot_of(clock_timestamp() - interval '1 minute');
	at timestamptz := greatest((SELECT max(s.at) + interval '15 minutes' FROM task_slot s), upto - interval '1 day');
BEGIN
	-- The engine that does this has other things to do: what is left goes on the next time.
	WHILE at < upto AND clock_timestamp() < now() + interval '1 second' LOOP
		INSERT INTO task_slot SELECT c.* FROM slots_count(at, at + interval '15 minutes', 2000000) c ON CONFLICT DO NOTHING;
		-- An hour in which nothing happened is known, too.
		INSERT INTO task_slot VALUES (at, 'state', 'done', 0) ON CONFLICT DO NOTHING;
		at := at + interval '15 minutes';
	END LOOP;
	DELETE FROM task_slot s WHERE s.at < now() - interval '8 days';
END $$;
COMMENT ON FUNCTION slots_fill() IS 'Periodic: counts the quarters of an hour that are over';

CREATE OR REPLACE FUNCTION took_percentile(p_counts jsonb, p_part double precision) RETURNS double precision
LANGUAGE sql IMMUTABLE AS $$
	SELECT round((low + (high - low) * CASE WHEN n > 0 THEN (wanted - before) / n ELSE 0 END)::numeric, 3)::double precision
	FROM (SELECT b.i, coalesce((p_counts ->> b.i::text)::double precision, 0) AS n, coalesce((took_bounds())[b.i], 0) AS low,
			coalesce((took_bounds())[b.i + 1], (took_bounds())[b.i]) AS high,
			sum(coalesce((p_counts ->> b.i::text)::double precision, 0)) OVER (ORDER BY b.i ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS earlier,
			p_part * sum(coalesce((p_counts ->> b.i::text)::double precision, 0)) OVER () AS wanted
		FROM generate_series(0, cardinality(took_bounds())) b(i)) x, LATERAL (SELECT coalesce(x.earlier, 0) AS before) y
	WHERE n > 0 AND before + n >= wanted ORDER BY i LIMIT 1
$$;
COMMENT ON FUNCTION took_percentile(jsonb, double precision) IS 'Seconds within which this part of the tasks ended, from counts by bound; null: there were none';

CREATE OR REPLACE FUNCTION seconds_text(p_seconds double precision) RETURNS text
LANGUAGE sql IMMUTABLE AS $$
	SELECT CASE WHEN p_seconds < 1 THEN round(p_seconds * 1000)::text || ' ms' WHEN p_seconds < 10 THEN round(p_seconds::numeric, 1)::text || ' s'
		ELSE duration_text(interval '1 second' * p_seconds) END
$$;
COMMENT ON FUNCTION seconds_text(double precision) IS 'A short time to be read';

CREATE OR REPLACE FUNCTION start_charts() RETURNS jsonb
LANGUAGE sql STABLE AS $$
	WITH bounds AS MATERIALIZED (
		SELECT date_trunc('hour', now()) - interval '23 hours' AS first, greatest((SELECT max(s.at) + interval '15 minutes' FROM task_slot s), date_trunc('hour', now()) - interval '23 hours') AS counted
	), slot AS MATERIALIZED (
		SELECT s.* FROM task_slot s, bounds b WHERE s.at >= b.first
		UNION ALL SELECT c.* FROM bounds b, LATERAL slots_count(b.counted, now() + interval '1 minute', 50000) c
	), hours AS (
		SELECT date_trunc('hour', s.at) AS hour, s.what, s.key, sum(s.tasks) AS tasks FROM slot s WHERE s.what IN ('state', 'took') GROUP BY 1, 2, 3
	), hour AS (
		SELECT h.hour,
			coalesce(sum(h.tasks) FILTER (WHERE h.what = 'state' AND h.key = 'done'), 0) AS done,
			coalesce(sum(h.tasks) FILTER (WHERE h.what = 'state' AND h.key IN ('failed', 'timeout', 'lost')), 0) AS failed,
			coalesce(sum(h.tasks) FILTER (WHERE h.what = 'state' AND h.key NOT IN ('done', 'failed', 'timeout', 'lost')), 0) AS other,
			coalesce(jsonb_object_agg(h.key, h.tasks) FILTER (WHERE h.what = 'took'), '{}') AS took
		FROM hours h GROUP BY 1
	), shown AS (
		SELECT g.at, coalesce(h.done, 0) AS done, coalesce(h.failed, 0) AS failed, coalesce(h.other, 0) AS other,
			took_percentile(h.took, 0.5) AS p50, took_percentile(h.took, 0.95) AS p95, took_percentile(h.took, 0.99) AS p99
		FROM bounds b, generate_series(b.first, b.first + interval '23 hours', interval '1 hour') g(at) LEFT JOIN hour h ON h.hour = g.at
	)
	SELECT jsonb_build_object(
		'hours', (SELECT jsonb_agg(jsonb_build_object('text', to_char(x.at, 'HH24:MI'), 'done', x.done, 'failed', x.failed, 'other', x.other, 'p50', x.p50, 'p95', x.p95, 'p99', x.p99,
			'p50_text', seconds_text(x.p50), 'p95_text', seconds_text(x.p95), 'p99_text', seconds_text(x.p99)) ORDER BY x.at) FROM shown x),
		'total', (SELECT jsonb_build_object('done', sum(x.done)::text, 'failed', sum(x.failed)::text, 'other', sum(x.other)::text, 'all', sum(x.done + x.failed + x.other)) FROM shown x),
		'top', (SELECT coalesce(jsonb_agg(jsonb_build_object('name', t.key, 'id', (SELECT c.id FROM command c WHERE c.name = t.key), 'tasks', t.tasks, 'bad', t.bad) ORDER BY t.tasks DESC, t.key), '[]')
			FROM (SELECT s.key, sum(s.tasks) FILTER (WHERE s.what = 'command') AS tasks, coalesce(sum(s.tasks) FILTER (WHERE s.what = 'bad'), 0) AS bad
				FROM slot s WHERE s.what IN ('command', 'bad') AND s.key <> '' GROUP BY 1 ORDER BY 2 DESC NULLS LAST, 1 LIMIT 10) t))
$$;
COMMENT ON FUNCTION start_charts() IS 'The last 24 hours: tasks an hour by outcome, how long they took, which commands most';

CREATE OR REPLACE FUNCTION queue_states() RETURNS TABLE (name text, concurrency integer, paused_at timestamptz, waiting bigint, parked bigint, running bigint, since timestamptz, engines bigint, full_count boolean)
LANGUAGE sql STABLE AS $$
	-- At most so many tasks are looked at, the oldest among them.
	WITH work AS MATERIALIZED (SELECT t.queue, t.state, t.parked, t.admitted_at FROM task t ORDER BY t.id LIMIT 10001)
	SELECT q.name, q.concurrency, q.paused_at, coalesce(w.waiting, 0), coalesce(w.parked, 0), coalesce(w.running, 0), w.since,
		(SELECT count(*) FROM engine e WHERE e.lease_until > now() AND e.paused_at IS NULL AND q.name = ANY (e.queues)), (SELECT count(*) FROM work) <= 10000
	FROM queue q LEFT JOIN (SELECT x.queue, count(*) FILTER (WHERE x.state = 'queued') AS waiting, count(*) FILTER (WHERE x.state = 'queued' AND x.parked <> '') AS parked,
			count(*) FILTER (WHERE x.state <> 'queued') AS running, min(x.admitted_at) FILTER (WHERE x.state = 'queued') AS since FROM work x GROUP BY 1) w ON w.queue = q.name
$$;
COMMENT ON FUNCTION queue_states() IS 'Queues with what waits and runs in them, since when, and how many engines serve them';

CREATE OR REPLACE FUNCTION certificate_told(p_seen jsonb, p_at timestamptz) RETURNS jsonb
LANGUAGE sql STABLE AS $$
	SELECT jsonb_build_object('looked', page_second(p_at), 'error', p_seen ->> 'error', 'until', page_time(e.until),
		'days', greatest(0, floor(extract(epoch FROM e.until - now()) / 86400))::integer::text, 'expired', e.until <= now(),
		'soon', e.until > now() AND e.until < now() + interval '14 days')
	FROM (SELECT to_timestamp((p_seen ->> 'expires')::double precision) AS until) e
$$;
COMMENT ON FUNCTION certificate_told(jsonb, timestamptz) IS 'What the sender saw of the certificate of the webhook''s address, to be shown';

CREATE OR REPLACE FUNCTION manager_start(p_visit jsonb, p jsonb) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET jit = off AS $$
DECLARE
	may jsonb := coalesce(p -> 'may', '{}');
	shown jsonb := '{}';
	b bot_status;
	queues jsonb;
BEGIN
	PERFORM page_begin(p_visit);
	IF may ? 'tasks' THEN
		queues := (SELECT jsonb_build_object(
			'waiting', sum(q.waiting)::text || CASE WHEN bool_and(q.full_count) THEN '' ELSE '+' END,
			'oldest', CASE WHEN min(q.since) IS NOT NULL THEN duration_text(clock_timestamp() - min(q.since)) END,
			'queues', jsonb_agg(jsonb_build_object('name', q.name, 'waiting', q.waiting::text, 'running', q.running::text, 'limit', q.concurrency, 'oldest', CASE WHEN q.since IS NOT NULL THEN duration_text(clock_timestamp() - q.since) END,
				'engines', q.engines::text, 'paused', q.paused_at IS NOT NULL, 'unserved', q.engines = 0 AND q.waiting > 0) ORDER BY q.name)) FROM queue_states() q);
		shown := shown || jsonb_build_object('tasks', jsonb_build_object(
			'running', (SELECT page_count(count(*)) FROM (SELECT FROM task t WHERE t.engine_id IS NOT NULL LIMIT 1001) x),
			'now', (SELECT coalesce(jsonb_agg(jsonb_build_object('id', t.id, 'line', left(t.line, 80), 'is', jsonb_build_object(t.state, true), 'person', coalesce(user_name(t.user_id), '-'),
					'time', duration_text(clock_timestamp() - coalesce(t.started_at, t.claimed_at))) ORDER BY coalesce(t.started_at, t.claimed_at)), '[]')
				FROM (SELECT * FROM task r WHERE r.engine_id IS NOT NULL AND NOT r.internal ORDER BY coalesce(r.started_at, r.claimed_at) LIMIT 8) t),
			'failed', (SELECT page_count(count(*)) FROM (SELECT FROM task_history h WHERE h.state <> 'done' AND h.state IN ('failed', 'timeout', 'lost') AND h.finished_at >= date_trunc('day', now()) LIMIT 1001) x),
			'today', to_char(now(), 'YYYY-MM-DD'),
			'failures', (SELECT coalesce(jsonb_agg(jsonb_build_object('id', h.id, 'line', left(h.line, 80), 'is', jsonb_build_object(h.state, true), 'person', coalesce(user_name(h.user_id), '-'),
					'at', page_second(h.finished_at)) ORDER BY h.finished_at DESC), '[]')
				FROM (SELECT f.* FROM unnest(ARRAY['failed', 'timeout', 'lost']) s(state), LATERAL (SELECT * FROM task_history r WHERE r.state <> 'done' AND r.state = s.state
					AND r.finished_at >= date_trunc('day', now()) ORDER BY r.finished_at DESC LIMIT 5) f ORDER BY f.finished_at DESC LIMIT 5) h)) || queues)
			|| start_charts();
	END IF;
	IF may ? 'people' THEN
		shown := shown || jsonb_build_object('people', jsonb_build_object('requests', (SELECT page_count(count(*)) FROM (SELECT FROM join_request j WHERE j.state = 'pending' LIMIT 1001) x)));
	END IF;
	IF may ? 'tasks' THEN
		shown := shown || jsonb_build_object('pending', (SELECT jsonb_build_object('approving', (count(*) FILTER (WHERE x.state = 'approving'))::text,
			'others', nullif(count(*) FILTER (WHERE x.state <> 'approving'), 0)) FROM (SELECT n.state FROM pending n LIMIT 10000) x));
	END IF;
	IF may ? 'outbox' THEN
		shown := shown || jsonb_build_object('outbox', jsonb_build_object('waiting', (SELECT page_count(count(*)) FROM (SELECT FROM outbox o WHERE o.wanted_version > o.sent_version LIMIT 1001) x),
			'oldest', (SELECT duration_text(clock_timestamp() - o.created_at) FROM outbox o WHERE o.wanted_version > o.sent_version AND o.sent_version = 0 ORDER BY o.id LIMIT 1),
			'late', (SELECT o.created_at < now() - interval '2 minutes' FROM outbox o WHERE o.wanted_version > o.sent_version AND o.sent_version = 0 ORDER BY o.id LIMIT 1),
			'dead', (SELECT page_count(count(*)) FROM (SELECT FROM outbox_dead d LIMIT 1001) x)));
	END IF;
	IF may ? 'engines' THEN
		shown := shown || jsonb_build_object('engines', (SELECT coalesce(jsonb_agg(jsonb_build_object('id', e.id, 'name', e.name, 'queues', array_to_string(e.queues, ', '), 'slots', e.slots,
				'alive', e.lease_until > now(), 'paused', e.paused_at IS NOT NULL, 'used', (SELECT count(*) FROM task t WHERE t.engine_id = e.id)::text) ORDER BY e.name), '[]')
			FROM (SELECT * FROM engine n WHERE n.lease_until > now() - interval '1 day' AND n.stopped_at IS NULL ORDER BY n.lease_until DESC LIMIT 50) e), 'has_engines', true);
	END IF;
	SELECT * INTO b FROM bot_status;
	RETURN shown || jsonb_build_object('bot', jsonb_build_object('username', nullif(b.username, ''), 'seen', page_second(b.seen_at), 'webhook', CASE WHEN b.webhook IS NOT NULL THEN jsonb_build_object(
		'url', nullif(b.webhook ->> 'url', ''), 'pending', coalesce(b.webhook ->> 'pending_update_count', '0'), 'checked', page_second(b.webhook_at),
		'stale', b.webhook_at < now() - interval '10 minutes', 'many', (b.webhook ->> 'pending_update_count')::bigint > 100,
		'error', CASE WHEN (b.webhook ->> 'last_error_date')::bigint > extract(epoch FROM now() - interval '1 hour') THEN b.webhook ->> 'last_error_message' END,
		'error_at', page_second(to_timestamp((b.webhook ->> 'last_error_date')::double precision)),
		'certificate', CASE WHEN b.certificate ->> 'url' = b.webhook ->> 'url' THEN certificate_told(b.certificate, b.certificate_at) END) END));
END $$;
COMMENT ON FUNCTION manager_start(jsonb, jsonb) IS 'The first page, as far as who asks may see it (may, by area)';
