# Unit tests of libteleops; the daemons' and the tool's stand in their rooms' lists.
# Those that need a database make a private cluster and are part of ./check's sql stage instead.
if HAVE_CMOCKA
LIB_TESTS = \
	tests/unit/test_array \
	tests/unit/test_buf \
	tests/unit/test_catalogue \
	tests/unit/test_cmdline \
	tests/unit/test_conf \
	tests/unit/test_db \
	tests/unit/test_decide \
	tests/unit/test_log \
	tests/unit/test_update
check_PROGRAMS += $(LIB_TESTS)
UNIT_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
UNIT_LDADD = libteleops.a $(CMOCKA_LIBS) $(PQ_LIBS) $(JSON_LIBS) $(SODIUM_LIBS) -lm

tests_unit_test_array_SOURCES = tests/unit/test_array.c
tests_unit_test_array_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_array_LDADD = $(UNIT_LDADD)
tests_unit_test_buf_SOURCES = tests/unit/test_buf.c
tests_unit_test_buf_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_buf_LDADD = $(UNIT_LDADD)
tests_unit_test_catalogue_SOURCES = tests/unit/test_catalogue.c
tests_unit_test_catalogue_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_catalogue_LDADD = $(UNIT_LDADD)
tests_unit_test_cmdline_SOURCES = tests/unit/test_cmdline.c
tests_unit_test_cmdline_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_cmdline_LDADD = $(UNIT_LDADD)
tests_unit_test_conf_SOURCES = tests/unit/test_conf.c
tests_unit_test_conf_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_conf_LDADD = $(UNIT_LDADD)
tests_unit_test_db_SOURCES = tests/unit/test_db.c
tests_unit_test_db_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_db_LDADD = $(UNIT_LDADD)
tests_unit_test_decide_SOURCES = tests/unit/test_decide.c
tests_unit_test_decide_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_decide_LDADD = $(UNIT_LDADD)
tests_unit_test_log_SOURCES = tests/unit/test_log.c
tests_unit_test_log_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_log_LDADD = $(UNIT_LDADD)
tests_unit_test_update_SOURCES = tests/unit/test_update.c
tests_unit_test_update_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_update_LDADD = $(UNIT_LDADD)
endif

EXTRA_DIST += tests/pytest.ini tests/support tests/simulator tests/cli tests/sql tests/integration
