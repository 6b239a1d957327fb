# Manual pages, in mdoc. The lists of settings and of verbs are made from what the program itself says, so that they are its own.
# ([@] below: configure would fill in a plain one.)
man_pages = man/teleops.1 man/teleops.conf.5 man/teleengine.8 man/telesender.8 man/telebot.fcgi.8 man/telemanager.fcgi.8 man/telecall.8
nodist_man_MANS = $(man_pages)
EXTRA_DIST += $(man_pages:=.in) man/settings.awk man/verbs.awk
CLEANFILES += $(man_pages) teleops.conf.example

exampledir = $(pkgdatadir)
nodist_example_DATA = teleops.conf.example

teleops.conf.example: teleops$(EXEEXT)
	$(AM_V_GEN)TELEOPS_CONFIG=/dev/null ./teleops$(EXEEXT) conf reference > $@.new && mv $@.new $@

$(man_pages): teleops.conf.example teleops$(EXEEXT) man/settings.awk man/verbs.awk Makefile
	$(AM_V_GEN)$(MKDIR_P) man && awk -f $(srcdir)/man/settings.awk teleops.conf.example > $@.settings && \
	./teleops$(EXEEXT) --help | awk -f $(srcdir)/man/verbs.awk > $@.verbs && \
	sed -e '/^@settings@$$/{r $@.settings' -e 'd;}' -e '/^@verbs@$$/{r $@.verbs' -e 'd;}' \
		-e 's|[@]sysconfdir@|$(sysconfdir)|g' -e 's|[@]pkgdatadir@|$(pkgdatadir)|g' -e 's|[@]pkglibexecdir@|$(pkglibexecdir)|g' \
		-e 's|[@]localstatedir@|$(localstatedir)|g' $(srcdir)/$@.in > $@.new && rm -f $@.settings $@.verbs && mv $@.new $@
man/teleops.1: man/teleops.1.in
man/teleops.conf.5: man/teleops.conf.5.in
man/teleengine.8: man/teleengine.8.in
man/telesender.8: man/telesender.8.in
man/telebot.fcgi.8: man/telebot.fcgi.8.in
man/telemanager.fcgi.8: man/telemanager.fcgi.8.in
man/telecall.8: man/telecall.8.in
