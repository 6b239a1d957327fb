# nginx's part: made with this installation's paths, to be copied to /etc/nginx/conf.d/teleops.conf.
nginxdir = $(pkgdatadir)/nginx
dist_nginx_DATA = nginx/telegram-networks.conf nginx/teleops_fastcgi_params
nodist_nginx_DATA = nginx/teleops.conf
EXTRA_DIST += nginx/teleops.conf.in
CLEANFILES += nginx/teleops.conf

nginx/teleops.conf: nginx/teleops.conf.in Makefile
	$(AM_V_GEN)$(MKDIR_P) nginx && sed \
		-e 's|@bot_socket@|/run/teleops/telebot.sock|' -e 's|@manager_socket@|/run/teleops/telemanager.sock|' \
		-e 's|@webhook_listen@|8443|' -e 's|@admin_listen@|443|' -e 's|@admin_name@|_|' \
		-e 's|@certificate@|$(sysconfdir)/teleops/cert.pem|' -e 's|@certificate_key@|$(sysconfdir)/teleops/key.pem|' \
		-e 's|@networks@|$(nginxdir)/telegram-networks.conf|' -e 's|@fastcgi_params@|$(nginxdir)/teleops_fastcgi_params|' \
		-e 's|@access_log@|/var/log/nginx/access.log|' -e 's|@static_dir@|$(staticdir)|' $(srcdir)/nginx/teleops.conf.in > $@.new && mv $@.new $@
