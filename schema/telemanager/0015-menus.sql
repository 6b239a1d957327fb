-- The menu that Telegram shows beside the input: what this person may run, and nothing else.

ALTER TABLE command ADD COLUMN descriptions jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(descriptions) = 'object');
COMMENT ON COLUMN command.descriptions IS 'The description in other languages, by language_code: {"de": "Neu starten"}';

CREATE TABLE rights_version (
	one boolean PRIMARY KEY DEFAULT true CHECK (one),
	version bigint NOT NULL DEFAULT 1,
	menus bigint NOT NULL DEFAULT 0
);
INSERT INTO rights_version DEFAULT VALUES;
COMMENT ON TABLE rights_version IS 'One row: grows whenever somebody may run something else than before';
COMMENT ON COLUMN rights_version.one IS 'Always true: there is one row';
COMMENT ON COLUMN rights_version.version IS 'Version of everybody''s rights';
COMMENT ON COLUMN rights_version.menus IS 'Version that all menus show';

CREATE TABLE menu (
	telegram_id bigint PRIMARY KEY REFERENCES telegram_account ON DELETE CASCADE,
	version bigint NOT NULL,
	commands jsonb NOT NULL
);
COMMENT ON TABLE menu IS 'The menu each person was given';
COMMENT ON COLUMN menu.telegram_id IS 'Whose';
COMMENT ON COLUMN menu.version IS 'Version of the rights it was made from';
COMMENT ON COLUMN menu.commands IS 'What it shows; only another one is sent';

CREATE FUNCTION rights_changed() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
	UPDATE rights_version SET version = version + 1;
	RETURN NULL;
END $$;
COMMENT ON FUNCTION rights_changed() IS 'Trigger: somebody may see other commands now';
CREATE TRIGGER rights_changed AFTER INSERT OR UPDATE OR DELETE ON role_command EXECUTE FUNCTION rights_changed();
CREATE TRIGGER rights_changed AFTER INSERT OR DELETE ON user_role EXECUTE FUNCTION rights_changed();
CREATE TRIGGER rights_changed AFTER INSERT OR DELETE ON group_role EXECUTE FUNCTION rights_changed();
CREATE TRIGGER rights_changed AFTER INSERT OR DELETE ON user_group_member EXECUTE FUNCTION rights_changed();
CREATE TRIGGER rights_changed AFTER UPDATE OF enabled ON app_user EXECUTE FUNCTION rights_changed();
CREATE TRIGGER rights_changed AFTER INSERT OR DELETE OR UPDATE OF user_id, language ON telegram_account EXECUTE FUNCTION rights_changed();
CREATE TRIGGER rights_changed AFTER INSERT OR DELETE OR UPDATE OF name, description, descriptions, enabled ON command EXECUTE FUNCTION rights_changed();

INSERT INTO chore (name) VALUES ('menus'), ('menus of all');
