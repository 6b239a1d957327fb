-- Commands: what can be run, with which arguments, by whom, where; and the version that TeleBot's copy is checked against.

CREATE TABLE catalogue_version (
	one boolean PRIMARY KEY DEFAULT true CHECK (one),
	version bigint NOT NULL DEFAULT 1
);
INSERT INTO catalogue_version DEFAULT VALUES;
COMMENT ON TABLE catalogue_version IS 'One row: version of the catalogue that TeleBot caches';
COMMENT ON COLUMN catalogue_version.one IS 'Always true: there is one row';
COMMENT ON COLUMN catalogue_version.version IS 'Grows whenever commands, parameters or the bot''s name change';

CREATE TABLE queue (
	name text PRIMARY KEY CHECK (name ~ '^[a-z0-9_-]{1,32}$'),
	concurrency integer CHECK (concurrency > 0),
	running integer NOT NULL DEFAULT 0
);
INSERT INTO queue (name) VALUES ('default');
COMMENT ON TABLE queue IS 'Named queues; engines serve some of them';
COMMENT ON COLUMN queue.name IS 'Name';
COMMENT ON COLUMN queue.concurrency IS 'How many tasks at once over all engines; null: no limit';
COMMENT ON COLUMN queue.running IS 'How many run now, kept only where there is a limit';

CREATE TABLE command (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	name text NOT NULL UNIQUE CHECK (name ~ '^[a-z][a-z0-9_]{0,31}$'),
	description text NOT NULL DEFAULT '' CHECK (length(description) <= 256),
	detail text NOT NULL DEFAULT '',
	kind text NOT NULL CHECK (kind IN ('exec', 'text', 'sql', 'http')),
	program text NOT NULL DEFAULT '' CHECK (program !~ '/' AND program NOT IN ('.', '..')),
	args text[] NOT NULL DEFAULT '{}',
	template text NOT NULL DEFAULT '',
	min_args integer NOT NULL DEFAULT 0,
	max_args integer NOT NULL DEFAULT 0,
	enabled boolean NOT NULL DEFAULT true,
	logged boolean NOT NULL DEFAULT true,
	long_running boolean NOT NULL DEFAULT false,
	interactive boolean NOT NULL DEFAULT false,
	idempotent boolean NOT NULL DEFAULT false,
	ordered boolean NOT NULL DEFAULT false,
	dangerous boolean NOT NULL DEFAULT false,
	approvals integer NOT NULL DEFAULT 0 CHECK (approvals BETWEEN 0 AND 10),
	max_attempts integer NOT NULL DEFAULT 3 CHECK (max_attempts BETWEEN 1 AND 100),
	timeout_s integer NOT NULL DEFAULT 60 CHECK (timeout_s BETWEEN 1 AND 604800),
	grace_s integer NOT NULL DEFAULT 5 CHECK (grace_s BETWEEN 0 AND 3600),
	output_limit integer NOT NULL DEFAULT 262144 CHECK (output_limit BETWEEN 1 AND 67108864),
	priority smallint NOT NULL DEFAULT 0 CHECK (priority BETWEEN -100 AND 100),
	concurrency integer CHECK (concurrency > 0),
	running integer NOT NULL DEFAULT 0,
	queue text NOT NULL DEFAULT 'default' REFERENCES queue,
	version integer NOT NULL DEFAULT 1,
	created_at timestamptz NOT NULL DEFAULT now(),
	updated_at timestamptz NOT NULL DEFAULT now(),
	CHECK (kind <> 'exec' OR program <> '')
);
CREATE INDEX command_queue ON command (queue);
COMMENT ON TABLE command IS 'What people can run from a chat';
COMMENT ON COLUMN command.id IS 'Key';
COMMENT ON COLUMN command.name IS 'Name after the slash, as Telegram allows it (1-32 of a-z 0-9 _)';
COMMENT ON COLUMN command.description IS 'One line for menus and /help';
COMMENT ON COLUMN command.detail IS 'More, for /help NAME';
COMMENT ON COLUMN command.kind IS 'exec: a program; text: an answer from the template; sql: a statement on teleapp; http: a request';
COMMENT ON COLUMN command.program IS 'exec: file name within the engine''s exec_dir';
COMMENT ON COLUMN command.args IS 'exec: argument vector, one argument an element, {parameter} replaced within it';
COMMENT ON COLUMN command.template IS 'text: the answer, {parameter} and {user} replaced';
COMMENT ON COLUMN command.min_args IS 'Required parameters, derived from command_parameter';
COMMENT ON COLUMN command.max_args IS 'All parameters, derived from command_parameter';
COMMENT ON COLUMN command.enabled IS 'False: nobody can run it';
COMMENT ON COLUMN command.logged IS 'False: output is not kept, only sent';
COMMENT ON COLUMN command.long_running IS 'Expected to take long: progress is shown';
COMMENT ON COLUMN command.interactive IS 'Asks for missing arguments';
COMMENT ON COLUMN command.idempotent IS 'May be run again when an engine died; others become lost';
COMMENT ON COLUMN command.ordered IS 'Runs one at a time in a chat, first come first served';
COMMENT ON COLUMN command.dangerous IS 'Asks back before it runs';
COMMENT ON COLUMN command.approvals IS 'How many others must approve a run';
COMMENT ON COLUMN command.max_attempts IS 'idempotent: how often it is tried';
COMMENT ON COLUMN command.timeout_s IS 'Ended after so many seconds';
COMMENT ON COLUMN command.grace_s IS 'Seconds between TERM and KILL';
COMMENT ON COLUMN command.output_limit IS 'Output kept, in bytes; the rest is cut and said so';
COMMENT ON COLUMN command.priority IS 'Lower is claimed first';
COMMENT ON COLUMN command.concurrency IS 'How many at once over all engines; null: no limit';
COMMENT ON COLUMN command.running IS 'How many run now, kept only where there is a limit';
COMMENT ON COLUMN command.queue IS 'Queue its tasks wait in';
COMMENT ON COLUMN command.version IS 'Grows with each change: optimistic locking';
COMMENT ON COLUMN command.created_at IS 'When it was made';
COMMENT ON COLUMN command.updated_at IS 'When it last changed';

CREATE TABLE command_parameter (
	command_id bigint NOT NULL REFERENCES command ON DELETE CASCADE,
	position smallint NOT NULL CHECK (position >= 1),
	name text NOT NULL CHECK (name ~ '^[a-z][a-z0-9_]{0,31}$'),
	type text NOT NULL CHECK (type IN ('text', 'integer', 'number', 'boolean', 'choice', 'duration', 'date', 'pattern', 'user')),
	required boolean NOT NULL DEFAULT false,
	default_value text,
	minimum numeric,
	maximum numeric,
	choices text[],
	pattern text NOT NULL DEFAULT '',
	secret boolean NOT NULL DEFAULT false,
	help text NOT NULL DEFAULT '',
	PRIMARY KEY (command_id, position),
	UNIQUE (command_id, name),
	CHECK (type <> 'choice' OR coalesce(cardinality(choices), 0) > 0)
);
COMMENT ON TABLE command_parameter IS 'Arguments of a command, typed, in order';
COMMENT ON COLUMN command_parameter.command_id IS 'The command';
COMMENT ON COLUMN command_parameter.position IS 'Place in the command line, from 1';
COMMENT ON COLUMN command_parameter.name IS 'Name, for name=value and {name}';
COMMENT ON COLUMN command_parameter.type IS 'What a value must look like';
COMMENT ON COLUMN command_parameter.required IS 'Must be given';
COMMENT ON COLUMN command_parameter.default_value IS 'Used when it is not given';
COMMENT ON COLUMN command_parameter.minimum IS 'integer, number: least value; text: least length';
COMMENT ON COLUMN command_parameter.maximum IS 'integer, number: greatest value; text: greatest length';
COMMENT ON COLUMN command_parameter.choices IS 'choice: the values';
COMMENT ON COLUMN command_parameter.pattern IS 'pattern: regular expression the whole value must match';
COMMENT ON COLUMN command_parameter.secret IS 'Never shown, never in an argument vector';
COMMENT ON COLUMN command_parameter.help IS 'One line for /help NAME';

CREATE TABLE role_command (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	role_id bigint NOT NULL REFERENCES role ON DELETE CASCADE,
	command_id bigint NOT NULL REFERENCES command ON DELETE CASCADE,
	constraints jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(constraints) = 'object'),
	chat_id bigint,
	UNIQUE NULLS NOT DISTINCT (role_id, command_id, constraints, chat_id)
);
CREATE INDEX role_command_command ON role_command (command_id);
COMMENT ON TABLE role_command IS 'Grants: a role may run a command; parts of a grant are ANDed, without a grant it is denied';
COMMENT ON COLUMN role_command.id IS 'Key';
COMMENT ON COLUMN role_command.role_id IS 'Who';
COMMENT ON COLUMN role_command.command_id IS 'What';
COMMENT ON COLUMN role_command.constraints IS 'Argument values allowed: {"env": ["staging"]}; {} allows all';
COMMENT ON COLUMN role_command.chat_id IS 'Only in this chat; null: anywhere';

CREATE TABLE chat (
	chat_id bigint PRIMARY KEY,
	type text NOT NULL CHECK (type IN ('private', 'group', 'supergroup', 'channel')),
	title text NOT NULL DEFAULT '',
	allowed boolean NOT NULL DEFAULT true,
	out_seq bigint NOT NULL DEFAULT 0,
	blocked_at timestamptz,
	migrated_to bigint,
	created_at timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 70);
COMMENT ON TABLE chat IS 'Chats the bot has seen';
COMMENT ON COLUMN chat.chat_id IS 'Telegram''s id (52 bits; groups are negative)';
COMMENT ON COLUMN chat.type IS 'Telegram''s type';
COMMENT ON COLUMN chat.title IS 'Last seen title, or the person''s name';
COMMENT ON COLUMN chat.allowed IS 'False: nothing is answered here';
COMMENT ON COLUMN chat.out_seq IS 'Last place given in the chat''s outbox lane; taken under this row''s lock';
COMMENT ON COLUMN chat.blocked_at IS 'The bot was blocked or removed then; null: it can write';
COMMENT ON COLUMN chat.migrated_to IS 'Supergroup this group became';
COMMENT ON COLUMN chat.created_at IS 'When the bot first saw it';

CREATE TABLE bot_status (
	one boolean PRIMARY KEY DEFAULT true CHECK (one),
	bot_id bigint,
	username text NOT NULL DEFAULT '',
	name text NOT NULL DEFAULT '',
	seen_at timestamptz,
	sender_epoch bigint NOT NULL DEFAULT 0,
	webhook jsonb,
	webhook_at timestamptz
);
INSERT INTO bot_status DEFAULT VALUES;
COMMENT ON TABLE bot_status IS 'One row: what the sender knows of the bot (getMe, getWebhookInfo)';
COMMENT ON COLUMN bot_status.one IS 'Always true: there is one row';
COMMENT ON COLUMN bot_status.bot_id IS 'The bot''s own id';
COMMENT ON COLUMN bot_status.username IS 'The bot''s @name, without the @: TeleBot needs it for /cmd@name';
COMMENT ON COLUMN bot_status.name IS 'The bot''s display name';
COMMENT ON COLUMN bot_status.seen_at IS 'Last successful getMe';
COMMENT ON COLUMN bot_status.sender_epoch IS 'Grows each time a sender becomes the active one';
COMMENT ON COLUMN bot_status.webhook IS 'Last getWebhookInfo';
COMMENT ON COLUMN bot_status.webhook_at IS 'When that was';

CREATE FUNCTION catalogue_changed() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
	UPDATE catalogue_version SET version = version + 1;
	RETURN NULL;
END $$;
COMMENT ON FUNCTION catalogue_changed() IS 'Trigger: a new catalogue version, once a statement';
CREATE TRIGGER catalogue_changed AFTER INSERT OR DELETE OR TRUNCATE ON command EXECUTE FUNCTION catalogue_changed();
-- Counters of running tasks are not part of the catalogue.
CREATE TRIGGER catalogue_edited AFTER UPDATE OF name, description, detail, kind, program, args, template, min_args, max_args,
	enabled, queue, version ON command EXECUTE FUNCTION catalogue_changed();
CREATE TRIGGER catalogue_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON command_parameter EXECUTE FUNCTION catalogue_changed();
CREATE TRIGGER catalogue_edited AFTER UPDATE OF username ON bot_status EXECUTE FUNCTION catalogue_changed();

CREATE FUNCTION parameter_counts() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
	UPDATE command c SET min_args = p.least, max_args = p.most
	FROM (SELECT k.id, count(q.name) FILTER (WHERE q.required) AS least, count(q.name) AS most
		FROM command k LEFT JOIN command_parameter q ON q.command_id = k.id
		WHERE k.id = CASE TG_OP WHEN 'DELETE' THEN OLD.command_id ELSE NEW.command_id END
		GROUP BY k.id) p
	WHERE c.id = p.id AND (c.min_args, c.max_args) IS DISTINCT FROM (p.least, p.most);
	RETURN NULL;
END $$;
COMMENT ON FUNCTION parameter_counts() IS 'Trigger: keeps command.min_args and max_args true';
CREATE TRIGGER parameter_counts AFTER INSERT OR UPDATE OR DELETE ON command_parameter
	FOR EACH ROW EXECUTE FUNCTION parameter_counts();
