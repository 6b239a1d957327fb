-- What is periodic: expired leases, retention, partitions.

CREATE OR REPLACE FUNCTION partitions_ahead(p_months integer DEFAULT 3) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET timezone = 'UTC' AS $$
DECLARE
	m date;
	made integer := 0;
	part text;
BEGIN
	-- Two janitors at once would both find the month missing.
	PERFORM pg_advisory_xact_lock(hashtext('teleops.partitions'));
	FOR i IN 0 .. p_months LOOP
		m := (date_trunc('month', now()) + i * interval '1 month')::date;
		part := 'task_history_' || to_char(m, 'YYYY_MM');
		CONTINUE WHEN to_regclass(part) IS NOT NULL;
		EXECUTE format('CREATE TABLE %I PARTITION OF task_history FOR VALUES FROM (%L) TO (%L)',
			part, m::timestamptz, (m + interval '1 month')::timestamptz);
		EXECUTE format('COMMENT ON TABLE %I IS %L', part, 'Finished tasks of ' || to_char(m, 'YYYY-MM'));
		made := made + 1;
	END LOOP;
	RETURN made;
END $$;
COMMENT ON FUNCTION partitions_ahead(integer) IS 'Makes the partitions of task_history for this month and the next ones';

CREATE OR REPLACE FUNCTION janitor(p_engine bigint) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	e engine;
	done integer := 0;
BEGIN
	FOR e IN SELECT * FROM engine WHERE lease_until < clock_timestamp() AND id <> p_engine
			AND EXISTS (SELECT FROM task t WHERE t.engine_id = engine.id) ORDER BY id FOR UPDATE SKIP LOCKED LOOP
		-- From here on whatever that engine still says of its tasks is late.
		UPDATE engine SET epoch = engine.epoch + 1 WHERE id = e.id;
		done := done + claims_give_back(e.id, e.epoch + 1);
	END LOOP;
	DELETE FROM update_seen WHERE seen_at < now() - interval '48 hours';
	PERFORM partitions_ahead();
	RETURN done;
END $$;
COMMENT ON FUNCTION janitor(bigint) IS 'Periodic work any engine may do: expired leases, old update ids, partitions. Returns how many tasks were given back';
