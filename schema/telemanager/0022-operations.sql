-- What the pages of operations need: an index for each filter of the list of tasks, in the order in which it is shown.

CREATE INDEX task_history_chat ON task_history (chat_id, finished_at DESC);
CREATE INDEX task_history_engine ON task_history (engine_id, finished_at DESC);
-- Most tasks are done: who looks for one that is not would else read all of them.
CREATE INDEX task_history_state_bad ON task_history (state, finished_at DESC) WHERE state <> 'done';
CREATE INDEX task_history_command_bad ON task_history (command_id, finished_at DESC) WHERE state <> 'done';
CREATE INDEX task_history_user_bad ON task_history (user_id, finished_at DESC) WHERE state <> 'done';
CREATE INDEX chat_title ON chat (lower(title));
