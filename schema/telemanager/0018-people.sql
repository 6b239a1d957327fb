-- What follows when somebody's access is switched off, and passwords that are good for one sign-in.

ALTER TABLE app_user ADD COLUMN password_temporary boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN app_user.password_temporary IS 'Given by another administrator: a new one is asked for before anything else';

-- Whoever switches it off, a page or teleops apply: sessions, open questions and what has not begun yet end with it.
CREATE FUNCTION user_switched_off() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	waiting bigint[] := ARRAY(SELECT t.id FROM task t WHERE t.user_id = OLD.id AND t.state = 'queued' ORDER BY t.id);
BEGIN
	DELETE FROM web_session WHERE user_id = OLD.id;
	DELETE FROM pending WHERE user_id = OLD.id;
	IF waiting <> '{}' THEN
		PERFORM task_close(waiting, 'cancelled', 'cancelled_access', 'access of ' || OLD.login || ' ended', '{}');
	END IF;
	RETURN OLD;
END $$;
COMMENT ON FUNCTION user_switched_off() IS 'Trigger: ends what a person who is disabled or removed still has under way: sessions, open questions, tasks that wait';
CREATE TRIGGER user_switched_off AFTER UPDATE OF enabled ON app_user FOR EACH ROW WHEN (OLD.enabled AND NOT NEW.enabled)
	EXECUTE FUNCTION user_switched_off();
CREATE TRIGGER user_removed BEFORE DELETE ON app_user FOR EACH ROW EXECUTE FUNCTION user_switched_off();

ALTER TABLE invite ADD COLUMN note text NOT NULL DEFAULT '' CHECK (length(note) <= 200);
COMMENT ON COLUMN invite.note IS 'Whom it was made for, as its maker wrote it';
