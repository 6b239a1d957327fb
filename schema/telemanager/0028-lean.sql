-- An engine looks for what is to be ended at every step: among its own tasks it would find those that are over as well, as long as another
-- session's snapshot keeps them.
CREATE INDEX task_cancelling ON task (engine_id) WHERE state = 'cancelling';

-- audit_event_time answers for times too, and every event pays for an index.
DROP INDEX audit_event_at;
