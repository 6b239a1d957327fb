-- Who may do what: each program its functions, and nothing else. Run after the functions, whole, whenever one of these files changed;
-- so what is not granted here is not granted.

DO $$
DECLARE
	r text;
BEGIN
	-- Not even a temporary table, and nobody else's role gets in.
	EXECUTE format('REVOKE ALL ON DATABASE %I FROM PUBLIC', current_database());
	FOREACH r IN ARRAY ARRAY['teleops_bot', 'teleops_engine', 'teleops_sender', 'teleops_manager'] LOOP
		EXECUTE format('REVOKE ALL ON ALL TABLES IN SCHEMA public FROM %I', r);
		EXECUTE format('REVOKE ALL ON ALL SEQUENCES IN SCHEMA public FROM %I', r);
		EXECUTE format('REVOKE ALL ON ALL FUNCTIONS IN SCHEMA public FROM %I', r);
		EXECUTE format('GRANT CONNECT ON DATABASE %I TO %I', current_database(), r);
		EXECUTE format('GRANT USAGE ON SCHEMA public TO %I', r);
	END LOOP;
END $$;
REVOKE ALL ON ALL TABLES IN SCHEMA public FROM PUBLIC;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA public FROM PUBLIC;
ALTER DEFAULT PRIVILEGES IN SCHEMA public REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;

-- All of them.
GRANT EXECUTE ON FUNCTION metric_add TO teleops_bot, teleops_engine, teleops_sender, teleops_manager;

-- TeleBot, inbound.
GRANT EXECUTE ON FUNCTION admit, update_reject, catalogue_head, catalogue, pending_asked, hook_take, button_line TO teleops_bot;

-- TeleEngine.
GRANT EXECUTE ON FUNCTION engine_start, engine_stop, engine_resume, engine_describe, engine_step, janitor, schedules_run, schedule_unchecked, schedule_checked,
	catalogue, task_file, result_put TO teleops_engine;

-- TeleSender.
GRANT EXECUTE ON FUNCTION sender_lead, outbox_take, outbox_text, outbox_file, outbox_settle, file_put, file_end, file_part, bot_seen, bot_webhook, bot_certificate TO teleops_sender;

-- TeleManager.
GRANT EXECUTE ON FUNCTION health, metrics TO teleops_manager;
-- TeleManager: what is named manager_… is its own, a function a page (docs/pages.md).
GRANT EXECUTE ON FUNCTION health TO teleops_manager;
DO $$
DECLARE
	f regprocedure;
BEGIN
	FOR f IN SELECT p.oid FROM pg_proc p WHERE p.pronamespace = 'public'::regnamespace AND p.proname LIKE 'manager\_%' LOOP
		EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO teleops_manager', f);
	END LOOP;
END $$;
