-- What the admin pages need: signing in, and lists that stay quick.

-- Of PostgreSQL's own contributions, and trusted, so that the owner of the database may. In a schema of its own: its functions are nobody's.
CREATE SCHEMA extension;
COMMENT ON SCHEMA extension IS 'Extensions of PostgreSQL';
CREATE EXTENSION pg_trgm WITH SCHEMA extension;

-- Searching people: one text a person, so that one index serves every word they may be looked for by.
ALTER TABLE app_user ADD COLUMN search text NOT NULL DEFAULT '';
COMMENT ON COLUMN app_user.search IS 'What a person is found by: login, names, Telegram names and ids, in small letters, a blank before each; kept by triggers';

CREATE FUNCTION user_search(p_user bigint, p_login text, p_first_name text, p_last_name text) RETURNS text
LANGUAGE sql STABLE SET search_path = public, pg_temp AS $$
	SELECT lower(concat_ws(' ', '', p_login, p_first_name, p_last_name, (SELECT string_agg(concat_ws(' ', a.telegram_id, nullif(a.username, ''), nullif(a.name, '')), ' '
		ORDER BY a.telegram_id) FROM telegram_account a WHERE a.user_id = p_user)))
$$;
COMMENT ON FUNCTION user_search(bigint, text, text, text) IS 'The text that app_user.search holds';

CREATE FUNCTION user_search_own() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
	NEW.search := user_search(NEW.id, NEW.login, NEW.first_name, NEW.last_name);
	RETURN NEW;
END $$;
COMMENT ON FUNCTION user_search_own() IS 'Trigger: keeps app_user.search true when the person changes';
CREATE TRIGGER user_search_own BEFORE INSERT OR UPDATE OF login, first_name, last_name ON app_user
	FOR EACH ROW EXECUTE FUNCTION user_search_own();

CREATE FUNCTION user_search_account() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
	UPDATE app_user u SET search = user_search(u.id, u.login, u.first_name, u.last_name)
	WHERE u.id IN (CASE WHEN TG_OP <> 'INSERT' THEN OLD.user_id END, CASE WHEN TG_OP <> 'DELETE' THEN NEW.user_id END);
	RETURN NULL;
END $$;
COMMENT ON FUNCTION user_search_account() IS 'Trigger: keeps app_user.search true when a Telegram account changes';
CREATE TRIGGER user_search_account AFTER INSERT OR DELETE OR UPDATE OF telegram_id, user_id, username, name ON telegram_account
	FOR EACH ROW EXECUTE FUNCTION user_search_account();

UPDATE app_user u SET search = user_search(u.id, u.login, u.first_name, u.last_name);
CREATE INDEX app_user_search ON app_user USING gin (search extension.gin_trgm_ops);
CREATE INDEX app_user_name ON app_user (last_name, first_name, id);
CREATE INDEX app_user_created ON app_user (created_at, id);

CREATE INDEX audit_event_object ON audit_event (object, id);
CREATE INDEX telegram_account_username ON telegram_account (lower(username));
CREATE INDEX invite_created ON invite (created_at, id);

-- Signing in.
ALTER TABLE app_user ADD COLUMN totp_last bigint NOT NULL DEFAULT 0;
COMMENT ON COLUMN app_user.totp_last IS 'Time step of the last code that was used: none is good twice';

ALTER TABLE web_session ADD COLUMN stage text NOT NULL DEFAULT 'open' CHECK (stage IN ('open', 'code')), ADD COLUMN totp_new bytea,
	ADD COLUMN device_hash bytea;
COMMENT ON COLUMN web_session.stage IS 'open: signed in; code: the password was right, the second factor is awaited';
COMMENT ON COLUMN web_session.totp_new IS 'Second factor being set up, until a code of it was given';
COMMENT ON COLUMN web_session.device_hash IS 'Browser it belongs to, see web_device';

CREATE TABLE web_device (
	id_hash bytea PRIMARY KEY,
	user_id bigint NOT NULL REFERENCES app_user ON DELETE CASCADE,
	created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX web_device_user ON web_device (user_id);
COMMENT ON TABLE web_device IS 'Browsers somebody has signed in with: whoever tries that login elsewhere does not slow them down';
COMMENT ON COLUMN web_device.id_hash IS 'SHA-256 of the browser''s cookie';
COMMENT ON COLUMN web_device.user_id IS 'Who signed in with it';
COMMENT ON COLUMN web_device.created_at IS 'When; worthless after 90 days';

CREATE TABLE totp_recovery (
	user_id bigint NOT NULL REFERENCES app_user ON DELETE CASCADE,
	code_hash bytea NOT NULL,
	used_at timestamptz,
	PRIMARY KEY (user_id, code_hash)
);
COMMENT ON TABLE totp_recovery IS 'Codes for who has lost the second factor, each good once';
COMMENT ON COLUMN totp_recovery.user_id IS 'Whose';
COMMENT ON COLUMN totp_recovery.code_hash IS 'SHA-256 of the code';
COMMENT ON COLUMN totp_recovery.used_at IS 'When it was used; null: not yet';

-- Unlogged: it need not outlive a crash.
CREATE UNLOGGED TABLE signin_pace (
	key bytea PRIMARY KEY,
	tries integer NOT NULL DEFAULT 1,
	last_at timestamptz NOT NULL DEFAULT now(),
	free_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX signin_pace_last ON signin_pace (last_at);
COMMENT ON TABLE signin_pace IS 'How often signing in was tried lately: by login and address, by login, by address, by login and browser';
COMMENT ON COLUMN signin_pace.key IS 'SHA-256 of what is counted';
COMMENT ON COLUMN signin_pace.tries IS 'Tries since the last that succeeded, or since an hour of calm';
COMMENT ON COLUMN signin_pace.last_at IS 'Last of them';
COMMENT ON COLUMN signin_pace.free_at IS 'The next is looked at from then on';
