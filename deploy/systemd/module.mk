# Units, users and directories for systemd: below the prefix, where systemd looks when that is /usr.
systemd_made = deploy/systemd/telebot.service deploy/systemd/telemanager.service deploy/systemd/teleengine.service deploy/systemd/telesender.service \
	deploy/systemd/telepoll.service
systemd_fixed = deploy/systemd/teleops.target deploy/systemd/telebot.socket deploy/systemd/telemanager.socket
systemdunitdir = $(prefix)/lib/systemd/system
dist_systemdunit_DATA = $(systemd_fixed)
nodist_systemdunit_DATA = $(systemd_made)
EXTRA_DIST += $(systemd_made:=.in) deploy/systemd/sysusers.conf deploy/systemd/tmpfiles.conf.in
CLEANFILES += $(systemd_made) deploy/systemd/tmpfiles.conf

$(systemd_made) deploy/systemd/tmpfiles.conf: Makefile
	$(AM_V_GEN)$(MKDIR_P) deploy/systemd && sed -e 's|[@]sysconfdir@|$(sysconfdir)|g' -e 's|[@]localstatedir@|$(localstatedir)|g' \
		-e 's|[@]bindir@|$(bindir)|g' -e 's|[@]sbindir@|$(sbindir)|g' -e 's|[@]pkglibexecdir@|$(pkglibexecdir)|g' $(srcdir)/$@.in > $@.new && mv $@.new $@
deploy/systemd/telebot.service: deploy/systemd/telebot.service.in
deploy/systemd/telemanager.service: deploy/systemd/telemanager.service.in
deploy/systemd/teleengine.service: deploy/systemd/teleengine.service.in
deploy/systemd/telesender.service: deploy/systemd/telesender.service.in
deploy/systemd/telepoll.service: deploy/systemd/telepoll.service.in
deploy/systemd/tmpfiles.conf: deploy/systemd/tmpfiles.conf.in

# Both directories call a program's file by the program's name.
all-local: deploy/systemd/tmpfiles.conf
install-data-hook:
	$(MKDIR_P) "$(DESTDIR)$(prefix)/lib/sysusers.d" "$(DESTDIR)$(prefix)/lib/tmpfiles.d"
	$(INSTALL_DATA) $(srcdir)/deploy/systemd/sysusers.conf "$(DESTDIR)$(prefix)/lib/sysusers.d/teleops.conf"
	$(INSTALL_DATA) deploy/systemd/tmpfiles.conf "$(DESTDIR)$(prefix)/lib/tmpfiles.d/teleops.conf"
uninstall-hook:
	rm -f "$(DESTDIR)$(prefix)/lib/sysusers.d/teleops.conf" "$(DESTDIR)$(prefix)/lib/tmpfiles.d/teleops.conf"
