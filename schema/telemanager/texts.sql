-- What the bot says by itself: one table, so that another language is rows and not code. Brought up to date as a whole.
INSERT INTO message_text AS m (name, body) VALUES
('start', 'Hello {name}. I run commands for you. Send /help to see which.'),
('stranger', 'I do not know you yet, so I cannot do anything for you. Your Telegram id is {telegram_id}. An administrator has been told; give them this number.'),
('disabled', 'Your access is switched off. Ask an administrator.'),
('refused', 'You may not run /{command}. Ask an administrator for a role that allows it.'),
('refused_value', 'You may not run /{command} with these arguments. Ask an administrator for a role that allows it.'),
('unknown', 'I do not know /{command}. Send /help to see what you may run.'),
('unknown_near', 'I do not know /{command}. Did you mean /{near}?'),
('invite_unknown', 'This invitation is not valid (any more). Ask for a new one.'),
('help_none', 'You may not run any command yet. Ask an administrator for a role.'),
('help_head', 'You may run:'),
('help_foot', 'Send /help NAME for more about one of them. Also: /whoami /id'),
('whoami', E'{name} ({login})\nTelegram id: {telegram_id}\nRoles: {roles}'),
('id', E'Your Telegram id: {telegram_id}\nThis chat: {chat_id}{topic}'),
('id_topic', E'\nThis topic: {thread_id}'),
('plain', 'I act on commands. Send /help to see which.'),
('button_old', 'This button no longer does anything.'),
('lost', E'Task {task} was lost: its engine went away while it was under way, so it may or may not have run. Check before you send it again:\n{line}'),
('late', E'Task {task}, which I had reported lost, has ended after all ({state}):\n{line}'),
('gone', 'Task {task} was not run: /{command} was removed or switched off meanwhile.')
ON CONFLICT (name) DO UPDATE SET body = excluded.body WHERE m.body <> excluded.body;
