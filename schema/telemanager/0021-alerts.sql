-- Alerts in: hooks that monitoring posts to, and what they have said.

CREATE TABLE hook (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	name text NOT NULL UNIQUE CONSTRAINT hook_name_check CHECK (name ~ '^[^[:cntrl:]]{1,64}$'),
	token_hash bytea UNIQUE CONSTRAINT hook_token_check CHECK (length(token_hash) = 32),
	token_at timestamptz,
	chat_id bigint NOT NULL CONSTRAINT hook_chat_check CHECK (chat_id <> 0),
	thread_id bigint,
	rate integer NOT NULL DEFAULT 60 CONSTRAINT hook_rate_check CHECK (rate BETWEEN 1 AND 6000),
	forget_h integer NOT NULL DEFAULT 72 CONSTRAINT hook_forget_check CHECK (forget_h BETWEEN 1 AND 2160),
	enabled boolean NOT NULL DEFAULT true,
	version integer NOT NULL DEFAULT 1
);
COMMENT ON TABLE hook IS 'Addresses that alerts are posted to, and the chats they go to';
COMMENT ON COLUMN hook.id IS 'Key';
COMMENT ON COLUMN hook.name IS 'Name, unique';
COMMENT ON COLUMN hook.token_hash IS 'SHA-256 of the token in its address; null: it has none yet, and takes nothing';
COMMENT ON COLUMN hook.token_at IS 'When the token was made';
COMMENT ON COLUMN hook.chat_id IS 'Where its alerts go';
COMMENT ON COLUMN hook.thread_id IS 'Topic they go to';
COMMENT ON COLUMN hook.rate IS 'How many requests it takes a minute';
COMMENT ON COLUMN hook.forget_h IS 'An alert that was not repeated for so many hours is closed';
COMMENT ON COLUMN hook.enabled IS 'False: it takes nothing';
COMMENT ON COLUMN hook.version IS 'Grows with each change: two who edit at once notice';

CREATE TABLE hook_button (
	hook_id bigint NOT NULL REFERENCES hook ON DELETE CASCADE,
	position integer NOT NULL,
	command_id bigint NOT NULL REFERENCES command ON DELETE CASCADE,
	label text NOT NULL DEFAULT '' CONSTRAINT hook_button_label_check CHECK (label ~ '^[^[:cntrl:]]{0,60}$'),
	args jsonb NOT NULL DEFAULT '{}' CONSTRAINT hook_button_args_check CHECK (jsonb_typeof(args) = 'object'),
	labels jsonb NOT NULL DEFAULT '{}' CONSTRAINT hook_button_labels_check CHECK (jsonb_typeof(labels) = 'object'),
	PRIMARY KEY (hook_id, position)
);
CREATE INDEX hook_button_command ON hook_button (command_id);
COMMENT ON TABLE hook_button IS 'Commands that a hook''s alerts offer to run; who presses needs the right to';
COMMENT ON COLUMN hook_button.hook_id IS 'The hook';
COMMENT ON COLUMN hook_button.position IS 'Order';
COMMENT ON COLUMN hook_button.command_id IS 'What would run';
COMMENT ON COLUMN hook_button.label IS 'What the button says; empty: the command line';
COMMENT ON COLUMN hook_button.args IS 'Arguments by parameter name; {label} is replaced by that label of the alert, and without it there is no button';
COMMENT ON COLUMN hook_button.labels IS 'Only for alerts with these labels: values by name, * stands for anything';

-- As person_pace: it need not outlive a crash.
CREATE UNLOGGED TABLE hook_pace (
	hook_id bigint PRIMARY KEY,
	since timestamptz NOT NULL DEFAULT now(),
	requests integer NOT NULL DEFAULT 1,
	last_at timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.5);
COMMENT ON TABLE hook_pace IS 'How fast requests come in at each hook: within a minute, for hook.rate';
COMMENT ON COLUMN hook_pace.hook_id IS 'The hook';
COMMENT ON COLUMN hook_pace.since IS 'When this minute began';
COMMENT ON COLUMN hook_pace.requests IS 'Requests since then';
COMMENT ON COLUMN hook_pace.last_at IS 'The last of them';

CREATE TABLE alert (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	hook_id bigint NOT NULL REFERENCES hook ON DELETE CASCADE,
	key text NOT NULL,
	state text NOT NULL CONSTRAINT alert_state_check CHECK (state IN ('firing', 'note', 'resolved', 'silent')),
	title text NOT NULL DEFAULT '',
	body jsonb NOT NULL DEFAULT '{}',
	runs text[] NOT NULL DEFAULT '{}',
	reports integer NOT NULL DEFAULT 1,
	chat_id bigint NOT NULL,
	thread_id bigint,
	message_id bigint,
	outbox_id bigint,
	opened_at timestamptz NOT NULL DEFAULT clock_timestamp(),
	last_at timestamptz NOT NULL DEFAULT clock_timestamp(),
	closed_at timestamptz,
	CONSTRAINT alert_closed_check CHECK ((state IN ('firing', 'note')) = (closed_at IS NULL))
);
CREATE INDEX alert_hook ON alert (hook_id, last_at);
CREATE UNIQUE INDEX alert_open ON alert (hook_id, key) WHERE closed_at IS NULL;
CREATE UNIQUE INDEX alert_outbox ON alert (outbox_id) WHERE outbox_id IS NOT NULL;
CREATE INDEX alert_waiting ON alert (last_at) WHERE closed_at IS NULL;
CREATE INDEX alert_closed ON alert (closed_at) WHERE closed_at IS NOT NULL;
COMMENT ON TABLE alert IS 'What was posted to hooks, a row a message in the chat: repeats change it, until it is closed';
COMMENT ON COLUMN alert.id IS 'Key';
COMMENT ON COLUMN alert.hook_id IS 'Where it came in';
COMMENT ON COLUMN alert.key IS 'What makes two reports the same alert, as the sender says or its title''s hash; one is open a key';
COMMENT ON COLUMN alert.state IS 'firing, or note (it says nothing of an end); closed: resolved, or silent (not repeated for long)';
COMMENT ON COLUMN alert.title IS 'Title';
COMMENT ON COLUMN alert.body IS 'The newest report as tele_alert_read makes it; emptied when it is closed';
COMMENT ON COLUMN alert.runs IS 'Who had something run by its buttons, a line each';
COMMENT ON COLUMN alert.reports IS 'How often it was reported';
COMMENT ON COLUMN alert.chat_id IS 'Chat of its message';
COMMENT ON COLUMN alert.thread_id IS 'Topic of its message';
COMMENT ON COLUMN alert.message_id IS 'Its message, once that was sent';
COMMENT ON COLUMN alert.outbox_id IS 'Row of outbox that will show it, as long as that waits';
COMMENT ON COLUMN alert.opened_at IS 'First report';
COMMENT ON COLUMN alert.last_at IS 'Last report';
COMMENT ON COLUMN alert.closed_at IS 'When it was closed; null: it is open';

ALTER TABLE button DROP CONSTRAINT button_kind_check;
ALTER TABLE button ADD CONSTRAINT button_kind_check CHECK (kind IN ('run', 'dismiss', 'choice', 'back', 'approve', 'reject', 'cancel', 'command')),
	ADD COLUMN alert_id bigint REFERENCES alert ON DELETE CASCADE,
	ADD COLUMN command_id bigint REFERENCES command ON DELETE CASCADE;
CREATE INDEX button_alert ON button (alert_id) WHERE alert_id IS NOT NULL;
CREATE INDEX button_command ON button (command_id) WHERE command_id IS NOT NULL;
COMMENT ON COLUMN button.value IS 'choice: the value; command: the command line';
COMMENT ON COLUMN button.alert_id IS 'command: the alert that offers it';
COMMENT ON COLUMN button.command_id IS 'command: what would run';

CREATE FUNCTION hook_changed() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
	INSERT INTO chat (chat_id, type) VALUES (NEW.chat_id, CASE WHEN NEW.chat_id > 0 THEN 'private' WHEN NEW.chat_id < -1000000000000 THEN 'supergroup' ELSE 'group' END)
	ON CONFLICT DO NOTHING;
	RETURN NEW;
END $$;
COMMENT ON FUNCTION hook_changed() IS 'Trigger: the chat that a hook writes to is known';
CREATE TRIGGER hook_changed BEFORE INSERT OR UPDATE OF chat_id ON hook FOR EACH ROW EXECUTE FUNCTION hook_changed();
CREATE CONSTRAINT TRIGGER command_sound AFTER INSERT OR UPDATE ON hook_button
	DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION command_sound();

INSERT INTO chore (name) VALUES ('alerts');
