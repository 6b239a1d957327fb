#include "lib/stmt.h"

#define MANAGER(function) {"manager_" function, "SELECT manager_" function "($1::jsonb, $2::jsonb)", 2}

/* The columns of catalogue() after the id, as tele_catalogue_read takes them. */
#define CATALOGUE \
	"command, enabled, usage, parameter, type, required, default_value, minimum, maximum, choices, pattern, secret, interactive," \
	" choices_from"

static const struct tele_stmt_text texts[TELE_STMT_COUNT] = {
    [TELE_STMT_CATALOGUE_HEAD] = {"catalogue_head", "SELECT version, bot_username FROM catalogue_head()", 0},
    [TELE_STMT_CATALOGUE] = {"catalogue",
	"SELECT command_id, " CATALOGUE " FROM catalogue()", 0},
    [TELE_STMT_ADMIT] = {"admit",
	"SELECT update_id, outcome FROM admit($1::bigint, $2::boolean, $3::integer, $4::bigint[], $5::bigint[], $6::text[], $7::text[],"
	" $8::text[], $9::text[], $10::bigint[], $11::text[], $12::text[], $13::bigint[], $14::bigint[], $15::text[], $16::bigint[],"
	" $17::text[], $18::text[], $19::text[], $20::text[])", 20},
    [TELE_STMT_PENDING_ASKED] = {"pending_asked", "SELECT command_id, parameter FROM pending_asked($1::bigint, $2::bigint, $3::bigint)", 3},
    [TELE_STMT_BUTTON_LINE] = {"button_line", "SELECT button_line($1::text)", 1},
    [TELE_STMT_HOOK_TAKE] = {"hook_take", "SELECT outcome, hook, retry_s FROM hook_take($1::text, $2::jsonb)", 2},
    [TELE_STMT_UPDATE_REJECT] = {"update_reject", "SELECT update_reject($1::bigint, $2::text, $3::text)", 3},
    [TELE_STMT_NOTIFY] = {"notify", "SELECT pg_notify(c, '') FROM unnest($1::text[]) AS c", 1},
    [TELE_STMT_ENGINE_START] = {"engine_start",
	"SELECT engine_id, epoch, wait_ms FROM engine_start($1::text, $2::text, $3::integer, $4::text[], $5::integer, $6::text[])", 6},
    [TELE_STMT_ENGINE_STOP] = {"engine_stop", "SELECT engine_stop($1::bigint, $2::bigint)", 2},
    [TELE_STMT_ENGINE_RESUME] = {"engine_resume", "SELECT engine_resume($1::bigint, $2::bigint, $3::bigint[])", 3},
    [TELE_STMT_ENGINE_DESCRIBE] = {"engine_describe", "SELECT engine_describe($1::bigint, $2::bigint, $3::text[], $4::integer, $5::text[])", 5},
    [TELE_STMT_ENGINE_STEP] = {"engine_step",
	"SELECT what, task_id, attempt, kind, command, program, argv_template, template, args, timeout_s, grace_s, output_limit,"
	" idempotent, logged, long_running, line, login, person, telegram_id, chat_id, thread_id, message_id, update_id,"
	" extract(epoch FROM clock_timestamp() - admitted_at) AS waited_s, internal, call"
	" FROM engine_step($1::bigint, $2::bigint, $3::boolean, $4::integer, $5::bigint[], $6::bigint[], $7::text[], $8::text[],"
	" $9::bigint[], $10::integer[], $11::text[], $12::integer[], $13::integer[], $14::text[], $15::timestamptz[], $16::timestamptz[],"
	" $17::text[], $18::text[], $19::text[], $20::text[], $21::bigint[], $22::boolean[])", 22},
    [TELE_STMT_JANITOR] = {"janitor", "SELECT janitor($1::bigint, $2::integer, $3::integer)", 3},
    [TELE_STMT_SCHEDULES_RUN] = {"schedules_run", "SELECT fired, unchecked, wait_ms FROM schedules_run($1::integer)", 1},
    [TELE_STMT_SCHEDULE_UNCHECKED] = {"schedule_unchecked",
	"SELECT s.schedule_id, " CATALOGUE ", s.line, s.version FROM schedule_unchecked($1::integer) s"
	" JOIN catalogue() WITH ORDINALITY k ON k.command_id = s.command_id ORDER BY s.schedule_id, k.ordinality", 1},
    [TELE_STMT_SCHEDULE_CHECKED] = {"schedule_checked",
	"SELECT schedule_checked($1::bigint[], $2::integer[], $3::text[], $4::text[])", 4},
    [TELE_STMT_SENDER_LEAD] = {"sender_lead", "SELECT sender_lead()", 0},
    [TELE_STMT_OUTBOX_TAKE] = {"outbox_take",
	"SELECT id, op, chat_id, seq, thread_id, reply_to, text, entities, markup, params, task_id, update_id, version, final, message_id, parts_sent, attempts,"
	" expires_s, blocked, extract(epoch FROM clock_timestamp() - created_at) AS age_s"
	" FROM outbox_take($1::bigint, $2::bigint[], $3::integer)", 3},
    [TELE_STMT_OUTBOX_TEXT] = {"outbox_text", "SELECT text, entities, markup, version, final FROM outbox_text($1::bigint, $2::bigint)", 2},
    [TELE_STMT_OUTBOX_FILE] = {"outbox_file", "SELECT name, body FROM outbox_file($1::bigint, $2::bigint)", 2},
    [TELE_STMT_OUTBOX_SETTLE] = {"outbox_settle",
	"SELECT dead, again FROM outbox_settle($1::bigint, $2::bigint[], $3::text[], $4::integer[], $5::integer[], $6::bigint[], $7::text[])", 7},
    [TELE_STMT_BOT_SEEN] = {"bot_seen", "SELECT bot_seen($1::bigint, $2::text, $3::text)", 3},
    [TELE_STMT_BOT_WEBHOOK] = {"bot_webhook", "SELECT bot_webhook($1::jsonb)", 1},
    [TELE_STMT_HEALTH] = {"health", "SELECT schema_version, tasks, outbox, engines FROM health()", 0},
    [TELE_STMT_METRICS] = {"metrics", "SELECT name, suffix, help, type, labels, value FROM metrics()", 0},
    [TELE_STMT_METRIC_ADD] = {"metric_add",
	"SELECT metric_add($1::text, $2::text[], $3::text[], $4::text[], $5::double precision[], $6::text[], $7::text[])", 7},
    [TELE_STMT_MANAGER_SESSION] = MANAGER("session"),
    [TELE_STMT_MANAGER_SIGNIN] = MANAGER("signin"),
    [TELE_STMT_MANAGER_SIGNED_IN] = MANAGER("signed_in"),
    [TELE_STMT_MANAGER_SIGN_OUT] = MANAGER("sign_out"),
    [TELE_STMT_MANAGER_HISTORY] = MANAGER("history"),
    [TELE_STMT_MANAGER_ORGANIZATIONS] = MANAGER("organizations"),
    [TELE_STMT_MANAGER_ORGANIZATION] = MANAGER("organization"),
    [TELE_STMT_MANAGER_ORGANIZATION_SAVE] = MANAGER("organization_save"),
    [TELE_STMT_MANAGER_ORGANIZATION_REMOVE] = MANAGER("organization_remove"),
    [TELE_STMT_MANAGER_USERS] = MANAGER("users"),
    [TELE_STMT_MANAGER_USER] = MANAGER("user"),
    [TELE_STMT_MANAGER_USER_SAVE] = MANAGER("user_save"),
    [TELE_STMT_MANAGER_USER_REMOVE] = MANAGER("user_remove"),
    [TELE_STMT_MANAGER_USER_ACT] = MANAGER("user_act"),
    [TELE_STMT_MANAGER_GROUPS] = MANAGER("groups"),
    [TELE_STMT_MANAGER_GROUP] = MANAGER("group"),
    [TELE_STMT_MANAGER_GROUP_SAVE] = MANAGER("group_save"),
    [TELE_STMT_MANAGER_GROUP_REMOVE] = MANAGER("group_remove"),
    [TELE_STMT_MANAGER_ROLES] = MANAGER("roles"),
    [TELE_STMT_MANAGER_ROLE] = MANAGER("role"),
    [TELE_STMT_MANAGER_ROLE_SAVE] = MANAGER("role_save"),
    [TELE_STMT_MANAGER_ROLE_REMOVE] = MANAGER("role_remove"),
    [TELE_STMT_MANAGER_REQUESTS] = MANAGER("requests"),
    [TELE_STMT_MANAGER_REQUEST_ACT] = MANAGER("request_act"),
    [TELE_STMT_MANAGER_INVITES] = MANAGER("invites"),
    [TELE_STMT_MANAGER_INVITE] = MANAGER("invite"),
    [TELE_STMT_MANAGER_INVITE_MAKE] = MANAGER("invite_make"),
    [TELE_STMT_MANAGER_INVITE_REMOVE] = MANAGER("invite_remove"),
    [TELE_STMT_MANAGER_ADMINISTRATORS] = MANAGER("administrators"),
    [TELE_STMT_MANAGER_ADMINISTRATOR] = MANAGER("administrator"),
    [TELE_STMT_MANAGER_ADMINISTRATOR_SAVE] = MANAGER("administrator_save"),
    [TELE_STMT_MANAGER_ADMINISTRATOR_REMOVE] = MANAGER("administrator_remove"),
    [TELE_STMT_MANAGER_ADMINISTRATOR_RESET] = MANAGER("administrator_reset"),
    [TELE_STMT_MANAGER_ACCOUNT] = MANAGER("account"),
    [TELE_STMT_MANAGER_ACCOUNT_SAVE] = MANAGER("account_save"),
    [TELE_STMT_MANAGER_ACCOUNT_PASSWORD] = MANAGER("account_password"),
    [TELE_STMT_MANAGER_ACCOUNT_CHANGE] = MANAGER("account_change"),
    [TELE_STMT_MANAGER_SESSION_END] = MANAGER("session_end"),
    [TELE_STMT_MANAGER_CODE] = MANAGER("code"),
    [TELE_STMT_MANAGER_CODE_USED] = MANAGER("code_used"),
    [TELE_STMT_MANAGER_TOTP_BEGIN] = MANAGER("totp_begin"),
    [TELE_STMT_MANAGER_TOTP_END] = MANAGER("totp_end"),
    [TELE_STMT_MANAGER_START] = MANAGER("start"),
    [TELE_STMT_MANAGER_TASKS] = MANAGER("tasks"),
    [TELE_STMT_MANAGER_TASK] = MANAGER("task"),
    [TELE_STMT_MANAGER_TASK_ACT] = MANAGER("task_act"),
    [TELE_STMT_MANAGER_TASK_EXPORT] = MANAGER("task_export"),
    [TELE_STMT_MANAGER_COMMANDS] = MANAGER("commands"),
    [TELE_STMT_MANAGER_COMMAND] = MANAGER("command"),
    [TELE_STMT_MANAGER_COMMAND_SAVE] = MANAGER("command_save"),
    [TELE_STMT_MANAGER_COMMAND_REMOVE] = MANAGER("command_remove"),
    [TELE_STMT_MANAGER_COMMAND_ACT] = MANAGER("command_act"),
    [TELE_STMT_MANAGER_TRY_COMMAND] = MANAGER("try_command"),
    [TELE_STMT_MANAGER_TRY] = MANAGER("try"),
    [TELE_STMT_MANAGER_SCHEDULES] = MANAGER("schedules"),
    [TELE_STMT_MANAGER_SCHEDULE] = MANAGER("schedule"),
    [TELE_STMT_MANAGER_SCHEDULE_SAVE] = MANAGER("schedule_save"),
    [TELE_STMT_MANAGER_SCHEDULE_REMOVE] = MANAGER("schedule_remove"),
    [TELE_STMT_MANAGER_SCHEDULE_ACT] = MANAGER("schedule_act"),
    [TELE_STMT_MANAGER_HOOKS] = MANAGER("hooks"),
    [TELE_STMT_MANAGER_HOOK] = MANAGER("hook"),
    [TELE_STMT_MANAGER_HOOK_SAVE] = MANAGER("hook_save"),
    [TELE_STMT_MANAGER_HOOK_REMOVE] = MANAGER("hook_remove"),
    [TELE_STMT_MANAGER_HOOK_RENEW] = MANAGER("hook_renew"),
    [TELE_STMT_MANAGER_BACKUP] = MANAGER("backup"),
    [TELE_STMT_MANAGER_BACKUP_EXPORT] = MANAGER("backup_export"),
    [TELE_STMT_MANAGER_BACKUP_APPLY] = MANAGER("backup_apply"),
};

const struct tele_stmt_text *tele_stmt_text(enum tele_stmt stmt)
{
	return &texts[stmt];
}
