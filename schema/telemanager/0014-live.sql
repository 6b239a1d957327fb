-- Live output: one message that changes while its command runs.

ALTER TABLE outbox DROP CONSTRAINT outbox_op_check;
ALTER TABLE outbox ADD CONSTRAINT outbox_op_check
	CHECK (op IN ('send', 'edit', 'live', 'document', 'answer_callback', 'chat_action', 'set_commands', 'get_file', 'webhook_info'));
ALTER TABLE outbox ADD COLUMN final boolean NOT NULL DEFAULT true;
DROP INDEX outbox_waiting;
CREATE INDEX outbox_waiting ON outbox (id) WHERE taken_by IS NULL AND wanted_version > sent_version;
CREATE INDEX button_task ON button (task_id) WHERE task_id IS NOT NULL;
COMMENT ON COLUMN outbox.final IS 'live: false as long as more may come; the row stays until its final version was sent';
COMMENT ON COLUMN outbox.message_ids IS 'Message ids of the parts sent; live: the one message that is edited';

DROP FUNCTION IF EXISTS engine_step(bigint, bigint, boolean, integer, bigint[], bigint[], integer[], text[], integer[], integer[], text[],
	timestamptz[], timestamptz[], text[], text[], text[], text[], bigint[], boolean[]);
DROP FUNCTION IF EXISTS outbox_take(bigint, bigint[], integer);
