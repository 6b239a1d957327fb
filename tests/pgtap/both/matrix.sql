-- Who may touch what: the catalogue against matrix.txt, object by object. Runs on telemanager and on teleapp.
BEGIN;
\set decided `cat matrix.txt`

CREATE TEMPORARY TABLE decision AS
	SELECT n AS line, w[1] AS db, w[2] AS kind, w[3] AS name, array_to_string(w[4:], ' ') AS who
	FROM regexp_split_to_table(:'decided', E'\n') WITH ORDINALITY AS t (text, n),
		regexp_split_to_array(regexp_replace(text, '\s*(#.*)?$', ''), '\s+') AS w
	WHERE w[1] <> '';

-- PUBLIC counts as a role; what everyone may is not repeated for each. Owner and superusers may everything and have no column here.
CREATE TEMPORARY TABLE player AS
	SELECT 0 AS turn, 'public' AS grantee, 'PUBLIC' AS name
	UNION ALL SELECT row_number() OVER (ORDER BY rolname), rolname, rolname FROM pg_roles
	WHERE rolname !~ '^pg_' AND NOT rolsuper AND rolname <> 'teleops_owner';

CREATE FUNCTION pg_temp.column_rights(p_table oid, p_column integer, p_grantee text) RETURNS text[] LANGUAGE sql AS $$
	SELECT array_agg(lower(r) ORDER BY n) FROM unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'REFERENCES']) WITH ORDINALITY AS x (r, n)
	WHERE has_column_privilege(p_grantee, p_table, p_column::smallint, r)
$$;

CREATE FUNCTION pg_temp.rights(p_kind text, p_object oid, p_column integer, p_grantee text) RETURNS text[] LANGUAGE sql AS $$
	SELECT CASE
	WHEN p_kind IN ('table', 'view', 'partition') THEN (SELECT array_agg(lower(r) ORDER BY n)
		FROM unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER']) WITH ORDINALITY AS x (r, n)
		WHERE has_table_privilege(p_grantee, p_object, r))
	WHEN p_kind = 'column' THEN pg_temp.column_rights(p_object, p_column, p_grantee)
	WHEN p_kind = 'sequence' THEN (SELECT array_agg(lower(r) ORDER BY n) FROM unnest(ARRAY['USAGE', 'SELECT', 'UPDATE']) WITH ORDINALITY AS x (r, n)
		WHERE has_sequence_privilege(p_grantee, p_object, r))
	WHEN p_kind = 'function' THEN CASE WHEN has_function_privilege(p_grantee, p_object, 'EXECUTE') THEN ARRAY['execute'] END
	WHEN p_kind = 'type' THEN CASE WHEN has_type_privilege(p_grantee, p_object, 'USAGE') THEN ARRAY['usage'] END
	WHEN p_kind = 'schema' THEN (SELECT array_agg(lower(r) ORDER BY n) FROM unnest(ARRAY['USAGE', 'CREATE']) WITH ORDINALITY AS x (r, n)
		WHERE has_schema_privilege(p_grantee, p_object, r))
	WHEN p_kind = 'database' THEN (SELECT array_agg(lower(r) ORDER BY n) FROM unnest(ARRAY['CONNECT', 'CREATE', 'TEMPORARY']) WITH ORDINALITY AS x (r, n)
		WHERE has_database_privilege(p_grantee, p_object, r))
	END
$$;

-- Everything that can be granted. A partition is decided with its parent, an identity's sequence with nobody.
CREATE TEMPORARY TABLE thing AS
	SELECT current_database()::text AS db, 'database' AS kind, '-' AS name, oid, 0 AS col FROM pg_database WHERE datname = current_database()
	UNION ALL SELECT current_database(), 'schema', nspname, oid, 0 FROM pg_namespace
		WHERE nspname !~ '^pg_' AND nspname NOT IN ('information_schema', 'tap')
	UNION ALL SELECT current_database(), 'function', proname, oid, 0 FROM pg_proc WHERE pronamespace = 'public'::regnamespace
	UNION ALL SELECT current_database(), CASE WHEN relispartition THEN 'partition' WHEN relkind IN ('v', 'm') THEN 'view' WHEN relkind = 'S' THEN 'sequence'
			ELSE 'table' END, CASE WHEN relispartition THEN (SELECT inhparent::regclass::text FROM pg_inherits WHERE inhrelid = oid) ELSE relname END, oid, 0
		FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
			AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = oid AND d.deptype = 'i' AND relkind = 'S')
	UNION ALL SELECT current_database(), 'type', typname, oid, 0 FROM pg_type t WHERE typnamespace = 'public'::regnamespace
		AND (typtype IN ('e', 'd', 'r') OR (SELECT relkind = 'c' FROM pg_class c WHERE c.oid = t.typrelid));

CREATE TEMPORARY TABLE cell AS SELECT t.*, p.turn, p.name AS player, pg_temp.rights(t.kind, t.oid, t.col, p.grantee) AS may FROM thing t, player p;

-- Columns have lines of their own where they are treated otherwise than their table, or where the file has begun to list them; then all have.
CREATE TEMPORARY TABLE wide_table AS
	SELECT DISTINCT t.oid FROM thing t JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped, player p
	WHERE t.kind IN ('table', 'view', 'partition') AND (EXISTS (SELECT FROM decision d WHERE d.db = t.db AND d.kind = 'column' AND d.name LIKE t.name || '.%')
		OR pg_temp.column_rights(t.oid, a.attnum, p.grantee) IS DISTINCT FROM (SELECT array_agg(r ORDER BY n)
			FROM cell c, unnest(c.may) WITH ORDINALITY AS x (r, n)
			WHERE c.oid = t.oid AND c.kind = t.kind AND c.player = p.name AND r IN ('select', 'insert', 'update', 'references')));
INSERT INTO thing SELECT t.db, 'column', t.name || '.' || a.attname, t.oid, a.attnum
	FROM thing t JOIN wide_table w ON w.oid = t.oid JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped
	WHERE t.kind IN ('table', 'view', 'partition');
INSERT INTO cell SELECT t.*, p.turn, p.name, pg_temp.rights(t.kind, t.oid, t.col, p.grantee) FROM thing t, player p WHERE t.kind = 'column';

CREATE TEMPORARY TABLE found AS
	SELECT c.db, c.kind, c.name, c.oid, coalesce(string_agg(c.player || ':' || array_to_string(c.may, ','), ' ' ORDER BY c.turn)
		FILTER (WHERE c.may IS NOT NULL AND (c.turn = 0 OR c.may IS DISTINCT FROM e.may)), 'nobody') AS who
	FROM cell c JOIN cell e ON e.turn = 0 AND (e.kind, e.oid, e.col) = (c.kind, c.oid, c.col)
	GROUP BY c.db, c.kind, c.name, c.oid, c.col;
-- Roles are the whole cluster's, and told once.
INSERT INTO found SELECT 'cluster', 'role', rolname, oid, concat_ws(' ', CASE WHEN rolcanlogin THEN 'login' END, CASE WHEN rolcreatedb THEN 'createdb' END,
		CASE WHEN rolcreaterole THEN 'createrole' END, CASE WHEN rolreplication THEN 'replication' END, CASE WHEN rolbypassrls THEN 'bypassrls' END,
		(SELECT 'member-of:' || string_agg(roleid::regrole::text, ',' ORDER BY 1) FROM pg_auth_members m WHERE m.member = r.oid))
	FROM pg_roles r WHERE rolname !~ '^pg_' AND NOT rolsuper AND current_database() = 'telemanager';

SELECT plan((3 + (SELECT count(*) FROM found) + (SELECT count(*) FROM decision d WHERE d.db IN (SELECT db FROM found)
	AND NOT EXISTS (SELECT FROM found f WHERE (f.db, f.kind, f.name) = (d.db, d.kind, d.name))))::integer);

SELECT is_empty($$SELECT line, db, kind, name FROM decision WHERE db NOT IN ('cluster', 'telemanager', 'teleapp') OR who IS NULL OR who = ''$$,
	'matrix.txt: every line has a database, a kind, a name and a decision');
SELECT is_empty($$SELECT db, kind, name, array_agg(line) FROM decision GROUP BY 1, 2, 3 HAVING count(*) > 1$$, 'matrix.txt: every object is decided once');

SELECT CASE WHEN d.who IS NULL
	THEN fail(format('%s %s %s: nobody has decided who may', f.db, f.kind, f.name)) || E'\n'
		|| diag(format('Add a line to tests/pgtap/matrix.txt; as it is now: %s %s %s %s', f.db, f.kind, f.name, f.who))
	ELSE is(f.who, d.who, format('%s %s %s (matrix.txt:%s)', f.db, f.kind, f.name, d.line)) END
FROM found f LEFT JOIN decision d ON (d.db, d.kind, d.name) = (f.db, f.kind, f.name) ORDER BY f.db, f.kind, f.name, f.oid;

SELECT fail(format('%s %s %s is decided in matrix.txt:%s, but there is none; take the line out', d.db, d.kind, d.name, d.line))
FROM decision d WHERE d.db IN (SELECT db FROM found) AND NOT EXISTS (SELECT FROM found f WHERE (f.db, f.kind, f.name) = (d.db, d.kind, d.name))
ORDER BY d.line;

SELECT is_empty($$SELECT s.oid::regclass, p.name FROM pg_class s, player p WHERE s.relkind = 'S' AND s.relnamespace = 'public'::regnamespace
	AND s.oid NOT IN (SELECT oid FROM thing WHERE kind = 'sequence') AND has_sequence_privilege(p.grantee, s.oid, 'USAGE, SELECT, UPDATE')$$,
	'nobody reaches an identity''s sequence but through its table');
SELECT * FROM finish();
ROLLBACK;
