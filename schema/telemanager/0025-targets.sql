-- Targets: one command line, many engines. A parent task waits outside the claim's index while a child task a host runs; a child lies in a
-- queue that only its engine serves (@NAME), so claiming knows nothing of all this.

-- IF EXISTS: in a new database the standing files come after all of these.
DROP FUNCTION IF EXISTS engine_start(text, text, integer, text[], integer, text[]);
DROP FUNCTION IF EXISTS engine_describe(bigint, bigint, text[], integer, text[]);

ALTER TABLE engine ADD COLUMN labels text[] NOT NULL DEFAULT '{}';
COMMENT ON COLUMN engine.labels IS 'What it says of itself, each as key=value: targets may ask for them';

ALTER TABLE command ADD COLUMN at_once integer NOT NULL DEFAULT 10 CHECK (at_once BETWEEN 1 AND 1000),
	ADD COLUMN stop_after integer CHECK (stop_after BETWEEN 1 AND 1000);
COMMENT ON COLUMN command.at_once IS 'With a target: on how many engines it runs at the same time';
COMMENT ON COLUMN command.stop_after IS 'With a target: after so many failures no further engine begins; null: all do';

ALTER TABLE command_parameter DROP CONSTRAINT command_parameter_type_check, ADD CONSTRAINT command_parameter_type_check
	CHECK (type IN ('text', 'integer', 'number', 'boolean', 'choice', 'duration', 'date', 'pattern', 'user', 'target'));
CREATE UNIQUE INDEX command_parameter_target ON command_parameter (command_id) WHERE type = 'target';

ALTER TABLE task ADD COLUMN parent_id bigint, ADD COLUMN host text NOT NULL DEFAULT '',
	DROP CONSTRAINT task_parked_check, ADD CONSTRAINT task_parked_check CHECK (parked IN ('', 'turn', 'limit', 'hosts', 'wave')),
	ADD CONSTRAINT task_host CHECK ((parent_id IS NULL) = (host = ''));
CREATE INDEX task_parent ON task (parent_id) WHERE parent_id IS NOT NULL;
COMMENT ON COLUMN task.parent_id IS 'Task with a target that this one is a part of';
COMMENT ON COLUMN task.host IS 'Name of the engine that such a part is for';
COMMENT ON COLUMN task.parked IS 'Why it is not to be claimed yet: turn (an earlier one of an ordered command in its chat), limit (its command is saturated), hosts (its parts run on other engines), wave (a part whose turn comes later); empty: it may be';

ALTER TABLE task_history ADD COLUMN parent_id bigint, ADD COLUMN host text NOT NULL DEFAULT '';
CREATE INDEX task_history_parent ON task_history (parent_id) WHERE parent_id IS NOT NULL;
COMMENT ON COLUMN task_history.parent_id IS 'Task with a target that this one was a part of';
COMMENT ON COLUMN task_history.host IS 'Name of the engine that such a part was for';

-- Whoever makes a task (admission, a confirmed request, a schedule) need not know of targets: a list among the arguments makes the parts.
CREATE FUNCTION task_spread() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	target text;
	most integer;
BEGIN
	SELECT p.name, c.at_once INTO target, most FROM command_parameter p JOIN command c ON c.id = p.command_id
	WHERE c.id = NEW.command_id AND p.type = 'target';
	IF jsonb_typeof(NEW.args -> target) = 'array' THEN
		NEW.parked := 'hosts';
		INSERT INTO task (queue, priority, command_id, user_id, telegram_id, chat_id, thread_id, message_id, update_id, args, line, turn_at, parked, parent_id, host)
		SELECT '@' || h.name, NEW.priority, NEW.command_id, NEW.user_id, NEW.telegram_id, NEW.chat_id, NEW.thread_id, NEW.message_id, NEW.update_id,
			NEW.args || jsonb_build_object(target, jsonb_build_array(h.name)), NEW.line, NEW.turn_at,
			CASE WHEN h.place <= most THEN '' ELSE 'wave' END, NEW.id, h.name
		FROM jsonb_array_elements_text(NEW.args -> target) WITH ORDINALITY AS h(name, place) ORDER BY h.place;
	END IF;
	RETURN NEW;
END $$;
COMMENT ON FUNCTION task_spread() IS 'Trigger: a task with a target becomes the parent of one task for each engine that was meant';
CREATE TRIGGER task_spread BEFORE INSERT ON task FOR EACH ROW
	WHEN (NEW.parent_id IS NULL AND NEW.args @? 'strict $.* ? (@.type() == "array")') EXECUTE FUNCTION task_spread();

INSERT INTO chore (name) VALUES ('hosts');
