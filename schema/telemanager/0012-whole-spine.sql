-- What an operator needs around the spine: limits, cancelling, documents, edits, floods, seals.

-- Why a task waits outside the claim's index.
DROP INDEX task_claim;
ALTER TABLE task ALTER COLUMN parked DROP DEFAULT;
ALTER TABLE task ALTER COLUMN parked TYPE text USING CASE WHEN parked THEN 'turn' ELSE '' END;
ALTER TABLE task ALTER COLUMN parked SET DEFAULT '';
ALTER TABLE task ADD CONSTRAINT task_parked_check CHECK (parked IN ('', 'turn', 'limit'));
ALTER TABLE task ADD COLUMN cancelled_by bigint;
CREATE INDEX task_claim ON task (queue, priority, turn_at, id) WHERE state = 'queued' AND parked = '';
CREATE INDEX task_limit ON task (command_id, priority, turn_at, id) WHERE parked = 'limit';
COMMENT ON COLUMN task.parked IS 'Why it is not to be claimed yet: turn (an earlier one of an ordered command in its chat), limit (its command is saturated); empty: it may be';
COMMENT ON COLUMN task.cancelled_by IS 'Person who asked for its end';

-- A changed limit counts at once: what runs is counted anew, what waited for the old one is looked at again.
CREATE FUNCTION limit_changed() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
	IF TG_TABLE_NAME = 'queue' THEN
		NEW.running := (SELECT count(*) FROM task t WHERE t.engine_id IS NOT NULL AND t.queue = NEW.name);
	ELSE
		NEW.running := (SELECT count(*) FROM task t WHERE t.engine_id IS NOT NULL AND t.command_id = NEW.id);
		UPDATE task SET parked = '' WHERE command_id = NEW.id AND parked = 'limit';
	END IF;
	RETURN NEW;
END $$;
COMMENT ON FUNCTION limit_changed() IS 'Trigger: counts what runs when a limit is set, and lets what waited for the former one be claimed';
CREATE TRIGGER limit_changed BEFORE UPDATE OF concurrency ON command FOR EACH ROW
	WHEN (OLD.concurrency IS DISTINCT FROM NEW.concurrency) EXECUTE FUNCTION limit_changed();
CREATE TRIGGER limit_changed BEFORE UPDATE OF concurrency ON queue FOR EACH ROW
	WHEN (OLD.concurrency IS DISTINCT FROM NEW.concurrency) EXECUTE FUNCTION limit_changed();

ALTER TABLE role ADD COLUMN manages_tasks boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN role.manages_tasks IS 'Sees and cancels other people''s tasks in chat';

-- Unlogged: it need not outlive a crash, and must cost nothing.
CREATE UNLOGGED TABLE person_pace (
	telegram_id bigint PRIMARY KEY,
	since timestamptz NOT NULL DEFAULT now(),
	messages integer NOT NULL DEFAULT 1,
	warned boolean NOT NULL DEFAULT false
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.5);
COMMENT ON TABLE person_pace IS 'How fast each person writes: messages within ten seconds, for person_rate';
COMMENT ON COLUMN person_pace.telegram_id IS 'Who';
COMMENT ON COLUMN person_pace.since IS 'When these ten seconds began';
COMMENT ON COLUMN person_pace.messages IS 'Messages since then';
COMMENT ON COLUMN person_pace.warned IS 'Was told before that it is too much, in these ten seconds or in those just before';

CREATE TABLE outbox_document (
	outbox_id bigint PRIMARY KEY,
	name text NOT NULL,
	body bytea NOT NULL
);
COMMENT ON TABLE outbox_document IS 'Files that operations of the outbox send; one goes with its row, and stays with a dead one';
COMMENT ON COLUMN outbox_document.outbox_id IS 'Row of outbox, or of outbox_dead';
COMMENT ON COLUMN outbox_document.name IS 'File name that the chat shows';
COMMENT ON COLUMN outbox_document.body IS 'Contents';

COMMENT ON COLUMN outbox.wanted_version IS 'Grows each time the row is overwritten while it waits (coalesce_key)';
COMMENT ON COLUMN outbox.sent_version IS 'Version that was sent last; a row whose wanted version is newer goes out again';
COMMENT ON COLUMN outbox.params IS 'What else the operation needs, by Bot API names; edit: message_id';

ALTER TABLE audit_seal ADD COLUMN from_xid xid8 NOT NULL DEFAULT '0', ADD COLUMN to_xid xid8 NOT NULL DEFAULT '0';
ALTER TABLE audit_seal ALTER COLUMN from_xid DROP DEFAULT, ALTER COLUMN to_xid DROP DEFAULT;
CREATE INDEX audit_event_xid ON audit_event (xid, id);
COMMENT ON COLUMN audit_seal.from_xid IS 'Sealed are the events of all transactions from this one';
COMMENT ON COLUMN audit_seal.to_xid IS 'up to, and without, this one';

CREATE INDEX task_output_created ON task_output USING brin (created_at);
CREATE INDEX update_rejected_at ON update_rejected (rejected_at);

-- An answer to a message: a text, or a document with a text beside it.
CREATE TYPE chat_answer AS (body text, entities jsonb, document text, document_name text);
COMMENT ON TYPE chat_answer IS 'What is answered in a chat: plain text with entities, and a document where it is long';

-- Functions whose parameters or results are others now; the standing files make them anew.
DROP FUNCTION admit(bigint, boolean, bigint[], bigint[], text[], text[], text[], text[], bigint[], text[], text[], bigint[], bigint[], text[], bigint[], text[], text[], text[], text[]);
DROP FUNCTION admission_reply(admission);
DROP FUNCTION engine_step(bigint, bigint, boolean, integer, bigint[], bigint[], integer[], text[], integer[], integer[], text[],
	timestamptz[], timestamptz[], text[], text[], text[], bigint[], boolean[]);
DROP FUNCTION task_close(bigint[], text, text, text);
DROP FUNCTION outbox_take(bigint, bigint[], integer);
DROP FUNCTION outbox_settle(bigint, bigint[], text[], integer[], bigint[], text[]);
DROP FUNCTION janitor(bigint);

CREATE TABLE chore (
	name text PRIMARY KEY,
	done_at timestamptz NOT NULL DEFAULT '-infinity'
) WITH (fillfactor = 50);
INSERT INTO chore (name) VALUES ('seal'), ('limits'), ('retention'), ('partitions');
COMMENT ON TABLE chore IS 'Periodic work, so that of many engines one does it when it is due';
COMMENT ON COLUMN chore.name IS 'Which; see janitor()';
COMMENT ON COLUMN chore.done_at IS 'When it was begun last';
