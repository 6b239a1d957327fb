-- What is periodic: expired leases, retention, partitions.

CREATE OR REPLACE FUNCTION partitions_ahead(p_months integer DEFAULT 3) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET timezone = 'UTC' AS $$
DECLARE
	m date;
	upto timestamptz;
	made integer := 0;
	part text;
BEGIN
	-- Two janitors at once would both find the month missing.
	PERFORM pg_advisory_xact_lock(hashtext('teleops.partitions'));
	FOR i IN 0 .. p_months LOOP
		m := (date_trunc('month', now()) + i * interval '1 month')::date;
		part := 'task_history_' || to_char(m, 'YYYY_MM');
		CONTINUE WHEN to_regclass(part) IS NOT NULL;
		upto := m + interval '1 month';
		-- What came before its month is in the default partition and moves: else the month could never be made.
		EXECUTE format('CREATE TABLE %I (LIKE task_history INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', part);
		EXECUTE format('WITH early AS (DELETE FROM task_history_default WHERE finished_at >= $1 AND finished_at < $2 RETURNING *)
			INSERT INTO %I SELECT * FROM early', part) USING m::timestamptz, upto;
		EXECUTE format('ALTER TABLE task_history ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', part, m::timestamptz, upto);
		EXECUTE format('COMMENT ON TABLE %I IS %L', part, 'Finished tasks of ' || to_char(m, 'YYYY-MM'));
		made := made + 1;
	END LOOP;
	RETURN made;
END $$;
COMMENT ON FUNCTION partitions_ahead(integer) IS 'Makes the partitions of task_history for this month and the next ones';

CREATE OR REPLACE FUNCTION chore_due(p_name text, p_every interval) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
	PERFORM FROM chore WHERE name = p_name AND done_at < clock_timestamp() - p_every FOR UPDATE SKIP LOCKED;
	IF NOT FOUND THEN
		RETURN false;
	END IF;
	UPDATE chore SET done_at = clock_timestamp() WHERE name = p_name;
	RETURN true;
END $$;
COMMENT ON FUNCTION chore_due(text, interval) IS 'Whether the caller is the one to do this now: it is due, and nobody else is at it';

CREATE OR REPLACE FUNCTION leases_expire(p_engine bigint) RETURNS integer
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
	RETURN done;
END $$;
COMMENT ON FUNCTION leases_expire(bigint) IS 'Gives back the tasks of engines that have gone; how many';

-- Old rows go in portions, so that no run takes long; what is left goes with the next.
CREATE OR REPLACE FUNCTION retention(p_history_days integer, p_output_days integer) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET timezone = 'UTC' AS $$
DECLARE
	part text;
BEGIN
	DELETE FROM update_seen WHERE seen_at < now() - interval '48 hours';
	DELETE FROM metric WHERE updated_at < now() - CASE kind WHEN 'gauge' THEN interval '1 day' ELSE interval '90 days' END;
	DELETE FROM person_pace WHERE since < now() - interval '1 hour';
	DELETE FROM update_rejected WHERE update_id IN (SELECT r.update_id FROM update_rejected r WHERE r.rejected_at < now() - interval '1 day' * setting_of('rejected_days') LIMIT 10000);
	WITH gone AS (DELETE FROM outbox_dead WHERE id IN (SELECT d.id FROM outbox_dead d WHERE d.died_at < now() - interval '1 day' * setting_of('dead_letter_days') LIMIT 10000) RETURNING id)
	DELETE FROM outbox_document WHERE outbox_id IN (SELECT g.id FROM gone g);
	IF p_output_days > 0 THEN
		DELETE FROM task_output WHERE ctid = ANY (ARRAY(SELECT o.ctid FROM task_output o
			WHERE o.created_at < now() - interval '1 day' * p_output_days LIMIT 10000));
	END IF;
	IF p_history_days > 0 THEN
		-- Whole months only: a partition goes at once, and nothing has to be vacuumed.
		FOR part IN SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
				WHERE i.inhparent = 'task_history'::regclass AND c.relname ~ '^task_history_[0-9]{4}_[0-9]{2}$'
					AND to_date(right(c.relname, 7), 'YYYY_MM') + interval '1 month' <= now() - interval '1 day' * p_history_days
				ORDER BY 1 LOOP
			EXECUTE format('DROP TABLE %I', part);
			INSERT INTO audit_event (actor, action, object, detail)
			VALUES ('engine', 'retention', 'table ' || part, jsonb_build_object('keep_history_days', p_history_days));
		END LOOP;
	END IF;
END $$;
COMMENT ON FUNCTION retention(integer, integer) IS 'Removes what has been kept long enough: days for history and output, 0 keeps them; fixed times for the rest';

CREATE OR REPLACE FUNCTION janitor(p_engine bigint, p_history_days integer, p_output_days integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	done integer := leases_expire(p_engine);
BEGIN
	IF chore_due('seal', '5 seconds') THEN
		PERFORM audit_seal_next();
	END IF;
	IF chore_due('limits', '5 seconds') THEN
		PERFORM limits_recount();
	END IF;
	IF chore_due('hosts', '2 seconds') THEN
		PERFORM hosts_gone();
	END IF;
	IF chore_due('pending', '5 seconds') THEN
		PERFORM pending_expire();
	END IF;
	-- Who has just written for the first time has changed no right: they are found once a minute.
	IF chore_due('menus', '2 seconds') AND (chore_due('menus of all', '1 minute') OR EXISTS (SELECT FROM rights_version WHERE menus < version)) THEN
		PERFORM menus_refresh(100);
	END IF;
	IF chore_due('alerts', '1 minute') THEN
		PERFORM alerts_forget();
	END IF;
	IF chore_due('retention', '1 minute') THEN
		PERFORM retention(p_history_days, p_output_days);
	END IF;
	IF chore_due('files', '1 minute') THEN
		PERFORM files_forget();
	END IF;
	IF chore_due('slots', '1 minute') THEN
		PERFORM slots_fill();
	END IF;
	IF chore_due('partitions', '1 hour') THEN
		PERFORM partitions_ahead();
	END IF;
	-- Last: see there.
	IF chore_due('choices', '5 seconds') THEN
		PERFORM choices_renew();
	END IF;
	RETURN done;
END $$;
COMMENT ON FUNCTION janitor(bigint, integer, integer) IS 'Periodic work; every engine calls it, one does it. Returns how many tasks of engines that have gone were given back';
