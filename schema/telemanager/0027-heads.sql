-- What is noted ahead, so that nobody has to look far: the certificate at the webhook's address, and the heads of outputs.

ALTER TABLE bot_status ADD COLUMN certificate jsonb, ADD COLUMN certificate_at timestamptz;
COMMENT ON COLUMN bot_status.certificate IS 'What was seen of the certificate at the webhook''s address: url, and expires (seconds since 1970) or error';
COMMENT ON COLUMN bot_status.certificate_at IS 'When that was';

-- What parts of a task with a target printed, so that gathering need not read all of it again.
ALTER TABLE task_output ADD COLUMN head text, ADD COLUMN digest bytea;
COMMENT ON COLUMN task_output.head IS 'Of a part of a task with a target: so much as a message may show of it';
COMMENT ON COLUMN task_output.digest IS 'Of such a part: the same where the same was printed';
CREATE INDEX task_parent_wave ON task (parent_id, id) WHERE parked = 'wave';
CREATE INDEX task_history_parent_bad ON task_history (parent_id) WHERE parent_id IS NOT NULL AND state <> 'done';
-- IF EXISTS: in a new database the standing files come after all of these.
DROP FUNCTION IF EXISTS hosts_of(bigint);
DROP FUNCTION IF EXISTS hosts_text(bigint, text);
