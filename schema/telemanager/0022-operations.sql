-- What the pages of operations need: an index for each filter of the list of tasks, in the order in which it is shown.

CREATE INDEX task_history_chat ON task_history (chat_id, finished_at DESC);
CREATE INDEX task_history_engine ON task_history (engine_id, finished_at DESC);
-- Most tasks are done: who looks for one that is not would else read all of them.
CREATE INDEX task_history_state_bad ON task_history (state, finished_at DESC) WHERE state <> 'done';
CREATE INDEX task_history_command_bad ON task_history (command_id, finished_at DESC) WHERE state <> 'done';
CREATE INDEX task_history_user_bad ON task_history (user_id, finished_at DESC) WHERE state <> 'done';
CREATE INDEX chat_title ON chat (lower(title));
CREATE INDEX chat_words ON chat USING gin ((' ' || lower(title)) extension.gin_trgm_ops);
CREATE INDEX chat_created ON chat (created_at, chat_id);

-- The record is shown by time. What is written all day long is left out of the indexes for who did what: nobody looks for it there.
CREATE INDEX audit_event_time ON audit_event (at DESC, id DESC);
CREATE INDEX audit_event_action_rare ON audit_event (action, at DESC, id DESC) WHERE action NOT IN ('admitted', 'done');
CREATE INDEX audit_event_actor_rare ON audit_event (actor, at DESC, id DESC) WHERE actor NOT IN ('bot', 'engine');

-- Charts: what finished, counted once a quarter of an hour, so that a look costs the same on a busy day.
CREATE TABLE task_slot (
	at timestamptz NOT NULL,
	what text NOT NULL CHECK (what IN ('state', 'took', 'command', 'bad')),
	key text NOT NULL,
	tasks bigint NOT NULL,
	PRIMARY KEY (at, what, key)
);
COMMENT ON TABLE task_slot IS 'How many tasks finished in each quarter of an hour, for a week; what is younger than the last one is counted when it is looked at';
COMMENT ON COLUMN task_slot.at IS 'Begin of the quarter of an hour';
COMMENT ON COLUMN task_slot.what IS 'What is counted by: state; took, a bound of the time from asking to the end; command; bad, a command of which it failed';
COMMENT ON COLUMN task_slot.key IS 'The state, the number of the bound, or the command''s name then';
COMMENT ON COLUMN task_slot.tasks IS 'How many';
INSERT INTO chore (name) VALUES ('slots');

-- Pausing: engines claim nothing, or nothing of a queue; what runs goes on to its end.
ALTER TABLE engine ADD COLUMN paused_at timestamptz;
COMMENT ON COLUMN engine.paused_at IS 'Since when it is to claim nothing; null: it works. Outlives its process';
ALTER TABLE queue ADD COLUMN paused_at timestamptz, ADD COLUMN version integer NOT NULL DEFAULT 1;
COMMENT ON COLUMN queue.paused_at IS 'Since when nothing of it is claimed; null: it is served';
COMMENT ON COLUMN queue.version IS 'Grows with each change: optimistic locking';

CREATE TABLE setting (
	name text PRIMARY KEY,
	value integer NOT NULL,
	version integer NOT NULL DEFAULT 1,
	changed_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE setting IS 'Settings that hold for the whole of TeleOps, where they differ from what setting_about() has';
COMMENT ON COLUMN setting.name IS 'Name, see setting_about()';
COMMENT ON COLUMN setting.value IS 'Value, within the limits there';
COMMENT ON COLUMN setting.version IS 'Grows with each change: optimistic locking';
COMMENT ON COLUMN setting.changed_at IS 'When it was changed last';
