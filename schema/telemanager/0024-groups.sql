-- Groups are allowed by an administrator, rights hold at certain hours, answers may go to a person alone.

ALTER TABLE chat ADD COLUMN decided_at timestamptz;
COMMENT ON COLUMN chat.allowed IS 'False: nothing but /id is answered here, and nothing is run';
COMMENT ON COLUMN chat.decided_at IS 'When an administrator last said whether it is allowed; null: nobody has, see chat_at_first()';
-- What has been at work so far goes on.
UPDATE chat SET decided_at = now() WHERE type <> 'private';

CREATE TABLE chat_policy (
	one boolean PRIMARY KEY DEFAULT true CHECK (one),
	allow_new boolean NOT NULL DEFAULT false
);
INSERT INTO chat_policy DEFAULT VALUES;
COMMENT ON TABLE chat_policy IS 'One row: what becomes of chats that no administrator has decided on';
COMMENT ON COLUMN chat_policy.one IS 'Always true: there is one row';
COMMENT ON COLUMN chat_policy.allow_new IS 'Groups and channels are allowed until somebody forbids them';

CREATE FUNCTION chat_decided() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
	NEW.decided_at := coalesce(nullif(NEW.decided_at, OLD.decided_at), now());
	RETURN NEW;
END $$;
COMMENT ON FUNCTION chat_decided() IS 'Trigger: notes when it was decided whether a chat is allowed, whoever decided';
CREATE TRIGGER chat_decided BEFORE UPDATE OF allowed ON chat FOR EACH ROW WHEN (NEW.allowed <> OLD.allowed) EXECUTE FUNCTION chat_decided();

-- Who names a chat in a grant, a schedule or a hook means it to be used, unless it was forbidden.
CREATE FUNCTION chat_named() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
	UPDATE chat SET allowed = true WHERE chat_id = NEW.chat_id AND decided_at IS NULL AND NOT allowed;
	RETURN NULL;
END $$;
COMMENT ON FUNCTION chat_named() IS 'Trigger: a chat that nobody has decided on is allowed by being named';
CREATE TRIGGER chat_named AFTER INSERT OR UPDATE OF chat_id ON role_command FOR EACH ROW WHEN (NEW.chat_id IS NOT NULL) EXECUTE FUNCTION chat_named();
CREATE TRIGGER chat_named AFTER INSERT OR UPDATE OF chat_id ON schedule FOR EACH ROW EXECUTE FUNCTION chat_named();
CREATE TRIGGER chat_named AFTER INSERT OR UPDATE OF chat_id ON hook FOR EACH ROW EXECUTE FUNCTION chat_named();

CREATE FUNCTION hours_sound(p_hours text) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
	day text := '(mon|tue|wed|thu|fri|sat|sun)';
	days text := day || '(-' || day || ')?(,' || day || '(-' || day || ')?)*';
	clock text := '([01][0-9]|2[0-3]):[0-5][0-9]';
	hours text := clock || '-(' || clock || '|24:00)';
BEGIN
	RETURN p_hours ~ ('^(|' || days || '|' || hours || '|' || days || ' ' || hours || ')$');
END $$;
COMMENT ON FUNCTION hours_sound(text) IS 'Whether hours are written as they must be: days, hours, or days and hours';

ALTER TABLE role_command ADD COLUMN hours text NOT NULL DEFAULT '', ADD COLUMN timezone text NOT NULL DEFAULT 'UTC',
	ADD CONSTRAINT role_command_hours CHECK (hours_sound(hours)),
	DROP CONSTRAINT role_command_role_id_command_id_constraints_chat_id_key,
	ADD CONSTRAINT role_command_once UNIQUE NULLS NOT DISTINCT (role_id, command_id, constraints, chat_id, hours, timezone);
COMMENT ON COLUMN role_command.hours IS 'Only then, as mon-fri 08:00-18:00, or one of the two; empty: always. See hours_open()';
COMMENT ON COLUMN role_command.timezone IS 'Zone in which the hours are read';

CREATE OR REPLACE VIEW user_grant AS
	SELECT ur.user_id, rc.command_id, rc.constraints, rc.chat_id, rc.hours, rc.timezone
	FROM user_role ur JOIN role_command rc ON rc.role_id = ur.role_id
	UNION ALL
	SELECT m.user_id, rc.command_id, rc.constraints, rc.chat_id, rc.hours, rc.timezone
	FROM user_group_member m JOIN group_role gr ON gr.group_id = m.group_id JOIN role_command rc ON rc.role_id = gr.role_id;
COMMENT ON COLUMN user_grant.hours IS 'Only then; empty: always';
COMMENT ON COLUMN user_grant.timezone IS 'Zone in which the hours are read';

ALTER TABLE command ADD COLUMN answer text NOT NULL DEFAULT 'chat' CHECK (answer IN ('chat', 'private'));
COMMENT ON COLUMN command.answer IS 'Where its results go: chat in which it was asked for; private: to the person alone, wherever they asked';
