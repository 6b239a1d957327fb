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
	schema/telemanager/0011-operator.sql
schemateleappdir = $(schemadir)/teleapp
dist_schemateleapp_DATA = schema/teleapp/0001-example.sql
