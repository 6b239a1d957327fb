# libteleops: what the programs share. Low modules first; none includes one that comes after it.
noinst_LIBRARIES += libteleops.a
libteleops_a_SOURCES = \
	lib/err.c lib/err.h \
	lib/buf.c lib/buf.h \
	lib/log.c lib/log.h \
	lib/conf.c lib/conf.h \
	lib/start.c lib/start.h \
	lib/text.c lib/text.h \
	lib/json.c lib/json.h \
	lib/mustache.c lib/mustache.h \
	lib/render.c lib/render.h \
	lib/template.c lib/template.h \
	lib/array.c lib/array.h \
	lib/metric.c lib/metric.h \
	lib/secret.c lib/secret.h \
	lib/stmt.c lib/stmt.h \
	lib/db.c lib/db.h \
	lib/update.c lib/update.h \
	lib/cmdline.c lib/cmdline.h \
	lib/catalogue.c lib/catalogue.h \
	lib/admit.c lib/admit.h \
	lib/bell.c lib/bell.h \
	lib/gate.c lib/gate.h \
	lib/expand.c lib/expand.h \
	lib/task.c lib/task.h \
	lib/outbox.c lib/outbox.h \
	lib/telegram.c lib/telegram.h
