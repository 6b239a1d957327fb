-- The database roles of TeleOps, one a program. Run once a cluster as a superuser; running it again changes nothing.
-- None has a password here: use peer authentication with pg_ident.conf, or ALTER ROLE … PASSWORD.
DO $$
DECLARE
	r text;
BEGIN
	FOREACH r IN ARRAY ARRAY['teleops_owner', 'teleops_bot', 'teleops_engine', 'teleops_sender', 'teleops_manager',
		'teleapp_reader', 'teleapp_writer'] LOOP
		IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = r) THEN
			EXECUTE format('CREATE ROLE %I LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE', r);
		END IF;
	END LOOP;
END $$;
-- The schema's functions tell of transactions that are open too long, whoever opened them.
GRANT pg_read_all_stats TO teleops_owner;
COMMENT ON ROLE teleops_owner IS 'Owns the schema; the operator''s tool teleops works as this role';
COMMENT ON ROLE teleops_bot IS 'TeleBot inbound: admits updates';
COMMENT ON ROLE teleops_engine IS 'TeleEngine: claims and finishes tasks';
COMMENT ON ROLE teleops_sender IS 'TeleSender: sends what the outbox holds';
COMMENT ON ROLE teleops_manager IS 'TeleManager: the admin pages';
COMMENT ON ROLE teleapp_reader IS 'TeleEngine on teleapp, for sql commands that only read';
COMMENT ON ROLE teleapp_writer IS 'TeleEngine on teleapp, for sql commands marked as writing';
