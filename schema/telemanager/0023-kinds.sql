-- Commands of kind sql and http: what they ask, and of which connection.

-- IF EXISTS: in a new database the standing files come after all of these.
DROP FUNCTION IF EXISTS engine_step(bigint, bigint, boolean, integer, bigint[], bigint[], text[], text[], bigint[], integer[], text[], integer[],
	integer[], text[], timestamptz[], timestamptz[], text[], text[], text[], text[], bigint[], boolean[]);

ALTER TABLE command
	ADD COLUMN connection text NOT NULL DEFAULT '' CHECK (connection ~ '^([a-z][a-z0-9_-]{0,31})?$'),
	ADD COLUMN statement text NOT NULL DEFAULT '',
	ADD COLUMN writes boolean NOT NULL DEFAULT false,
	ADD COLUMN row_limit integer NOT NULL DEFAULT 1000 CHECK (row_limit BETWEEN 1 AND 100000),
	ADD COLUMN method text NOT NULL DEFAULT 'GET' CHECK (method IN ('GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE')),
	ADD COLUMN path text NOT NULL DEFAULT '' CHECK (path ~ '^(/[^\s#]*)?$'),
	ADD COLUMN headers jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(headers) = 'object'),
	ADD COLUMN body jsonb,
	ADD COLUMN expect integer[] NOT NULL DEFAULT '{}' CHECK (100 <= ALL (expect) AND 599 >= ALL (expect)),
	ADD COLUMN pointer text NOT NULL DEFAULT '' CHECK (pointer ~ '^(/.*)?$'),
	-- What an engine could not carry out is not stored as something that can be run.
	ADD CONSTRAINT command_sql CHECK (kind <> 'sql' OR connection <> '' AND statement <> '' OR NOT enabled),
	ADD CONSTRAINT command_http CHECK (kind <> 'http' OR connection <> '' AND path <> '' OR NOT enabled);
COMMENT ON COLUMN command.connection IS 'sql, http: name of the file in the engine''s connection_dir that says where to';
COMMENT ON COLUMN command.statement IS 'sql: one statement, {parameter} for each bound value';
COMMENT ON COLUMN command.writes IS 'sql: as the connection''s writer; false: read-only, as its reader';
COMMENT ON COLUMN command.row_limit IS 'sql: rows shown at most';
COMMENT ON COLUMN command.method IS 'http: method of the request';
COMMENT ON COLUMN command.path IS 'http: what follows the connection''s url, {parameter} URL-encoded';
COMMENT ON COLUMN command.headers IS 'http: headers by name, {parameter} replaced';
COMMENT ON COLUMN command.body IS 'http: body as JSON, {parameter} replaced within its texts; null: none';
COMMENT ON COLUMN command.expect IS 'http: statuses that are a success; empty: 200 to 299';
COMMENT ON COLUMN command.pointer IS 'http: JSON Pointer to the part of the answer that is shown; empty: all of it';
COMMENT ON COLUMN command.kind IS 'exec: a program; text: an answer from the template; sql: a statement on a database; http: a request';

DROP TRIGGER command_sound ON command;
CREATE CONSTRAINT TRIGGER command_sound AFTER INSERT OR UPDATE OF kind, args, template, path, dangerous, approvals ON command
	DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION command_sound();
