-- What the programs count, added up over all of them. Logged: the counters outlive a restart and a failover.

CREATE TABLE metric (
	name text NOT NULL CHECK (name ~ '^teleops_[a-z0-9_]{1,80}$'),
	labels text NOT NULL DEFAULT '' CHECK (length(labels) <= 400 AND labels ~ '^([a-z_]+="([^"\\\n]|\\["\\n])*"(,(?=[a-z])|$))*$'),
	node text NOT NULL DEFAULT '' CHECK (node ~ '^[A-Za-z0-9._-]{0,64}$'),
	kind text NOT NULL CHECK (kind IN ('counter', 'gauge', 'histogram')),
	value double precision NOT NULL,
	bounds double precision[] NOT NULL DEFAULT '{}',
	counts bigint[] NOT NULL DEFAULT '{}',
	updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
	PRIMARY KEY (name, labels, node),
	CHECK ((kind = 'gauge') = (node <> '')),
	CHECK (cardinality(counts) = CASE WHEN kind = 'histogram' THEN cardinality(bounds) + 1 ELSE 0 END)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);
COMMENT ON TABLE metric IS 'What the programs have counted: a few hundred rows, changed in place; what tables tell is counted by metrics()';
COMMENT ON COLUMN metric.name IS 'Name, one of metric_about()';
COMMENT ON COLUMN metric.labels IS 'Labels as Prometheus writes them: command="say",state="done"; empty: none';
COMMENT ON COLUMN metric.node IS 'gauge: whose it is, an engine''s name or a host''s; empty where programs are added up';
COMMENT ON COLUMN metric.kind IS 'counter and histogram: added up; gauge: the last value told';
COMMENT ON COLUMN metric.value IS 'The value; histogram: the sum of what was observed';
COMMENT ON COLUMN metric.bounds IS 'histogram: upper bounds of its buckets, growing, without the infinite one';
COMMENT ON COLUMN metric.counts IS 'histogram: observations in each bucket, the infinite one last; not cumulated';
COMMENT ON COLUMN metric.updated_at IS 'When it was last told';

-- Lost tasks are few and must be noticed; without this, counting them would read an hour of history.
CREATE INDEX task_history_lost ON task_history (finished_at) WHERE state = 'lost';
