# The operator's tool.
bin_PROGRAMS += teleops

teleops_SOURCES = \
	cli/teleops.c cli/verb.h \
	cli/setup.c cli/setup.h \
	cli/setup_check.c cli/setup_certificate.c cli/setup_port.c \
	cli/setup_steps.c cli/setup_file.c cli/setup_database.c cli/setup_start.c \
	cli/spawn.c cli/spawn.h \
	cli/migrate.c cli/migrate.h \
	cli/apply.c \
	cli/export.c \
	cli/admin.c \
	cli/status.c \
	cli/task.c \
	cli/lines.c cli/lines.h \
	cli/schedule.c \
	cli/hook.c \
	cli/chat.c \
	cli/audit.c \
	cli/webhook.c \
	cli/poll.c \
	cli/secret.c \
	cli/conf.c \
	cli/doctor.c cli/check.h \
	cli/check_conf.c \
	cli/check_database.c \
	cli/check_bot.c \
	cli/check_front.c \
	cli/check_connection.c \
	cli/hidden.c cli/hidden.h \
	engine/program.c engine/program.h \
	engine/connection.c engine/connection.h \
	engine/ask.c engine/ask.h \
	engine/secrets.c engine/secrets.h \
	engine/result.c engine/result.h \
	cli/bot.c cli/bot.h \
	cli/show.c cli/show.h \
	cli/pg.c cli/pg.h
teleops_LDADD = libteleops.a $(CURL_LIBS) $(PQ_LIBS) $(JSON_LIBS) $(SODIUM_LIBS) $(PCRE2_LIBS) $(CRYPT_LIBS) $(OPENSSL_LIBS) -lm
