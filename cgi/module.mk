# The two FastCGI programs.
pkglibexec_PROGRAMS += telebot.fcgi telemanager.fcgi

telebot_fcgi_SOURCES = \
	cgi/telebot.c \
	cgi/serve.c cgi/serve.h
telebot_fcgi_LDADD = libteleops.a $(FCGI_LIBS) $(PQ_LIBS) $(JSON_LIBS) $(SODIUM_LIBS) $(PCRE2_LIBS) -lm

telemanager_fcgi_SOURCES = \
	cgi/telemanager.c \
	cgi/serve.c cgi/serve.h \
	cgi/manager/request.c cgi/manager/request.h \
	cgi/manager/parts.c cgi/manager/parts.h \
	cgi/manager/page.c cgi/manager/page.h \
	cgi/manager/route.c cgi/manager/route.h \
	cgi/manager/session.c cgi/manager/session.h \
	cgi/manager/family.h \
	cgi/manager/list.c \
	cgi/manager/field.c \
	cgi/manager/form.c cgi/manager/form.h \
	cgi/manager/export.c cgi/manager/export.h \
	cgi/manager/chart.c cgi/manager/chart.h \
	cgi/manager/audit.c cgi/manager/audit.h \
	cgi/manager/chats.c cgi/manager/chats.h \
	cgi/manager/engines.c cgi/manager/engines.h \
	cgi/manager/outbox.c cgi/manager/outbox.h \
	cgi/manager/settings.c cgi/manager/settings.h \
	cgi/manager/start.c cgi/manager/start.h \
	cgi/manager/tasks.c cgi/manager/tasks.h \
	cgi/manager/qr.c cgi/manager/qr.h \
	cgi/manager/signin.c cgi/manager/signin.h \
	cgi/manager/account.c cgi/manager/account.h \
	cgi/manager/administrators.c cgi/manager/administrators.h \
	cgi/manager/invites.c cgi/manager/invites.h \
	cgi/manager/metrics.c cgi/manager/metrics.h \
	cgi/manager/people.c cgi/manager/people.h \
	cgi/manager/declare.c cgi/manager/declare.h \
	cgi/manager/lines.c cgi/manager/lines.h \
	cgi/manager/commands.c cgi/manager/commands.h \
	cgi/manager/backup.c cgi/manager/backup.h \
	cgi/manager/try.c cgi/manager/try.h \
	cgi/manager/hooks.c cgi/manager/hooks.h \
	cgi/manager/schedules.c cgi/manager/schedules.h
telemanager_fcgi_LDADD = libteleops.a $(FCGI_LIBS) $(PQ_LIBS) $(JSON_LIBS) $(SODIUM_LIBS) $(PCRE2_LIBS) $(CRYPT_LIBS) $(OATH_LIBS) $(QRENCODE_LIBS) -lm

# Pages: every folder of templates is installed as it is.
EXTRA_DIST += templates static
install-data-local:
	cd $(srcdir) && find templates static -type f ! -name '.*' | while read -r f; do \
		$(MKDIR_P) "$(DESTDIR)$(pkgdatadir)/$$(dirname "$$f")" && $(INSTALL_DATA) "$$f" "$(DESTDIR)$(pkgdatadir)/$$f" || exit 1; \
	done
uninstall-local:
	rm -rf "$(DESTDIR)$(pkgdatadir)/templates" "$(DESTDIR)$(pkgdatadir)/static"
