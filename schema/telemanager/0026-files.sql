-- Files: documents that come with a command, and what commands leave in their results directory. Both lie here in chunks, for hours.

-- IF EXISTS: in a new database the standing files come after all of these.
DROP FUNCTION IF EXISTS outbox_file(bigint, bigint);

ALTER TABLE command_parameter DROP CONSTRAINT command_parameter_type_check, ADD CONSTRAINT command_parameter_type_check
	CHECK (type IN ('text', 'integer', 'number', 'boolean', 'choice', 'duration', 'date', 'pattern', 'user', 'target', 'file')),
	ADD CONSTRAINT command_parameter_file CHECK (type <> 'file' OR (default_value IS NULL AND minimum IS NULL
		AND (maximum IS NULL OR maximum ~ '^[1-9][0-9]{0,8}$')));
COMMENT ON COLUMN command_parameter.maximum IS 'Greatest value, length, or size of a file in bytes, as declared';

CREATE TABLE file (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	name text NOT NULL CHECK (name ~ '^[^/[:cntrl:]]{1,200}$' AND name NOT IN ('.', '..')),
	size bigint NOT NULL DEFAULT 0 CHECK (size >= 0),
	complete boolean NOT NULL DEFAULT false,
	pending_id bigint REFERENCES pending ON DELETE SET NULL,
	task_id bigint,
	attempt integer,
	number integer,
	created_at timestamptz NOT NULL DEFAULT now(),
	UNIQUE (task_id, attempt, number),
	CONSTRAINT file_of CHECK (num_nulls(task_id, attempt, number) IN (0, 3) AND (task_id IS NULL OR pending_id IS NULL))
);
CREATE INDEX file_pending ON file (pending_id) WHERE pending_id IS NOT NULL;
CREATE INDEX file_created ON file (created_at);
COMMENT ON TABLE file IS 'Files on their way: from a chat to a command, or from a command to a chat; kept for the setting file_hours';
COMMENT ON COLUMN file.id IS 'Key';
COMMENT ON COLUMN file.name IS 'Base name, as it can stand in a directory';
COMMENT ON COLUMN file.size IS 'Bytes that are there';
COMMENT ON COLUMN file.complete IS 'All of it is';
COMMENT ON COLUMN file.pending_id IS 'Request that waits for it, or waited last; null: none, or a result';
COMMENT ON COLUMN file.task_id IS 'Result: of which task; null: it came with a command';
COMMENT ON COLUMN file.attempt IS 'Result: of which attempt, part of the fencing token';
COMMENT ON COLUMN file.number IS 'Result: its place among them, from 1';
COMMENT ON COLUMN file.created_at IS 'For retention';

CREATE TABLE file_chunk (
	file_id bigint NOT NULL REFERENCES file ON DELETE CASCADE,
	part integer NOT NULL CHECK (part >= 0),
	body bytea NOT NULL CHECK (octet_length(body) <= 1048576),
	PRIMARY KEY (file_id, part)
);
ALTER TABLE file_chunk ALTER COLUMN body SET STORAGE EXTERNAL;
COMMENT ON TABLE file_chunk IS 'What files hold, in parts: nobody has to hold a whole one';
COMMENT ON COLUMN file_chunk.file_id IS 'The file';
COMMENT ON COLUMN file_chunk.part IS 'Place, from 0';
COMMENT ON COLUMN file_chunk.body IS 'Bytes';

ALTER TABLE outbox_document ADD COLUMN file_id bigint REFERENCES file ON DELETE CASCADE;
CREATE INDEX outbox_document_file ON outbox_document (file_id) WHERE file_id IS NOT NULL;
COMMENT ON COLUMN outbox_document.file_id IS 'File that holds the contents; null: body does';

INSERT INTO chore (name) VALUES ('files');
