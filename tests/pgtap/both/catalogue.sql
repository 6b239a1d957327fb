-- What holds for every object of a database of TeleOps, whatever it is called. Runs on telemanager and on teleapp.
BEGIN;
SELECT plan(14);

CREATE TEMPORARY VIEW our_table AS
	SELECT c.oid, c.relname, c.relkind FROM pg_class c
	WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm', 'f');
CREATE TEMPORARY VIEW our_function AS SELECT p.* FROM pg_proc p WHERE p.pronamespace = 'public'::regnamespace;
CREATE TEMPORARY VIEW our_type AS
	SELECT t.oid, t.typname, t.typtype, t.typrelid FROM pg_type t LEFT JOIN pg_class c ON c.oid = t.typrelid
	WHERE t.typnamespace = 'public'::regnamespace AND (t.typtype IN ('e', 'd', 'r') OR c.relkind = 'c');

SELECT is_empty($$SELECT relname FROM our_table WHERE obj_description(oid, 'pg_class') IS NULL$$, 'every table and view has a comment');
SELECT is_empty($$SELECT t.relname, a.attname FROM our_table t JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped
	WHERE col_description(t.oid, a.attnum) IS NULL AND NOT EXISTS (SELECT FROM pg_inherits i WHERE i.inhrelid = t.oid)$$,
	'every column has a comment; a partition''s is its parent''s');
SELECT is_empty($$SELECT oid::regprocedure FROM our_function WHERE obj_description(oid, 'pg_proc') IS NULL$$, 'every function has a comment');
SELECT is_empty($$SELECT typname FROM our_type WHERE obj_description(oid, 'pg_type') IS NULL$$, 'every type has a comment');

SELECT is_empty($$SELECT k.conrelid::regclass, k.conname FROM pg_constraint k
	WHERE k.contype = 'f' AND k.connamespace = 'public'::regnamespace AND NOT EXISTS (
		SELECT FROM pg_index i WHERE i.indrelid = k.conrelid AND i.indisvalid
			AND (i.indpred IS NULL OR pg_get_expr(i.indpred, i.indrelid) LIKE '(% IS NOT NULL)')
			AND (i.indkey::smallint[])[0:cardinality(k.conkey) - 1] @> k.conkey)$$, 'every foreign key has an index that begins with its columns');
SELECT is_empty($$SELECT conrelid::regclass, conname FROM pg_constraint WHERE connamespace = 'public'::regnamespace AND NOT convalidated$$,
	'every constraint is validated');
SELECT is_empty($$SELECT indexrelid::regclass FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
	WHERE c.relnamespace = 'public'::regnamespace AND NOT (indisvalid AND indisready)$$, 'every index is valid');
SELECT is_empty($$SELECT relname FROM our_table t WHERE relkind IN ('r', 'p') AND NOT EXISTS (
	SELECT FROM pg_constraint k WHERE k.conrelid = t.oid AND k.contype = 'p')$$, 'every table has a primary key');
SELECT is_empty($$SELECT t.relname, a.attname FROM our_table t JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped
	WHERE a.atttypid IN ('timestamp'::regtype, 'time'::regtype, 'varchar'::regtype, 'bpchar'::regtype, 'json'::regtype)$$,
	'points in time have a zone, texts no length of their type, documents are jsonb');

SELECT is_empty($$SELECT oid::regprocedure, proconfig FROM our_function
	WHERE prosecdef AND NOT coalesce('search_path=public, pg_temp' = ANY (proconfig), false)$$, 'every SECURITY DEFINER function fixes its search_path');
SELECT is_empty($$SELECT proname, array_agg(oid::regprocedure) FROM our_function GROUP BY proname HAVING count(*) > 1$$,
	'no function has two signatures: a changed one would leave its old self behind');
-- Standing files are applied without a look at what is within; here each is looked at.
SET LOCAL check_function_bodies = on;
CREATE FUNCTION pg_temp.trouble(p_function oid) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE pg_get_functiondef(p_function);
	RETURN NULL;
EXCEPTION WHEN OTHERS THEN
	RETURN SQLERRM;
END $$;
SELECT is_empty($$SELECT oid::regprocedure, pg_temp.trouble(oid) FROM our_function WHERE prokind = 'f' AND pg_temp.trouble(oid) IS NOT NULL$$,
	'every function''s body is understood');

SELECT is_empty($$SELECT relname, relowner::regrole FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relowner <> 'teleops_owner'::regrole$$,
	'tables, indexes, views and sequences belong to teleops_owner');
SELECT is_empty($$SELECT oid::regprocedure, proowner::regrole FROM our_function WHERE proowner <> 'teleops_owner'::regrole$$,
	'functions belong to teleops_owner');
SELECT * FROM finish();
ROLLBACK;
