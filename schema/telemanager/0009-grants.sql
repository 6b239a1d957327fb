-- Who may do what: each program its functions, and nothing else.

-- Not even a temporary table, and nobody else's role gets in.
DO $$ BEGIN
	EXECUTE format('REVOKE ALL ON DATABASE %I FROM PUBLIC', current_database());
	EXECUTE format('GRANT CONNECT ON DATABASE %I TO teleops_bot, teleops_engine, teleops_sender, teleops_manager', current_database());
END $$;
REVOKE ALL ON ALL TABLES IN SCHEMA public FROM PUBLIC;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA public FROM PUBLIC;
ALTER DEFAULT PRIVILEGES IN SCHEMA public REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO teleops_bot, teleops_engine, teleops_sender, teleops_manager;

GRANT EXECUTE ON FUNCTION admit(bigint, boolean, bigint[], bigint[], text[], text[], text[], text[], bigint[], text[], text[], bigint[], bigint[], text[], bigint[], text[], text[], text[], text[]) TO teleops_bot;
GRANT EXECUTE ON FUNCTION update_reject(bigint, text, text) TO teleops_bot;
GRANT EXECUTE ON FUNCTION catalogue_head(), catalogue() TO teleops_bot;

GRANT EXECUTE ON FUNCTION engine_start(text, text, integer, text[], integer, text[]) TO teleops_engine;
GRANT EXECUTE ON FUNCTION engine_stop(bigint, bigint) TO teleops_engine;
GRANT EXECUTE ON FUNCTION engine_resume(bigint, bigint, bigint[]) TO teleops_engine;
GRANT EXECUTE ON FUNCTION engine_step(bigint, bigint, boolean, integer, bigint[], bigint[], integer[], text[], integer[], integer[], text[],
	timestamptz[], timestamptz[], text[], text[], text[], bigint[], boolean[]) TO teleops_engine;
GRANT EXECUTE ON FUNCTION janitor(bigint) TO teleops_engine;

GRANT EXECUTE ON FUNCTION sender_lead() TO teleops_sender;
GRANT EXECUTE ON FUNCTION outbox_take(bigint, bigint[], integer) TO teleops_sender;
GRANT EXECUTE ON FUNCTION outbox_settle(bigint, bigint[], text[], integer[], bigint[], text[]) TO teleops_sender;
GRANT EXECUTE ON FUNCTION bot_seen(bigint, text, text) TO teleops_sender;

CREATE FUNCTION health() RETURNS TABLE (schema_version integer, tasks bigint, outbox bigint, engines bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
	SELECT (SELECT max(version) FROM schema_version), (SELECT count(*) FROM (SELECT FROM task LIMIT 100000) t),
		(SELECT count(*) FROM (SELECT FROM outbox LIMIT 100000) o), (SELECT count(*) FROM engine WHERE lease_until > now())
$$;
COMMENT ON FUNCTION health() IS 'For /healthz: schema version, unfinished tasks, messages waiting, engines alive';
GRANT EXECUTE ON FUNCTION health() TO teleops_manager;
