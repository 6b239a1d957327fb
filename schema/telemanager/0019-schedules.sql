-- Schedules: commands that run by the clock. The arguments are read from the line when it is saved, and again when the command changes.

CREATE TYPE cron_fields AS (minutes integer[], hours integer[], days integer[], months integer[], weekdays integer[],
	any_day boolean, any_weekday boolean, every_hour boolean);
COMMENT ON TYPE cron_fields IS 'A cron expression as sets of numbers; any_day, any_weekday: that field begins with *';

ALTER TABLE schedule ADD COLUMN args jsonb, ADD COLUMN complaint text NOT NULL DEFAULT '', ADD COLUMN command_version integer NOT NULL DEFAULT 0,
	ADD COLUMN last_at timestamptz, ADD COLUMN last_task_id bigint, ADD COLUMN error text NOT NULL DEFAULT '', ADD COLUMN error_at timestamptz;
ALTER TABLE schedule ADD CONSTRAINT schedule_name_check CHECK (name ~ '^[^[:cntrl:]]{1,64}$');
COMMENT ON COLUMN schedule.cron IS 'Five fields, or @daily and the like; see cron_parse()';
COMMENT ON COLUMN schedule.timezone IS 'Zone the fields are read in, by its name in the time zone database';
COMMENT ON COLUMN schedule.missed IS 'What becomes of runs that were missed by more than a minute: left out, run once, or all of them (a hundred at most)';
COMMENT ON COLUMN schedule.args IS 'Arguments read from the line; null: the line cannot be run';
COMMENT ON COLUMN schedule.complaint IS 'Why it cannot';
COMMENT ON COLUMN schedule.command_version IS 'Version of the command that the line was read with; another one: it is read again before it runs';
COMMENT ON COLUMN schedule.last_at IS 'Due time that was carried out last';
COMMENT ON COLUMN schedule.last_task_id IS 'Task that was made of it';
COMMENT ON COLUMN schedule.error IS 'Why it did not run when it was due last, as the chat was told; empty: it ran';
COMMENT ON COLUMN schedule.error_at IS 'When that was first so';

-- Whoever writes a schedule: its next time follows, its line is to be read, its chat is known.
CREATE FUNCTION schedule_changed() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
	IF TG_OP = 'INSERT' OR (NEW.cron, NEW.timezone, NEW.enabled) IS DISTINCT FROM (OLD.cron, OLD.timezone, OLD.enabled) THEN
		NEW.next_at := CASE WHEN NEW.enabled THEN cron_next(NEW.cron, NEW.timezone, clock_timestamp()) END;
		NEW.error := '';
		NEW.error_at := NULL;
	END IF;
	IF TG_OP = 'INSERT' OR (NEW.line, NEW.command_id) IS DISTINCT FROM (OLD.line, OLD.command_id) THEN
		NEW.command_version := 0;
	END IF;
	INSERT INTO chat (chat_id, type) VALUES (NEW.chat_id, CASE WHEN NEW.chat_id > 0 THEN 'private' WHEN NEW.chat_id < -1000000000000 THEN 'supergroup' ELSE 'group' END)
	ON CONFLICT DO NOTHING;
	RETURN NEW;
END $$;
COMMENT ON FUNCTION schedule_changed() IS 'Trigger: a schedule''s next time, after what it depends on has changed';
CREATE TRIGGER schedule_changed BEFORE INSERT OR UPDATE OF cron, timezone, enabled, line, command_id, chat_id ON schedule
	FOR EACH ROW EXECUTE FUNCTION schedule_changed();
