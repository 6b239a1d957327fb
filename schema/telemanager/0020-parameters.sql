-- Parameters: limits as they are declared, choices that a command gives, secrets.

-- IF EXISTS: in a new database the standing files come after all of these.
DROP FUNCTION IF EXISTS catalogue();
DROP FUNCTION IF EXISTS pending_take(bigint, text, bigint);
DROP FUNCTION IF EXISTS engine_step(bigint, bigint, boolean, integer, bigint[], bigint[], text[], text[], bigint[], integer[], text[], integer[],
	integer[], text[], timestamptz[], timestamptz[], text[], text[], text[], text[], bigint[], boolean[]);

ALTER TABLE command_parameter ALTER COLUMN minimum TYPE text, ALTER COLUMN maximum TYPE text,
	ADD COLUMN choices_from text REFERENCES command (name) ON UPDATE CASCADE DEFERRABLE INITIALLY DEFERRED,
	ADD COLUMN every_s integer NOT NULL DEFAULT 300 CHECK (every_s BETWEEN 5 AND 86400),
	DROP CONSTRAINT command_parameter_check,
	ADD CONSTRAINT command_parameter_choices CHECK (CASE WHEN type <> 'choice' THEN choices_from IS NULL
		ELSE (coalesce(cardinality(choices), 0) > 0) <> (choices_from IS NOT NULL) END),
	ADD CONSTRAINT command_parameter_pattern CHECK ((type = 'pattern') = (pattern <> '')),
	-- A default would stand there for all to read, and of few choices each can be guessed.
	ADD CONSTRAINT command_parameter_secret CHECK (NOT secret OR (default_value IS NULL AND type IN ('text', 'integer', 'number', 'pattern')));
CREATE INDEX command_parameter_choices_from ON command_parameter (choices_from);
COMMENT ON COLUMN command_parameter.minimum IS 'Least value (integer, number, duration, date) or length (text), as declared: 5, 90s, today';
COMMENT ON COLUMN command_parameter.maximum IS 'Greatest value or length, as declared';
COMMENT ON COLUMN command_parameter.choices_from IS 'choice: name of the command whose output lines are the values, see choice_list; null: they are in choices';
COMMENT ON COLUMN command_parameter.every_s IS 'choices_from: how old the values may grow before that command runs again, in seconds';

CREATE TABLE choice_list (
	command_id bigint PRIMARY KEY REFERENCES command ON DELETE CASCADE,
	items text[] NOT NULL DEFAULT '{}',
	made_at timestamptz,
	tried_at timestamptz NOT NULL DEFAULT '-infinity',
	error text NOT NULL DEFAULT '',
	printed text
);
COMMENT ON TABLE choice_list IS 'Values that parameters with choices_from may have, made ahead by the engines; admission only reads them';
COMMENT ON COLUMN choice_list.command_id IS 'Command that gives them';
COMMENT ON COLUMN choice_list.items IS 'The values, in the order in which they came';
COMMENT ON COLUMN choice_list.made_at IS 'When the command last gave them; null: never yet';
COMMENT ON COLUMN choice_list.tried_at IS 'When it was last put in the queue';
COMMENT ON COLUMN choice_list.error IS 'Why the last run gave none, so that the values are those of the run before; empty: it did';
COMMENT ON COLUMN choice_list.printed IS 'What a run has printed, until the janitor makes values of it; null: nothing new';
CREATE TRIGGER catalogue_changed AFTER UPDATE OF items ON choice_list FOR EACH ROW
	WHEN (OLD.items IS DISTINCT FROM NEW.items) EXECUTE FUNCTION catalogue_changed();
INSERT INTO chore (name) VALUES ('choices');

ALTER TABLE task ADD COLUMN internal boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN task.internal IS 'Asked for by nobody, in no chat: it makes a choice_list, and leaves no history';
COMMENT ON COLUMN task.user_id IS 'For whom; 0 where internal, as are telegram_id and chat_id';
COMMENT ON COLUMN task.args IS 'Checked arguments by parameter name: a text, or {"sealed": base64} for a secret';
COMMENT ON COLUMN task_history.args IS 'Arguments by parameter name, secrets masked';

ALTER TABLE outbox DROP CONSTRAINT outbox_op_check;
ALTER TABLE outbox ADD CONSTRAINT outbox_op_check CHECK (op IN ('send', 'edit', 'live', 'document', 'answer_callback', 'chat_action', 'set_commands',
	'get_file', 'webhook_info', 'delete_message'));

-- What a secret must not come near: argument vectors, answers, constraints, lists. Looked at when the transaction is complete.
CREATE FUNCTION command_sound() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$ BEGIN RETURN NULL; END $$;
CREATE CONSTRAINT TRIGGER command_sound AFTER INSERT OR UPDATE OF kind, args, template, dangerous, approvals ON command
	DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION command_sound();
CREATE CONSTRAINT TRIGGER command_sound AFTER INSERT OR UPDATE ON command_parameter
	DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION command_sound();
CREATE CONSTRAINT TRIGGER command_sound AFTER INSERT OR UPDATE OF constraints ON role_command
	DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION command_sound();
