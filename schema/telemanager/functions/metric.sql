-- Metrics: what the programs counted (table metric) and what tables tell, as GET /metrics shows it.

-- Everything there is, in the order of the path. Names and types of what programs count are those of lib/metric.c.
CREATE OR REPLACE FUNCTION metric_about() RETURNS TABLE (place bigint, name text, type text, labels text[], help text)
LANGUAGE sql IMMUTABLE AS $$
	SELECT row_number() OVER (), v.name, v.type, v.labels::text[], v.help FROM (VALUES
		('teleops_updates_received_total', 'counter', '{}', 'Well-formed updates received'),
		('teleops_updates_admitted_total', 'counter', '{outcome}', 'Updates admitted, by outcome'),
		('teleops_updates_rejected_total', 'counter', '{}', 'Updates that the database refused for their data, kept in update_rejected'),
		('teleops_updates_refused_total', 'counter', '{code}', 'Requests to the webhook that were not answered 200, by status'),
		('teleops_admission_seconds', 'histogram', '{}', 'From an update read to its commit'),
		('teleops_admission_batch_size', 'histogram', '{}', 'Updates admitted in one transaction'),
		('teleops_updates_rejected_kept', 'gauge', '{}', 'Rows in update_rejected, counted up to 10000'),
		('teleops_join_requests', 'gauge', '{}', 'Strangers who wait for an administrator, counted up to 10000'),
		('teleops_hook_requests_total', 'counter', '{outcome}', 'Requests to hooks, by what became of them; bad: not understood, away: the database was'),
		('teleops_alerts', 'gauge', '{hook}', 'Alerts that are open, by hook'),
		('teleops_pending', 'gauge', '{state}', 'Requests that wait for a person, by what they wait for, counted up to 10000'),
		('teleops_tasks', 'gauge', '{queue,state}', 'Unfinished tasks by queue and state, the oldest 100000 counted'),
		('teleops_tasks_oldest_seconds', 'gauge', '{queue,state}', 'Age of the oldest unfinished task by queue and state'),
		('teleops_queue_engines', 'gauge', '{queue}', 'Engines alive that serve a queue'),
		('teleops_engines', 'gauge', '{state}', 'Engines by state: alive, dead (its lease ran out) or stopped'),
		('teleops_engine_slots', 'gauge', '{engine}', 'Tasks an engine alive can run at once'),
		('teleops_engine_slots_used', 'gauge', '{engine}', 'Tasks an engine alive holds'),
		('teleops_claim_seconds', 'histogram', '{}', 'From a task''s admission to its first claim'),
		('teleops_run_seconds', 'histogram', '{command}', 'Run time of tasks, by command'),
		('teleops_tasks_finished_total', 'counter', '{command,state}', 'Tasks that engines finished, by command and state'),
		('teleops_tasks_given_back_total', 'counter', '{}', 'Tasks taken back from engines whose lease had run out'),
		('teleops_tasks_lost', 'gauge', '{}', 'Tasks lost in the last hour, counted up to 10000'),
		('teleops_runner_busy_total', 'counter', '{}', 'Starts put off because the runner was busy'),
		('teleops_outbox', 'gauge', '{op}', 'Operations that wait to be sent, by operation, the oldest 20000 counted'),
		('teleops_outbox_oldest_seconds', 'gauge', '{op}', 'Age of the oldest operation that waits, by operation'),
		('teleops_outbox_dead', 'gauge', '{}', 'Rows in outbox_dead, counted up to 10000'),
		('teleops_sent_total', 'counter', '{op}', 'Requests that Telegram carried out, by operation'),
		('teleops_not_sent_total', 'counter', '{outcome}', 'Operations given up, by outcome: dead, blocked or expired'),
		('teleops_send_seconds', 'histogram', '{}', 'From an operation''s row in the outbox to Telegram''s answer to its last part'),
		('teleops_telegram_errors_total', 'counter', '{code}', 'Requests that failed, by Telegram''s error code; network: no answer'),
		('teleops_telegram_waits_total', 'counter', '{for}', 'Waits that Telegram asked for (429), by whom they hold up: chat or all'),
		('teleops_telegram_wait_seconds_total', 'counter', '{}', 'Seconds of these waits'),
		('teleops_webhook_pending_updates', 'gauge', '{}', 'Updates that wait at Telegram, as getWebhookInfo last said'),
		('teleops_webhook_last_error_timestamp_seconds', 'gauge', '{}', 'When Telegram last failed to deliver, as getWebhookInfo last said; 0: never'),
		('teleops_webhook_checked_timestamp_seconds', 'gauge', '{}', 'When getWebhookInfo was last answered; 0: never'),
		('teleops_webhook_certificate_end_timestamp_seconds', 'gauge', '{}', 'When the certificate at the webhook''s address expires, as the sender last saw it'),
		('teleops_audit_unsealed', 'gauge', '{}', 'Audit events not sealed yet, counted up to 10000'),
		('teleops_audit_unsealed_oldest_seconds', 'gauge', '{}', 'Age of the oldest of them'),
		('teleops_history_default_rows', 'gauge', '{}', 'Rows in task_history_default, counted up to 1000; there should be none'),
		('teleops_transaction_oldest_seconds', 'gauge', '{}', 'Age of the oldest transaction in this database; needs pg_read_all_stats, see roles.sql'),
		('teleops_catalogue_version', 'gauge', '{}', 'Version of the catalogue of commands'),
		('teleops_schema_version', 'gauge', '{}', 'Number of the last migration'),
		('teleops_memory_resident_bytes', 'gauge', '{program,node}', 'Resident memory of a program; the last one of its name on that node'),
		('teleops_database_reconnects_total', 'counter', '{program}', 'Connections to the database that had to be made again, by program'),
		('teleops_metric_series_dropped_total', 'counter', '{program}', 'Things not counted because a program had too many series')
	) AS v(name, type, labels, help)
$$;
COMMENT ON FUNCTION metric_about() IS 'Every metric there is: place, name, type, names of its labels, help';

CREATE OR REPLACE FUNCTION metric_label(p_key text, p_value text) RETURNS text
LANGUAGE sql IMMUTABLE AS $$
	-- Without a setting of its own it is put into the query that calls it, thousands of times.
	SELECT p_key || '="' || replace(replace(replace(p_value, '\', '\\'), '"', '\"'), E'\n', '\n') || '"'
$$;
COMMENT ON FUNCTION metric_label(text, text) IS 'One label as Prometheus writes it';

-- Arrays run parallel, a series an element; bounds and counts are literals of arrays, empty for what is no histogram. Rows are taken in
-- the order of their key, so that programs cannot wait for each other in a circle, and never for long: who cannot store keeps its numbers.
CREATE OR REPLACE FUNCTION metric_add(p_node text, p_name text[], p_labels text[], p_kind text[], p_value double precision[],
	p_bounds text[], p_counts text[]) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET lock_timeout = '100ms' AS $$
BEGIN
	-- A crash may cost what was counted in the last second; no program waits for a disk or a replica over its numbers.
	PERFORM set_config('synchronous_commit', 'off', true);
	INSERT INTO metric AS m (name, labels, node, kind, value, bounds, counts)
	SELECT s.name, s.labels, CASE WHEN s.kind = 'gauge' THEN p_node ELSE '' END, s.kind, s.value,
		s.bounds::double precision[], s.counts::bigint[]
	FROM unnest(p_name, p_labels, p_kind, p_value, p_bounds, p_counts) AS s(name, labels, kind, value, bounds, counts)
	WHERE s.name IN (SELECT a.name FROM metric_about() a)
	ORDER BY s.name, s.labels
	ON CONFLICT (name, labels, node) DO UPDATE SET kind = excluded.kind, bounds = excluded.bounds, updated_at = excluded.updated_at,
		-- With other buckets than before, as after an upgrade, a histogram begins anew: to Prometheus that is a restart.
		value = CASE WHEN excluded.kind = 'gauge' OR m.bounds <> excluded.bounds THEN excluded.value ELSE m.value + excluded.value END,
		counts = CASE WHEN m.bounds <> excluded.bounds THEN excluded.counts
			ELSE ARRAY(SELECT c.before + c.more FROM unnest(m.counts, excluded.counts) WITH ORDINALITY AS c(before, more, place) ORDER BY c.place) END;
	RETURN true;
EXCEPTION WHEN lock_not_available OR deadlock_detected THEN
	RETURN false;
END $$;
COMMENT ON FUNCTION metric_add(text, text[], text[], text[], double precision[], text[], text[])
	IS 'Adds what a program counted since the last time, sets its gauges. False: another held a row too long, nothing was stored';

-- What tables tell now. Whatever can grow without end is counted up to a bound or by an index made for it, so that a look costs the
-- same on a bad day: at most 100000 rows of task and 20000 of outbox, in the order of their keys, so that the oldest are among them.
-- The settings keep a planner that does not know yet how much has piled up from reading, and sorting, all of it.
CREATE OR REPLACE FUNCTION metric_now() RETURNS TABLE (name text, labels text, value double precision)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp SET enable_seqscan = off SET enable_sort = off SET jit = off AS $$
	WITH work AS MATERIALIZED (
		SELECT g.queue, g.state, sum(g.tasks) AS tasks, min(g.since) AS since
		FROM (SELECT t.queue, CASE WHEN t.parked <> '' AND t.state = 'queued' THEN 'parked' ELSE t.state END AS state, t.tasks, t.since
			FROM (SELECT n.queue, n.state, n.parked, count(*) AS tasks, min(n.admitted_at) AS since
				FROM (SELECT queue, state, parked, admitted_at FROM task ORDER BY id LIMIT 100000) n GROUP BY 1, 2, 3) t) g
		GROUP BY 1, 2
	), mail AS MATERIALIZED (
		-- A row that is shown, and waits to be overwritten, does not wait to be sent; one that was is younger than its row.
		SELECT o.op, count(*) AS rows, min(o.created_at) FILTER (WHERE o.wanted_version = 1) AS since
		FROM (SELECT op, created_at, wanted_version FROM outbox WHERE wanted_version > sent_version ORDER BY id LIMIT 20000) o GROUP BY 1
	), alive AS MATERIALIZED (
		SELECT e.id, e.name, e.queues, e.slots, e.paused_at FROM engine e WHERE e.lease_until > now()
	), unsealed AS MATERIALIZED (
		SELECT count(*) AS events, min(a.at) AS since FROM (SELECT at FROM audit_event
			WHERE xid >= coalesce((SELECT to_xid FROM audit_seal ORDER BY seq DESC LIMIT 1), '0') ORDER BY xid, id LIMIT 10000) a
	)
	SELECT 'teleops_tasks', metric_label('queue', queue) || ',' || metric_label('state', state), coalesce(w.tasks, 0)
	FROM (SELECT q.name AS queue, 'queued' AS state FROM queue q) always FULL JOIN work w USING (queue, state)
	UNION ALL SELECT 'teleops_tasks_oldest_seconds', metric_label('queue', queue) || ',' || metric_label('state', state),
		coalesce(extract(epoch FROM now() - w.since), 0)
	FROM (SELECT q.name AS queue, 'queued' AS state FROM queue q) always FULL JOIN work w USING (queue, state)
	UNION ALL SELECT 'teleops_queue_engines', metric_label('queue', q.name), coalesce(s.engines, 0)
	FROM queue q LEFT JOIN (SELECT n.name, count(DISTINCT a.id) AS engines FROM alive a CROSS JOIN unnest(a.queues) AS n(name) WHERE a.paused_at IS NULL GROUP BY 1) s USING (name)
	UNION ALL SELECT 'teleops_engines', metric_label('state', s.state), count(e.id)
	FROM unnest(ARRAY['alive', 'dead', 'stopped']) AS s(state)
	LEFT JOIN engine e ON s.state = CASE WHEN e.lease_until > now() THEN 'alive' WHEN e.stopped_at IS NULL THEN 'dead' ELSE 'stopped' END GROUP BY s.state
	UNION ALL SELECT 'teleops_engine_slots', metric_label('engine', a.name), a.slots FROM alive a
	-- By the index task_engine, which holds no more than there are slots.
	UNION ALL SELECT 'teleops_engine_slots_used', metric_label('engine', a.name), coalesce(u.used, 0)
	FROM alive a LEFT JOIN (SELECT engine_id, count(*) AS used FROM task WHERE engine_id IS NOT NULL GROUP BY 1) u ON u.engine_id = a.id
	UNION ALL SELECT 'teleops_tasks_lost', '', count(*) FROM (SELECT FROM task_history WHERE state = 'lost' AND finished_at > now() - interval '1 hour' LIMIT 10000) h
	UNION ALL SELECT 'teleops_outbox', metric_label('op', op), coalesce(m.rows, 0) FROM (VALUES ('send')) AS always(op) FULL JOIN mail m USING (op)
	UNION ALL SELECT 'teleops_outbox_oldest_seconds', metric_label('op', op), coalesce(extract(epoch FROM now() - m.since), 0)
	FROM (VALUES ('send')) AS always(op) FULL JOIN mail m USING (op)
	UNION ALL SELECT 'teleops_outbox_dead', '', count(*) FROM (SELECT FROM outbox_dead LIMIT 10000) d
	UNION ALL SELECT 'teleops_updates_rejected_kept', '', count(*) FROM (SELECT FROM update_rejected LIMIT 10000) r
	UNION ALL SELECT 'teleops_join_requests', '', count(*) FROM (SELECT FROM join_request WHERE state = 'pending' LIMIT 10000) j
	UNION ALL SELECT 'teleops_alerts', metric_label('hook', h.name), (SELECT count(*) FROM (SELECT FROM alert a WHERE a.hook_id = h.id AND a.closed_at IS NULL LIMIT 10000) n) FROM hook h
	UNION ALL SELECT 'teleops_pending', metric_label('state', s.state), count(p.state)
	FROM unnest(ARRAY['asking', 'confirming', 'approving', 'fetching']) AS s(state) LEFT JOIN (SELECT state FROM pending LIMIT 10000) p USING (state) GROUP BY s.state
	UNION ALL SELECT 'teleops_history_default_rows', '', count(*) FROM (SELECT FROM task_history_default LIMIT 1000) h
	UNION ALL SELECT 'teleops_audit_unsealed', '', u.events FROM unsealed u
	UNION ALL SELECT 'teleops_audit_unsealed_oldest_seconds', '', coalesce(extract(epoch FROM now() - u.since), 0) FROM unsealed u
	UNION ALL SELECT 'teleops_webhook_pending_updates', '', (b.webhook ->> 'pending_update_count')::double precision FROM bot_status b WHERE b.webhook IS NOT NULL
	UNION ALL SELECT 'teleops_webhook_last_error_timestamp_seconds', '', coalesce((b.webhook ->> 'last_error_date')::double precision, 0)
	FROM bot_status b WHERE b.webhook IS NOT NULL
	UNION ALL SELECT 'teleops_webhook_checked_timestamp_seconds', '', coalesce(extract(epoch FROM b.webhook_at), 0) FROM bot_status b
	UNION ALL SELECT 'teleops_webhook_certificate_end_timestamp_seconds', '', (b.certificate ->> 'expires')::double precision FROM bot_status b
	WHERE b.certificate ? 'expires' AND b.certificate ->> 'url' = b.webhook ->> 'url'
	-- Without that right the sessions of others show nothing, and a figure would calm where it should alarm: then there is none.
	UNION ALL SELECT 'teleops_transaction_oldest_seconds', '', extract(epoch FROM coalesce(now() - least(
		(SELECT min(a.xact_start) FROM pg_stat_activity a
			WHERE a.datname = current_database() AND a.backend_type = 'client backend' AND a.pid <> pg_backend_pid()),
		(SELECT min(p.prepared) FROM pg_prepared_xacts p WHERE p.database = current_database())), interval '0'))
	WHERE pg_has_role('pg_read_all_stats', 'USAGE')
	UNION ALL SELECT 'teleops_catalogue_version', '', c.version FROM catalogue_version c
	UNION ALL SELECT 'teleops_schema_version', '', max(v.version) FROM schema_version v
$$;
COMMENT ON FUNCTION metric_now() IS 'Metrics that tables tell: queues, engines, outbox, record';

CREATE OR REPLACE FUNCTION metrics() RETURNS TABLE (name text, suffix text, help text, type text, labels text, value double precision)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp SET jit = off AS $$
	WITH sample AS (
		SELECT n.name, n.labels AS series, '' AS suffix, 0 AS part, n.labels, n.value FROM metric_now() n
		UNION ALL SELECT m.name, m.labels, '', 0, m.labels, m.value FROM metric m WHERE m.kind = 'counter'
		-- What was never counted is 0, so that the first time shows as a rise.
		UNION ALL SELECT a.name, '', '', 0, '', 0 FROM metric_about() a
		WHERE a.type = 'counter' AND a.labels = '{}' AND NOT EXISTS (SELECT FROM metric m WHERE m.name = a.name)
		-- A program that does not tell any more is not there any more.
		UNION ALL SELECT m.name, m.labels, '', 0, concat_ws(',', nullif(m.labels, ''), metric_label('node', m.node)), m.value
		FROM metric m WHERE m.kind = 'gauge' AND m.updated_at > now() - interval '1 minute'
		UNION ALL SELECT m.name, m.labels, '_bucket', b.part::integer,
			concat_ws(',', nullif(m.labels, ''), metric_label('le', coalesce(m.bounds[b.part]::text, '+Inf'))),
			sum(b.count) OVER (PARTITION BY m.name, m.labels ORDER BY b.part)
		FROM metric m CROSS JOIN unnest(m.counts) WITH ORDINALITY AS b(count, part) WHERE m.kind = 'histogram'
		UNION ALL SELECT m.name, m.labels, '_sum', 1000, m.labels, m.value FROM metric m WHERE m.kind = 'histogram'
		UNION ALL SELECT m.name, m.labels, '_count', 1001, m.labels, (SELECT sum(c) FROM unnest(m.counts) c) FROM metric m WHERE m.kind = 'histogram'
	)
	SELECT a.name, coalesce(s.suffix, ''), a.help, a.type, s.labels, s.value
	FROM metric_about() a LEFT JOIN sample s ON s.name = a.name
	ORDER BY a.place, s.series, s.part, s.labels
$$;
COMMENT ON FUNCTION metrics() IS 'All of GET /metrics, a row a sample, those of a name together; value is null where there is none';
