# The two FastCGI programs.
pkglibexec_PROGRAMS += telebot.fcgi telemanager.fcgi

telebot_fcgi_SOURCES = \
	cgi/telebot.c \
	cgi/serve.c cgi/serve.h
telebot_fcgi_LDADD = libteleops.a $(FCGI_LIBS) $(PQ_LIBS) $(JSON_LIBS) $(SODIUM_LIBS) -lm

telemanager_fcgi_SOURCES = \
	cgi/telemanager.c \
	cgi/manager/metrics.c cgi/manager/metrics.h \
	cgi/serve.c cgi/serve.h
telemanager_fcgi_LDADD = libteleops.a $(FCGI_LIBS) $(PQ_LIBS) $(JSON_LIBS) $(SODIUM_LIBS) -lm

templatesdir = $(pkgdatadir)/templates
dist_templates_DATA = templates/about.html templates/missing.html
staticdir = $(pkgdatadir)/static
dist_static_DATA = static/teleops.css
