-- How the statements inside the functions that every update and every task goes through are planned: once, and along the indexes.
--
-- PL/pgSQL plans a statement anew at each call as long as that looks cheaper, and with arrays as parameters it always does: planning
-- was more than half of what admit() took for a single update. And what the statistics say of these tables is seldom so: task and
-- outbox are empty when autovacuum looks and hold a hundred thousand rows when it matters, so a plan that reads the whole table, made
-- when there was nothing in it, would be kept. jit would compile such a plan for what a forbidden scan of a small table seems to cost.

DO $$
DECLARE
	f regproc;
BEGIN
	FOREACH f IN ARRAY ARRAY['admit', 'engine_step', 'outbox_take', 'outbox_settle']::regproc[] LOOP
		EXECUTE format('ALTER FUNCTION %s SET plan_cache_mode = force_generic_plan', f);
		EXECUTE format('ALTER FUNCTION %s SET enable_seqscan = off', f);
		EXECUTE format('ALTER FUNCTION %s SET jit = off', f);
	END LOOP;
END $$;
