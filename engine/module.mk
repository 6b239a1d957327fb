# The two daemons, each with a list of its own.
sbin_PROGRAMS += teleengine

teleengine_SOURCES = \
	engine/teleengine.c \
	engine/loop.c engine/loop.h \
	engine/job.c engine/job.h \
	engine/offer.c engine/offer.h \
	engine/waiting.c engine/waiting.h \
	engine/secrets.c engine/secrets.h \
	engine/connection.c engine/connection.h \
	engine/files.c engine/files.h \
	engine/ask.c engine/ask.h \
	engine/result.c engine/result.h \
	engine/runner.c engine/runner.h \
	engine/supervisor.c engine/supervisor.h \
	engine/work_dir.c engine/work_dir.h \
	engine/policy.c engine/policy.h \
	engine/program.c engine/program.h
teleengine_LDADD = libteleops.a $(EV_LIBS) $(PQ_LIBS) $(JSON_LIBS) $(SODIUM_LIBS) $(PCRE2_LIBS) -lm

# What carries out sql and http commands, in a process of its own.
pkglibexec_PROGRAMS += telecall
telecall_SOURCES = \
	engine/telecall.c engine/call.h \
	engine/call_sql.c \
	engine/call_http.c \
	engine/table.c engine/table.h
telecall_LDADD = libteleops.a $(CURL_LIBS) $(PQ_LIBS) $(JSON_LIBS) -lm

sbin_PROGRAMS += telesender
telesender_SOURCES = \
	engine/telesender.c \
	engine/send_loop.c engine/send_loop.h \
	engine/bot.c engine/bot.h \
	engine/operation.c engine/operation.h \
	engine/transfer.c engine/transfer.h \
	engine/lane.c engine/lane.h \
	engine/rate.c engine/rate.h
telesender_LDADD = libteleops.a $(CURL_LIBS) $(PQ_LIBS) $(JSON_LIBS) $(OPENSSL_LIBS) -lm
