# Migrations are data: installed whole, found by teleops migrate through schema_dir.
schemadir = $(pkgdatadir)/schema
dist_schema_DATA = schema/roles.sql
schematelemanagerdir = $(schemadir)/telemanager
dist_schematelemanager_DATA = \
	schema/telemanager/0001-people.sql \
	schema/telemanager/0002-commands.sql \
	schema/telemanager/0003-work.sql \
	schema/telemanager/0004-in-and-out.sql \
	schema/telemanager/0005-texts.sql \
	schema/telemanager/0006-admit.sql \
	schema/telemanager/0007-engine.sql \
	schema/telemanager/0008-sender.sql \
	schema/telemanager/0009-grants.sql \
	schema/telemanager/0010-config.sql \
	schema/telemanager/0011-operator.sql \
	schema/telemanager/0012-whole-spine.sql \
	schema/telemanager/0013-pending.sql \
	schema/telemanager/0014-live.sql \
	schema/telemanager/0015-menus.sql \
	schema/telemanager/0016-metrics.sql \
	schema/telemanager/0017-pages.sql \
	schema/telemanager/0018-people.sql \
	schema/telemanager/0019-schedules.sql \
	schema/telemanager/0020-parameters.sql \
	schema/telemanager/0021-alerts.sql \
	schema/telemanager/0022-operations.sql \
	schema/telemanager/0023-kinds.sql \
	schema/telemanager/0024-groups.sql \
	schema/telemanager/0025-targets.sql \
	schema/telemanager/0026-files.sql \
	schema/telemanager/0027-heads.sql \
	schema/telemanager/texts.sql \
	schema/telemanager/plans.sql \
	schema/telemanager/grants.sql
schemafunctionsdir = $(schemadir)/telemanager/functions
dist_schemafunctions_DATA = \
	schema/telemanager/functions/admit.sql \
	schema/telemanager/functions/alert.sql \
	schema/telemanager/functions/audit.sql \
	schema/telemanager/functions/chat.sql \
	schema/telemanager/functions/config.sql \
	schema/telemanager/functions/cron.sql \
	schema/telemanager/functions/doctor.sql \
	schema/telemanager/functions/engine.sql \
	schema/telemanager/functions/files.sql \
	schema/telemanager/functions/health.sql \
	schema/telemanager/functions/hook.sql \
	schema/telemanager/functions/janitor.sql \
	schema/telemanager/functions/manager_account.sql \
	schema/telemanager/functions/manager_administrators.sql \
	schema/telemanager/functions/manager_audit.sql \
	schema/telemanager/functions/manager_backup.sql \
	schema/telemanager/functions/manager_chats.sql \
	schema/telemanager/functions/manager_commands.sql \
	schema/telemanager/functions/manager_engines.sql \
	schema/telemanager/functions/manager_hooks.sql \
	schema/telemanager/functions/manager_invites.sql \
	schema/telemanager/functions/manager_people.sql \
	schema/telemanager/functions/manager_requests.sql \
	schema/telemanager/functions/manager_schedules.sql \
	schema/telemanager/functions/manager_settings.sql \
	schema/telemanager/functions/manager_signin.sql \
	schema/telemanager/functions/manager_start.sql \
	schema/telemanager/functions/manager_tasks.sql \
	schema/telemanager/functions/manager_try.sql \
	schema/telemanager/functions/menu.sql \
	schema/telemanager/functions/metric.sql \
	schema/telemanager/functions/operator.sql \
	schema/telemanager/functions/page.sql \
	schema/telemanager/functions/parameters.sql \
	schema/telemanager/functions/pending.sql \
	schema/telemanager/functions/rights.sql \
	schema/telemanager/functions/schedule.sql \
	schema/telemanager/functions/sender.sql \
	schema/telemanager/functions/target.sql \
	schema/telemanager/functions/tasks.sql \
	schema/telemanager/functions/text.sql \
	schema/telemanager/functions/timeline.sql
schemateleappdir = $(schemadir)/teleapp
dist_schemateleapp_DATA = schema/teleapp/0001-example.sql
