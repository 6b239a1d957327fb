-- People: who may speak to the bot, what they belong to, and who administers.

CREATE TABLE organization (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	name text NOT NULL UNIQUE CHECK (name ~ '^[^[:cntrl:]]{1,64}$'),
	version integer NOT NULL DEFAULT 1,
	created_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE organization IS 'A company or unit that people belong to';
COMMENT ON COLUMN organization.id IS 'Key';
COMMENT ON COLUMN organization.name IS 'Name, unique';
COMMENT ON COLUMN organization.version IS 'Grows with each change: optimistic locking';
COMMENT ON COLUMN organization.created_at IS 'When it was made';

CREATE TABLE user_group (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	name text NOT NULL UNIQUE CHECK (name ~ '^[^[:cntrl:]]{1,64}$'),
	version integer NOT NULL DEFAULT 1,
	created_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE user_group IS 'A team; roles given to it are its members''';
COMMENT ON COLUMN user_group.id IS 'Key';
COMMENT ON COLUMN user_group.name IS 'Name, unique';
COMMENT ON COLUMN user_group.version IS 'Grows with each change: optimistic locking';
COMMENT ON COLUMN user_group.created_at IS 'When it was made';

CREATE TABLE role (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	name text NOT NULL UNIQUE CHECK (name ~ '^[^[:cntrl:]]{1,64}$'),
	description text NOT NULL DEFAULT '',
	version integer NOT NULL DEFAULT 1,
	created_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE role IS 'A set of commands that people may run';
COMMENT ON COLUMN role.id IS 'Key';
COMMENT ON COLUMN role.name IS 'Name, unique';
COMMENT ON COLUMN role.description IS 'What it is for';
COMMENT ON COLUMN role.version IS 'Grows with each change: optimistic locking';
COMMENT ON COLUMN role.created_at IS 'When it was made';

CREATE TABLE app_user (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	login text NOT NULL UNIQUE CHECK (login ~ '^[a-z0-9][a-z0-9._@-]{0,63}$'),
	first_name text NOT NULL DEFAULT '' CHECK (length(first_name) <= 64),
	last_name text NOT NULL DEFAULT '' CHECK (length(last_name) <= 64),
	organization_id bigint REFERENCES organization,
	enabled boolean NOT NULL DEFAULT true,
	locale text NOT NULL DEFAULT 'en',
	timezone text NOT NULL DEFAULT 'UTC',
	password_hash text,
	totp_secret bytea,
	version integer NOT NULL DEFAULT 1,
	created_at timestamptz NOT NULL DEFAULT now(),
	updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX app_user_organization ON app_user (organization_id);
COMMENT ON TABLE app_user IS 'A person; an administrator is a person with a password and permissions';
COMMENT ON COLUMN app_user.id IS 'Key';
COMMENT ON COLUMN app_user.login IS 'Short name, lower case, unique; also the sign-in name of an administrator';
COMMENT ON COLUMN app_user.first_name IS 'First name';
COMMENT ON COLUMN app_user.last_name IS 'Last name';
COMMENT ON COLUMN app_user.organization_id IS 'Where the person belongs';
COMMENT ON COLUMN app_user.enabled IS 'False: runs nothing and signs in nowhere';
COMMENT ON COLUMN app_user.locale IS 'Language of the texts this person gets';
COMMENT ON COLUMN app_user.timezone IS 'Zone in which times are shown';
COMMENT ON COLUMN app_user.password_hash IS 'crypt(3) hash (yescrypt); null: cannot sign in to the pages';
COMMENT ON COLUMN app_user.totp_secret IS 'Second factor, null: none';
COMMENT ON COLUMN app_user.version IS 'Grows with each change: optimistic locking';
COMMENT ON COLUMN app_user.created_at IS 'When it was made';
COMMENT ON COLUMN app_user.updated_at IS 'When it last changed';

CREATE TABLE user_group_member (
	user_id bigint NOT NULL REFERENCES app_user ON DELETE CASCADE,
	group_id bigint NOT NULL REFERENCES user_group ON DELETE CASCADE,
	PRIMARY KEY (user_id, group_id)
);
CREATE INDEX user_group_member_group ON user_group_member (group_id);
COMMENT ON TABLE user_group_member IS 'Who is in which group';
COMMENT ON COLUMN user_group_member.user_id IS 'The person';
COMMENT ON COLUMN user_group_member.group_id IS 'The group';

CREATE TABLE telegram_account (
	telegram_id bigint PRIMARY KEY CHECK (telegram_id > 0),
	user_id bigint NOT NULL REFERENCES app_user ON DELETE CASCADE,
	username text NOT NULL DEFAULT '',
	name text NOT NULL DEFAULT '',
	language text NOT NULL DEFAULT '',
	created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX telegram_account_user ON telegram_account (user_id);
COMMENT ON TABLE telegram_account IS 'A Telegram identity of a person; a person may have several';
COMMENT ON COLUMN telegram_account.telegram_id IS 'Numeric id (52 bits): the identity; names change, it does not';
COMMENT ON COLUMN telegram_account.user_id IS 'Whose it is';
COMMENT ON COLUMN telegram_account.username IS 'Last seen @name, without the @';
COMMENT ON COLUMN telegram_account.name IS 'Last seen display name';
COMMENT ON COLUMN telegram_account.language IS 'Last seen language_code';
COMMENT ON COLUMN telegram_account.created_at IS 'When it was linked';

CREATE TABLE user_role (
	user_id bigint NOT NULL REFERENCES app_user ON DELETE CASCADE,
	role_id bigint NOT NULL REFERENCES role ON DELETE CASCADE,
	PRIMARY KEY (user_id, role_id)
);
CREATE INDEX user_role_role ON user_role (role_id);
COMMENT ON TABLE user_role IS 'Roles given to a person';
COMMENT ON COLUMN user_role.user_id IS 'The person';
COMMENT ON COLUMN user_role.role_id IS 'The role';

CREATE TABLE group_role (
	group_id bigint NOT NULL REFERENCES user_group ON DELETE CASCADE,
	role_id bigint NOT NULL REFERENCES role ON DELETE CASCADE,
	PRIMARY KEY (group_id, role_id)
);
CREATE INDEX group_role_role ON group_role (role_id);
COMMENT ON TABLE group_role IS 'Roles given to every member of a group';
COMMENT ON COLUMN group_role.group_id IS 'The group';
COMMENT ON COLUMN group_role.role_id IS 'The role';

CREATE TABLE admin_permission (
	user_id bigint NOT NULL REFERENCES app_user ON DELETE CASCADE,
	area text NOT NULL CHECK (area IN ('*', 'people', 'commands', 'tasks', 'engines', 'chats', 'outbox', 'audit', 'settings', 'administrators', 'backup')),
	can_change boolean NOT NULL DEFAULT false,
	PRIMARY KEY (user_id, area)
);
COMMENT ON TABLE admin_permission IS 'What an administrator may see and change on the pages; a row means may view';
COMMENT ON COLUMN admin_permission.user_id IS 'The administrator';
COMMENT ON COLUMN admin_permission.area IS 'Part of the pages; * is all of them';
COMMENT ON COLUMN admin_permission.can_change IS 'May change too, not only view';

CREATE TABLE web_session (
	id_hash bytea PRIMARY KEY,
	user_id bigint NOT NULL REFERENCES app_user ON DELETE CASCADE,
	csrf_hash bytea NOT NULL,
	created_at timestamptz NOT NULL DEFAULT now(),
	seen_at timestamptz NOT NULL DEFAULT now(),
	expires_at timestamptz NOT NULL,
	address inet,
	agent text NOT NULL DEFAULT ''
);
CREATE INDEX web_session_user ON web_session (user_id);
COMMENT ON TABLE web_session IS 'Signed-in browsers';
COMMENT ON COLUMN web_session.id_hash IS 'SHA-256 of the cookie; the cookie itself is nowhere';
COMMENT ON COLUMN web_session.user_id IS 'Whose session';
COMMENT ON COLUMN web_session.csrf_hash IS 'SHA-256 of the form token';
COMMENT ON COLUMN web_session.created_at IS 'When it began';
COMMENT ON COLUMN web_session.seen_at IS 'Last request';
COMMENT ON COLUMN web_session.expires_at IS 'Absolute end';
COMMENT ON COLUMN web_session.address IS 'From where';
COMMENT ON COLUMN web_session.agent IS 'Browser, as it says';

CREATE TABLE invite (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	token_hash bytea NOT NULL UNIQUE,
	user_id bigint REFERENCES app_user ON DELETE CASCADE,
	role_id bigint REFERENCES role ON DELETE CASCADE,
	created_by bigint REFERENCES app_user ON DELETE SET NULL,
	created_at timestamptz NOT NULL DEFAULT now(),
	expires_at timestamptz NOT NULL,
	used_at timestamptz,
	used_by bigint
);
CREATE INDEX invite_user ON invite (user_id);
CREATE INDEX invite_role ON invite (role_id);
CREATE INDEX invite_created_by ON invite (created_by);
COMMENT ON TABLE invite IS 'One-time links that turn a Telegram account into a person''s';
COMMENT ON COLUMN invite.id IS 'Key';
COMMENT ON COLUMN invite.token_hash IS 'SHA-256 of the token in the link';
COMMENT ON COLUMN invite.user_id IS 'Person it is for; null: a new one';
COMMENT ON COLUMN invite.role_id IS 'Role given on use';
COMMENT ON COLUMN invite.created_by IS 'Administrator who made it';
COMMENT ON COLUMN invite.created_at IS 'When it was made';
COMMENT ON COLUMN invite.expires_at IS 'Worthless from then on';
COMMENT ON COLUMN invite.used_at IS 'When it was used; null: not yet';
COMMENT ON COLUMN invite.used_by IS 'Telegram id that used it';

CREATE TABLE join_request (
	telegram_id bigint PRIMARY KEY,
	name text NOT NULL DEFAULT '',
	username text NOT NULL DEFAULT '',
	language text NOT NULL DEFAULT '',
	chat_id bigint NOT NULL,
	state text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'approved', 'refused')),
	messages bigint NOT NULL DEFAULT 1,
	first_at timestamptz NOT NULL DEFAULT now(),
	last_at timestamptz NOT NULL DEFAULT now(),
	decided_by bigint REFERENCES app_user ON DELETE SET NULL,
	decided_at timestamptz
);
CREATE INDEX join_request_state ON join_request (state, last_at);
CREATE INDEX join_request_decided_by ON join_request (decided_by);
COMMENT ON TABLE join_request IS 'Strangers who wrote to the bot; each was answered once';
COMMENT ON COLUMN join_request.telegram_id IS 'Who';
COMMENT ON COLUMN join_request.name IS 'Display name they came with';
COMMENT ON COLUMN join_request.username IS '@name they came with, without the @';
COMMENT ON COLUMN join_request.language IS 'language_code they came with';
COMMENT ON COLUMN join_request.chat_id IS 'Where they wrote first';
COMMENT ON COLUMN join_request.state IS 'What an administrator decided';
COMMENT ON COLUMN join_request.messages IS 'How many messages they sent';
COMMENT ON COLUMN join_request.first_at IS 'First message';
COMMENT ON COLUMN join_request.last_at IS 'Last message';
COMMENT ON COLUMN join_request.decided_by IS 'Administrator who decided';
COMMENT ON COLUMN join_request.decided_at IS 'When it was decided';
