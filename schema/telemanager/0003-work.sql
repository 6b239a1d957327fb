-- Work: engines, the hot table of tasks, and their history. Nothing has a foreign key to task: rows leave it at once.

CREATE TABLE engine (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	name text NOT NULL UNIQUE CHECK (name ~ '^[A-Za-z0-9._-]{1,64}$'),
	epoch bigint NOT NULL DEFAULT 0,
	boot text NOT NULL DEFAULT '',
	pid integer NOT NULL DEFAULT 0,
	queues text[] NOT NULL DEFAULT '{}',
	slots integer NOT NULL DEFAULT 0,
	programs text[] NOT NULL DEFAULT '{}',
	started_at timestamptz,
	lease_until timestamptz NOT NULL DEFAULT '-infinity',
	stopped_at timestamptz
) WITH (fillfactor = 50);
COMMENT ON TABLE engine IS 'Engines and their leases';
COMMENT ON COLUMN engine.id IS 'Key';
COMMENT ON COLUMN engine.name IS 'Name, unique; one process at a time holds it';
COMMENT ON COLUMN engine.epoch IS 'Grows each time the name is taken and when a lease expires: part of the fencing token';
COMMENT ON COLUMN engine.boot IS 'Boot id of its host: on the same host a lock file proves that the old process is gone';
COMMENT ON COLUMN engine.pid IS 'Process id there';
COMMENT ON COLUMN engine.queues IS 'Queues it serves';
COMMENT ON COLUMN engine.slots IS 'Tasks it runs at once';
COMMENT ON COLUMN engine.programs IS 'What its exec_dir offers';
COMMENT ON COLUMN engine.started_at IS 'When the process started';
COMMENT ON COLUMN engine.lease_until IS 'Alive until then, by this database''s clock';
COMMENT ON COLUMN engine.stopped_at IS 'When it stopped in good order; null: it runs or died';

CREATE TABLE task (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	state text NOT NULL DEFAULT 'queued' CHECK (state IN ('queued', 'claimed', 'running', 'cancelling')),
	parked boolean NOT NULL DEFAULT false,
	priority smallint NOT NULL DEFAULT 0,
	attempt integer NOT NULL DEFAULT 0,
	queue text NOT NULL,
	turn_at timestamptz NOT NULL DEFAULT now(),
	not_before timestamptz NOT NULL DEFAULT '-infinity',
	engine_id bigint,
	epoch bigint,
	command_id bigint NOT NULL,
	user_id bigint NOT NULL,
	telegram_id bigint NOT NULL,
	chat_id bigint NOT NULL,
	thread_id bigint,
	message_id bigint,
	update_id bigint,
	args jsonb NOT NULL DEFAULT '{}',
	line text NOT NULL DEFAULT '',
	admitted_at timestamptz NOT NULL DEFAULT now(),
	claimed_at timestamptz,
	started_at timestamptz,
	CHECK ((state = 'queued') = (engine_id IS NULL)),
	CHECK ((engine_id IS NULL) = (epoch IS NULL))
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000,
	autovacuum_vacuum_cost_delay = 0, autovacuum_analyze_scale_factor = 0.2);
CREATE INDEX task_claim ON task (queue, priority, turn_at, id) WHERE state = 'queued' AND NOT parked;
CREATE INDEX task_engine ON task (engine_id) WHERE engine_id IS NOT NULL;
CREATE INDEX task_turn ON task (user_id, queue);
CREATE INDEX task_order ON task (chat_id, command_id, id);
COMMENT ON TABLE task IS 'Work that is not finished; small and hot, finished work leaves it for task_history';
COMMENT ON COLUMN task.id IS 'Number of the task, as people see it';
COMMENT ON COLUMN task.state IS 'queued, claimed by an engine, running (its start was seen), cancelling';
COMMENT ON COLUMN task.parked IS 'Waits for another (an ordered command''s turn, a limit): outside the claim''s index';
COMMENT ON COLUMN task.priority IS 'Lower is claimed first';
COMMENT ON COLUMN task.attempt IS 'How often it was claimed: part of the fencing token';
COMMENT ON COLUMN task.queue IS 'Queue it waits in';
COMMENT ON COLUMN task.turn_at IS 'Admission plus a second for each unfinished task of the same person in the queue';
COMMENT ON COLUMN task.not_before IS 'Not claimed earlier: backoff of a second attempt';
COMMENT ON COLUMN task.engine_id IS 'Engine that holds it';
COMMENT ON COLUMN task.epoch IS 'Epoch of that engine: part of the fencing token';
COMMENT ON COLUMN task.command_id IS 'What runs';
COMMENT ON COLUMN task.user_id IS 'For whom';
COMMENT ON COLUMN task.telegram_id IS 'Telegram account that asked';
COMMENT ON COLUMN task.chat_id IS 'Where the answer goes';
COMMENT ON COLUMN task.thread_id IS 'Topic the answer goes to';
COMMENT ON COLUMN task.message_id IS 'Message that asked';
COMMENT ON COLUMN task.update_id IS 'Update that asked: the correlation id in all logs';
COMMENT ON COLUMN task.args IS 'Checked arguments by parameter name, all as text';
COMMENT ON COLUMN task.line IS 'Command line as typed, secrets masked';
COMMENT ON COLUMN task.admitted_at IS 'When it was admitted';
COMMENT ON COLUMN task.claimed_at IS 'When an engine took it';
COMMENT ON COLUMN task.started_at IS 'When it was seen running';

CREATE TABLE task_transition (
	from_state text NOT NULL,
	to_state text NOT NULL,
	PRIMARY KEY (from_state, to_state)
);
INSERT INTO task_transition VALUES
	('queued', 'claimed'), ('queued', 'cancelled'), ('queued', 'refused'), ('queued', 'expired'),
	('claimed', 'running'), ('claimed', 'queued'), ('claimed', 'cancelling'), ('claimed', 'done'), ('claimed', 'failed'),
	('claimed', 'timeout'), ('claimed', 'lost'), ('claimed', 'refused'),
	('running', 'queued'), ('running', 'cancelling'), ('running', 'done'), ('running', 'failed'), ('running', 'timeout'), ('running', 'lost'),
	('cancelling', 'cancelled'), ('cancelling', 'done'), ('cancelling', 'failed'), ('cancelling', 'timeout');
COMMENT ON TABLE task_transition IS 'Every change of state a task may make';
COMMENT ON COLUMN task_transition.from_state IS 'From';
COMMENT ON COLUMN task_transition.to_state IS 'To; a final one means the move into task_history';

CREATE FUNCTION task_transition_check() RETURNS trigger
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
	bad text;
BEGIN
	SELECT format('task %s: %s -> %s is not allowed', n.id, o.state, n.state) INTO bad
	FROM old_rows o JOIN new_rows n USING (id)
	WHERE o.state <> n.state
		AND NOT EXISTS (SELECT FROM task_transition t WHERE t.from_state = o.state AND t.to_state = n.state)
	LIMIT 1;
	IF bad IS NOT NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'check_violation', MESSAGE = bad;
	END IF;
	RETURN NULL;
END $$;
COMMENT ON FUNCTION task_transition_check() IS 'Trigger: refuses a change of state that task_transition does not list';
CREATE TRIGGER task_transition_check AFTER UPDATE ON task
	REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
	FOR EACH STATEMENT EXECUTE FUNCTION task_transition_check();

CREATE TABLE pending (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	state text NOT NULL CHECK (state IN ('asking', 'confirming', 'approving', 'fetching')),
	user_id bigint NOT NULL REFERENCES app_user ON DELETE CASCADE,
	telegram_id bigint NOT NULL,
	chat_id bigint NOT NULL,
	thread_id bigint NOT NULL DEFAULT 0,
	command_id bigint NOT NULL REFERENCES command ON DELETE CASCADE,
	args jsonb NOT NULL DEFAULT '{}',
	line text NOT NULL DEFAULT '',
	asked text NOT NULL DEFAULT '',
	created_at timestamptz NOT NULL DEFAULT now(),
	expires_at timestamptz NOT NULL
);
CREATE UNIQUE INDEX pending_asking ON pending (telegram_id, chat_id, thread_id) WHERE state = 'asking';
CREATE INDEX pending_user ON pending (user_id);
CREATE INDEX pending_command ON pending (command_id);
CREATE INDEX pending_expires ON pending (expires_at);
COMMENT ON TABLE pending IS 'Requests that wait for a person: an argument, a confirmation, an approval, a file';
COMMENT ON COLUMN pending.id IS 'Key';
COMMENT ON COLUMN pending.state IS 'What it waits for';
COMMENT ON COLUMN pending.user_id IS 'Who asked';
COMMENT ON COLUMN pending.telegram_id IS 'With which account';
COMMENT ON COLUMN pending.chat_id IS 'Where';
COMMENT ON COLUMN pending.thread_id IS 'In which topic; 0: none';
COMMENT ON COLUMN pending.command_id IS 'What would run';
COMMENT ON COLUMN pending.args IS 'Arguments so far';
COMMENT ON COLUMN pending.line IS 'Command line as typed, secrets masked';
COMMENT ON COLUMN pending.asked IS 'Parameter that was asked for last';
COMMENT ON COLUMN pending.created_at IS 'Since when';
COMMENT ON COLUMN pending.expires_at IS 'Until when';

CREATE TABLE task_history (
	id bigint NOT NULL,
	state text NOT NULL CHECK (state IN ('done', 'failed', 'cancelled', 'timeout', 'lost', 'refused', 'expired')),
	attempt integer NOT NULL,
	queue text NOT NULL,
	engine_id bigint,
	command_id bigint NOT NULL,
	command_name text NOT NULL,
	user_id bigint NOT NULL,
	telegram_id bigint NOT NULL,
	chat_id bigint NOT NULL,
	thread_id bigint,
	message_id bigint,
	update_id bigint,
	args jsonb NOT NULL,
	line text NOT NULL,
	admitted_at timestamptz NOT NULL,
	claimed_at timestamptz,
	started_at timestamptz,
	finished_at timestamptz NOT NULL DEFAULT now(),
	sent_at timestamptz,
	exit_status integer,
	term_signal integer,
	reason text NOT NULL DEFAULT '',
	output_bytes bigint NOT NULL DEFAULT 0,
	output_cut boolean NOT NULL DEFAULT false,
	PRIMARY KEY (id, finished_at)
) PARTITION BY RANGE (finished_at);
CREATE TABLE task_history_default PARTITION OF task_history DEFAULT;
CREATE INDEX task_history_finished ON task_history (finished_at DESC, id DESC);
CREATE INDEX task_history_user ON task_history (user_id, finished_at DESC);
CREATE INDEX task_history_command ON task_history (command_id, finished_at DESC);
COMMENT ON TABLE task_history IS 'Finished tasks, a partition a month';
COMMENT ON TABLE task_history_default IS 'Catches what no month holds; a row here is an alarm';
COMMENT ON COLUMN task_history.id IS 'Number of the task';
COMMENT ON COLUMN task_history.state IS 'How it ended';
COMMENT ON COLUMN task_history.attempt IS 'How often it was claimed';
COMMENT ON COLUMN task_history.queue IS 'Queue it waited in';
COMMENT ON COLUMN task_history.engine_id IS 'Engine that ran it last';
COMMENT ON COLUMN task_history.command_id IS 'What ran';
COMMENT ON COLUMN task_history.command_name IS 'Its name then: the command may be gone';
COMMENT ON COLUMN task_history.user_id IS 'For whom';
COMMENT ON COLUMN task_history.telegram_id IS 'Telegram account that asked';
COMMENT ON COLUMN task_history.chat_id IS 'Where the answer went';
COMMENT ON COLUMN task_history.thread_id IS 'Topic the answer went to';
COMMENT ON COLUMN task_history.message_id IS 'Message that asked';
COMMENT ON COLUMN task_history.update_id IS 'Update that asked';
COMMENT ON COLUMN task_history.args IS 'Arguments, secrets masked';
COMMENT ON COLUMN task_history.line IS 'Command line as typed, secrets masked';
COMMENT ON COLUMN task_history.admitted_at IS 'When it was admitted';
COMMENT ON COLUMN task_history.claimed_at IS 'When an engine took it';
COMMENT ON COLUMN task_history.started_at IS 'When it started';
COMMENT ON COLUMN task_history.finished_at IS 'When it ended';
COMMENT ON COLUMN task_history.sent_at IS 'When its answer had been sent';
COMMENT ON COLUMN task_history.exit_status IS 'Exit status, where it exited';
COMMENT ON COLUMN task_history.term_signal IS 'Signal, where one ended it';
COMMENT ON COLUMN task_history.reason IS 'Why, where the state alone does not say';
COMMENT ON COLUMN task_history.output_bytes IS 'Bytes it printed';
COMMENT ON COLUMN task_history.output_cut IS 'Not all of them were kept';

CREATE TABLE task_output (
	task_id bigint NOT NULL,
	part integer NOT NULL DEFAULT 0,
	body text NOT NULL,
	created_at timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (task_id, part)
);
COMMENT ON TABLE task_output IS 'What commands printed';
COMMENT ON COLUMN task_output.task_id IS 'The task';
COMMENT ON COLUMN task_output.part IS 'Order of the parts';
COMMENT ON COLUMN task_output.body IS 'Text, invalid UTF-8 replaced';
COMMENT ON COLUMN task_output.created_at IS 'For retention';

CREATE TABLE schedule (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	name text NOT NULL UNIQUE,
	command_id bigint NOT NULL REFERENCES command ON DELETE CASCADE,
	user_id bigint NOT NULL REFERENCES app_user ON DELETE CASCADE,
	chat_id bigint NOT NULL,
	thread_id bigint,
	line text NOT NULL DEFAULT '',
	cron text NOT NULL,
	timezone text NOT NULL DEFAULT 'UTC',
	missed text NOT NULL DEFAULT 'skip' CHECK (missed IN ('skip', 'once', 'all')),
	enabled boolean NOT NULL DEFAULT true,
	next_at timestamptz,
	version integer NOT NULL DEFAULT 1
);
CREATE INDEX schedule_command ON schedule (command_id);
CREATE INDEX schedule_user ON schedule (user_id);
CREATE INDEX schedule_next ON schedule (next_at) WHERE enabled;
COMMENT ON TABLE schedule IS 'Commands that run by the clock';
COMMENT ON COLUMN schedule.id IS 'Key';
COMMENT ON COLUMN schedule.name IS 'Name, unique';
COMMENT ON COLUMN schedule.command_id IS 'What';
COMMENT ON COLUMN schedule.user_id IS 'As whom';
COMMENT ON COLUMN schedule.chat_id IS 'Where the answer goes';
COMMENT ON COLUMN schedule.thread_id IS 'In which topic';
COMMENT ON COLUMN schedule.line IS 'Command line';
COMMENT ON COLUMN schedule.cron IS 'Five fields';
COMMENT ON COLUMN schedule.timezone IS 'Zone the fields are read in';
COMMENT ON COLUMN schedule.missed IS 'What becomes of runs that were missed';
COMMENT ON COLUMN schedule.enabled IS 'False: rests';
COMMENT ON COLUMN schedule.next_at IS 'Next due time';
COMMENT ON COLUMN schedule.version IS 'Grows with each change: optimistic locking';

CREATE FUNCTION partitions_ahead(p_months integer DEFAULT 3) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET timezone = 'UTC' AS $$
DECLARE
	m date;
	made integer := 0;
	part text;
BEGIN
	-- Two janitors at once would both find the month missing.
	PERFORM pg_advisory_xact_lock(hashtext('teleops.partitions'));
	FOR i IN 0 .. p_months LOOP
		m := (date_trunc('month', now()) + i * interval '1 month')::date;
		part := 'task_history_' || to_char(m, 'YYYY_MM');
		CONTINUE WHEN to_regclass(part) IS NOT NULL;
		EXECUTE format('CREATE TABLE %I PARTITION OF task_history FOR VALUES FROM (%L) TO (%L)',
			part, m::timestamptz, (m + interval '1 month')::timestamptz);
		EXECUTE format('COMMENT ON TABLE %I IS %L', part, 'Finished tasks of ' || to_char(m, 'YYYY-MM'));
		made := made + 1;
	END LOOP;
	RETURN made;
END $$;
COMMENT ON FUNCTION partitions_ahead(integer) IS 'Makes the partitions of task_history for this month and the next ones';
DO $$ BEGIN PERFORM partitions_ahead(); END $$;
