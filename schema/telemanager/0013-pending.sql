-- Requests that wait for a person: missing arguments asked for, dangerous runs confirmed, others approved.

ALTER TABLE command ADD COLUMN approver_role_id bigint REFERENCES role;
ALTER TABLE command ADD CONSTRAINT command_approvers CHECK (approvals = 0 OR approver_role_id IS NOT NULL);
CREATE INDEX command_approver_role ON command (approver_role_id);
COMMENT ON COLUMN command.approver_role_id IS 'Whose members may approve a run';
COMMENT ON COLUMN command.interactive IS 'Asks for required arguments that are missing, one at a time';

ALTER TABLE pending ADD COLUMN update_id bigint, ADD COLUMN message_id bigint, ADD COLUMN answered text[] NOT NULL DEFAULT '{}',
	ADD COLUMN digest bytea, ADD COLUMN confirmed boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN pending.update_id IS 'Update that asked for the run: the correlation id in all logs';
COMMENT ON COLUMN pending.message_id IS 'Message that asked for the run';
COMMENT ON COLUMN pending.answered IS 'asking: parameters answered in this conversation, in order, for Back';
COMMENT ON COLUMN pending.digest IS 'Keyed digest of the command as it was and its arguments: what is run is what was confirmed or approved';
COMMENT ON COLUMN pending.confirmed IS 'The person has confirmed it already';

CREATE TABLE approval (
	pending_id bigint NOT NULL REFERENCES pending ON DELETE CASCADE,
	user_id bigint NOT NULL REFERENCES app_user ON DELETE CASCADE,
	approved_at timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (pending_id, user_id)
);
CREATE INDEX approval_user ON approval (user_id);
COMMENT ON TABLE approval IS 'Who has approved a request that waits for more';
COMMENT ON COLUMN approval.pending_id IS 'The request';
COMMENT ON COLUMN approval.user_id IS 'Who approved it';
COMMENT ON COLUMN approval.approved_at IS 'When';

CREATE TABLE button (
	token text PRIMARY KEY,
	kind text NOT NULL CHECK (kind IN ('run', 'dismiss', 'choice', 'back', 'approve', 'reject', 'cancel')),
	pending_id bigint REFERENCES pending ON DELETE CASCADE,
	task_id bigint,
	value text NOT NULL DEFAULT '',
	telegram_id bigint,
	expires_at timestamptz NOT NULL
);
CREATE INDEX button_pending ON button (pending_id);
CREATE INDEX button_expires ON button (expires_at);
COMMENT ON TABLE button IS 'Inline buttons: what is sent to Telegram is the token alone, what it does stands here';
COMMENT ON COLUMN button.token IS 'Random; Telegram''s callback_data';
COMMENT ON COLUMN button.kind IS 'What a press does; see press()';
COMMENT ON COLUMN button.pending_id IS 'Request it belongs to';
COMMENT ON COLUMN button.task_id IS 'cancel: the task';
COMMENT ON COLUMN button.value IS 'choice: the value';
COMMENT ON COLUMN button.telegram_id IS 'Who may press it; null: whoever has the right to what it does';
COMMENT ON COLUMN button.expires_at IS 'Does nothing from then on';

CREATE TABLE signing_key (
	one boolean PRIMARY KEY DEFAULT true CHECK (one),
	key bytea NOT NULL
);
-- Two random UUIDs are 244 bits of the server's strong random numbers.
INSERT INTO signing_key (key) VALUES (sha256(convert_to(gen_random_uuid()::text || gen_random_uuid()::text, 'UTF8')));
COMMENT ON TABLE signing_key IS 'One row: key of the digests that bind an approval to what was approved';
COMMENT ON COLUMN signing_key.one IS 'Always true: there is one row';
COMMENT ON COLUMN signing_key.key IS 'Random, made when the database was';

INSERT INTO chore (name) VALUES ('pending');

DROP FUNCTION catalogue();
