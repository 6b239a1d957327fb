-- What TeleManager tells of the whole.

CREATE OR REPLACE FUNCTION health() RETURNS TABLE (schema_version integer, tasks bigint, outbox bigint, engines bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
	SELECT (SELECT max(version) FROM schema_version), (SELECT count(*) FROM (SELECT FROM task LIMIT 100000) t),
		(SELECT count(*) FROM (SELECT FROM outbox LIMIT 100000) o), (SELECT count(*) FROM engine WHERE lease_until > now())
$$;
COMMENT ON FUNCTION health() IS 'For /healthz: schema version, unfinished tasks, messages waiting, engines alive';
