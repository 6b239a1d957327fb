-- In and out: updates seen, messages to send; and the record.

CREATE TABLE update_seen (
	update_id bigint PRIMARY KEY,
	seen_at timestamptz NOT NULL DEFAULT now()
) WITH (autovacuum_vacuum_scale_factor = 0.1);
CREATE INDEX update_seen_at ON update_seen USING brin (seen_at);
COMMENT ON TABLE update_seen IS 'Updates admitted in the last 48 hours: a second delivery changes nothing';
COMMENT ON COLUMN update_seen.update_id IS 'Telegram''s update_id';
COMMENT ON COLUMN update_seen.seen_at IS 'When';

CREATE TABLE update_rejected (
	update_id bigint PRIMARY KEY,
	reason text NOT NULL,
	body text NOT NULL DEFAULT '',
	rejected_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE update_rejected IS 'Updates that could not be admitted for their data, kept to look at; answered 200';
COMMENT ON COLUMN update_rejected.update_id IS 'Telegram''s update_id';
COMMENT ON COLUMN update_rejected.reason IS 'What the database said';
COMMENT ON COLUMN update_rejected.body IS 'The update as it came, cut to 64 KiB';
COMMENT ON COLUMN update_rejected.rejected_at IS 'When';

CREATE TABLE outbox (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	op text NOT NULL CHECK (op IN ('send', 'edit', 'document', 'answer_callback', 'chat_action', 'set_commands', 'get_file', 'webhook_info')),
	chat_id bigint,
	seq bigint,
	thread_id bigint,
	reply_to bigint,
	text text NOT NULL DEFAULT '',
	entities jsonb,
	markup jsonb,
	params jsonb,
	task_id bigint,
	update_id bigint,
	coalesce_key text,
	wanted_version integer NOT NULL DEFAULT 1,
	sent_version integer NOT NULL DEFAULT 0,
	expires_at timestamptz,
	taken_by bigint,
	parts_sent integer NOT NULL DEFAULT 0,
	message_ids bigint[] NOT NULL DEFAULT '{}',
	attempts integer NOT NULL DEFAULT 0,
	last_error text,
	created_at timestamptz NOT NULL DEFAULT now(),
	UNIQUE (chat_id, seq),
	CHECK (op NOT IN ('send', 'edit', 'document') OR (chat_id IS NOT NULL AND seq IS NOT NULL))
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_cost_delay = 0);
CREATE INDEX outbox_waiting ON outbox (id) WHERE taken_by IS NULL;
CREATE UNIQUE INDEX outbox_coalesce ON outbox (coalesce_key) WHERE coalesce_key IS NOT NULL;
COMMENT ON TABLE outbox IS 'Operations on the Bot API that wait; a row leaves when it was carried out';
COMMENT ON COLUMN outbox.id IS 'Key';
COMMENT ON COLUMN outbox.op IS 'What to do';
COMMENT ON COLUMN outbox.chat_id IS 'Where';
COMMENT ON COLUMN outbox.seq IS 'Place in the chat''s lane (from chat.out_seq); null: free of order';
COMMENT ON COLUMN outbox.thread_id IS 'In which topic';
COMMENT ON COLUMN outbox.reply_to IS 'Message it answers';
COMMENT ON COLUMN outbox.text IS 'Plain text, never markup, of any length';
COMMENT ON COLUMN outbox.entities IS 'Telegram MessageEntity objects, offsets in UTF-16 units of text';
COMMENT ON COLUMN outbox.markup IS 'reply_markup: goes with the last part';
COMMENT ON COLUMN outbox.params IS 'What else the operation needs, by Bot API names';
COMMENT ON COLUMN outbox.task_id IS 'Task it tells of';
COMMENT ON COLUMN outbox.update_id IS 'Update it answers: the correlation id in all logs';
COMMENT ON COLUMN outbox.coalesce_key IS 'Only the newest of a key counts';
COMMENT ON COLUMN outbox.wanted_version IS 'edit: version the text has';
COMMENT ON COLUMN outbox.sent_version IS 'edit: version that was sent';
COMMENT ON COLUMN outbox.expires_at IS 'Useless from then on';
COMMENT ON COLUMN outbox.taken_by IS 'Epoch of the sender that holds it; null: waits';
COMMENT ON COLUMN outbox.parts_sent IS 'Parts of a long text already sent';
COMMENT ON COLUMN outbox.message_ids IS 'Message ids of those parts';
COMMENT ON COLUMN outbox.attempts IS 'Tries that failed';
COMMENT ON COLUMN outbox.last_error IS 'What the last of them said';
COMMENT ON COLUMN outbox.created_at IS 'Since when';

CREATE TABLE outbox_dead (
	id bigint PRIMARY KEY,
	op text NOT NULL,
	chat_id bigint,
	thread_id bigint,
	reply_to bigint,
	text text NOT NULL DEFAULT '',
	entities jsonb,
	markup jsonb,
	params jsonb,
	task_id bigint,
	update_id bigint,
	parts_sent integer NOT NULL DEFAULT 0,
	message_ids bigint[] NOT NULL DEFAULT '{}',
	attempts integer NOT NULL DEFAULT 0,
	reason text NOT NULL,
	created_at timestamptz NOT NULL,
	died_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX outbox_dead_at ON outbox_dead (died_at DESC, id DESC);
COMMENT ON TABLE outbox_dead IS 'Operations that Telegram refuses for good';
COMMENT ON COLUMN outbox_dead.id IS 'Key it had in outbox';
COMMENT ON COLUMN outbox_dead.op IS 'What was to be done';
COMMENT ON COLUMN outbox_dead.chat_id IS 'Where';
COMMENT ON COLUMN outbox_dead.thread_id IS 'In which topic';
COMMENT ON COLUMN outbox_dead.reply_to IS 'Message it answered';
COMMENT ON COLUMN outbox_dead.text IS 'Text';
COMMENT ON COLUMN outbox_dead.entities IS 'Its entities';
COMMENT ON COLUMN outbox_dead.markup IS 'Its reply_markup';
COMMENT ON COLUMN outbox_dead.params IS 'Its further parameters';
COMMENT ON COLUMN outbox_dead.task_id IS 'Task it tells of';
COMMENT ON COLUMN outbox_dead.update_id IS 'Update it answers';
COMMENT ON COLUMN outbox_dead.parts_sent IS 'Parts that were sent';
COMMENT ON COLUMN outbox_dead.message_ids IS 'Message ids of those parts';
COMMENT ON COLUMN outbox_dead.attempts IS 'Tries that failed';
COMMENT ON COLUMN outbox_dead.reason IS 'What Telegram said';
COMMENT ON COLUMN outbox_dead.created_at IS 'When it was written';
COMMENT ON COLUMN outbox_dead.died_at IS 'When it was given up';

CREATE TABLE audit_event (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	at timestamptz NOT NULL DEFAULT now(),
	xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
	actor text NOT NULL,
	user_id bigint,
	telegram_id bigint,
	chat_id bigint,
	action text NOT NULL,
	object text NOT NULL DEFAULT '',
	detail jsonb NOT NULL DEFAULT '{}',
	address inet
);
CREATE INDEX audit_event_at ON audit_event USING brin (at);
CREATE INDEX audit_event_user ON audit_event (user_id, id);
COMMENT ON TABLE audit_event IS 'The record: append-only, nobody may update or delete';
COMMENT ON COLUMN audit_event.id IS 'Key';
COMMENT ON COLUMN audit_event.at IS 'When';
COMMENT ON COLUMN audit_event.xid IS 'Transaction that wrote it: the sealer takes only what is older than every running one';
COMMENT ON COLUMN audit_event.actor IS 'Part that wrote it: bot, engine, manager, operator';
COMMENT ON COLUMN audit_event.user_id IS 'Person';
COMMENT ON COLUMN audit_event.telegram_id IS 'Telegram account';
COMMENT ON COLUMN audit_event.chat_id IS 'Chat';
COMMENT ON COLUMN audit_event.action IS 'What was done: admitted, refused, finished, lost, applied …';
COMMENT ON COLUMN audit_event.object IS 'To what: task 17, command say …';
COMMENT ON COLUMN audit_event.detail IS 'Command, arguments, before and after; secrets masked';
COMMENT ON COLUMN audit_event.address IS 'From where, on the pages';

CREATE TABLE audit_seal (
	seq bigint PRIMARY KEY,
	first_id bigint NOT NULL,
	last_id bigint NOT NULL,
	ids bigint[] NOT NULL,
	sha256 bytea NOT NULL,
	previous bytea NOT NULL,
	sealed_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE audit_seal IS 'Hash chain over audit_event';
COMMENT ON COLUMN audit_seal.seq IS 'Place in the chain, from 1';
COMMENT ON COLUMN audit_seal.first_id IS 'Least event id sealed';
COMMENT ON COLUMN audit_seal.last_id IS 'Greatest event id sealed';
COMMENT ON COLUMN audit_seal.ids IS 'All event ids sealed, in order';
COMMENT ON COLUMN audit_seal.sha256 IS 'SHA-256 over previous and the events';
COMMENT ON COLUMN audit_seal.previous IS 'sha256 of the seal before';
COMMENT ON COLUMN audit_seal.sealed_at IS 'When';
