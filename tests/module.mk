# Unit tests, by what they test: libteleops first, then what the daemons keep to themselves. They need no database.
if HAVE_CMOCKA
UNIT_TESTS = \
	tests/unit/test_alert \
	tests/unit/test_array \
	tests/unit/test_buf \
	tests/unit/test_catalogue \
	tests/unit/test_cmdline \
	tests/unit/test_conf \
	tests/unit/test_db \
	tests/unit/test_decimal \
	tests/unit/test_decide \
	tests/unit/test_expand \
	tests/unit/test_form \
	tests/unit/test_json \
	tests/unit/test_log \
	tests/unit/test_metric \
	tests/unit/test_mustache_spec \
	tests/unit/test_outbox \
	tests/unit/test_chart \
	tests/unit/test_pages \
	tests/unit/test_parameter \
	tests/unit/test_pattern \
	tests/unit/test_seal \
	tests/unit/test_request \
	tests/unit/test_session \
	tests/unit/test_statement \
	tests/unit/test_table \
	tests/unit/test_schedule \
	tests/unit/test_secret \
	tests/unit/test_task \
	tests/unit/test_telegram \
	tests/unit/test_template \
	tests/unit/test_text \
	tests/unit/test_filename \
	tests/unit/test_update \
	tests/unit/test_lane \
	tests/unit/test_rate \
	tests/unit/test_result \
	tests/unit/test_secrets
check_PROGRAMS += $(UNIT_TESTS)
UNIT_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
UNIT_LDADD = libteleops.a $(CMOCKA_LIBS) $(CURL_LIBS) $(PQ_LIBS) $(JSON_LIBS) $(SODIUM_LIBS) $(PCRE2_LIBS) $(CRYPT_LIBS) $(OATH_LIBS) $(OPENSSL_LIBS) -lm

tests_unit_test_alert_SOURCES = tests/unit/test_alert.c
tests_unit_test_alert_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_alert_LDADD = $(UNIT_LDADD)
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
tests_unit_test_decimal_SOURCES = tests/unit/test_decimal.c
tests_unit_test_decimal_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_decimal_LDADD = $(UNIT_LDADD)
tests_unit_test_decide_SOURCES = tests/unit/test_decide.c
tests_unit_test_decide_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_decide_LDADD = $(UNIT_LDADD)
tests_unit_test_expand_SOURCES = tests/unit/test_expand.c
tests_unit_test_expand_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_expand_LDADD = $(UNIT_LDADD)
tests_unit_test_form_SOURCES = tests/unit/test_form.c cgi/manager/field.c cgi/manager/page.c cgi/manager/request.c cgi/manager/parts.c
tests_unit_test_form_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_form_LDADD = $(UNIT_LDADD)
tests_unit_test_json_SOURCES = tests/unit/test_json.c
tests_unit_test_json_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_json_LDADD = $(UNIT_LDADD)
tests_unit_test_log_SOURCES = tests/unit/test_log.c
tests_unit_test_log_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_log_LDADD = $(UNIT_LDADD)
tests_unit_test_mustache_spec_SOURCES = tests/unit/test_mustache_spec.c
tests_unit_test_mustache_spec_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_mustache_spec_LDADD = $(UNIT_LDADD)
tests_unit_test_metric_SOURCES = tests/unit/test_metric.c
tests_unit_test_metric_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_metric_LDADD = $(UNIT_LDADD)
tests_unit_test_outbox_SOURCES = tests/unit/test_outbox.c
tests_unit_test_outbox_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_outbox_LDADD = $(UNIT_LDADD)
tests_unit_test_chart_SOURCES = tests/unit/test_chart.c cgi/manager/chart.c cgi/manager/export.c cgi/manager/list.c cgi/manager/page.c cgi/manager/parts.c \
	cgi/manager/request.c
tests_unit_test_chart_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_chart_LDADD = $(UNIT_LDADD)
tests_unit_test_pages_SOURCES = tests/unit/test_pages.c
tests_unit_test_pages_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_pages_LDADD = $(UNIT_LDADD)
tests_unit_test_parameter_SOURCES = tests/unit/test_parameter.c
tests_unit_test_parameter_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_parameter_LDADD = $(UNIT_LDADD)
tests_unit_test_pattern_SOURCES = tests/unit/test_pattern.c
tests_unit_test_pattern_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_pattern_LDADD = $(UNIT_LDADD)
tests_unit_test_seal_SOURCES = tests/unit/test_seal.c
tests_unit_test_seal_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_seal_LDADD = $(UNIT_LDADD)
tests_unit_test_request_SOURCES = tests/unit/test_request.c cgi/manager/request.c cgi/manager/parts.c
tests_unit_test_request_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_request_LDADD = $(UNIT_LDADD)
tests_unit_test_statement_SOURCES = tests/unit/test_statement.c
tests_unit_test_statement_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_statement_LDADD = $(UNIT_LDADD)
tests_unit_test_table_SOURCES = tests/unit/test_table.c engine/table.c
tests_unit_test_table_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_table_LDADD = $(UNIT_LDADD)
tests_unit_test_session_SOURCES = tests/unit/test_session.c
tests_unit_test_session_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_session_LDADD = $(UNIT_LDADD)
tests_unit_test_schedule_SOURCES = tests/unit/test_schedule.c
tests_unit_test_schedule_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_schedule_LDADD = $(UNIT_LDADD)
tests_unit_test_secret_SOURCES = tests/unit/test_secret.c
tests_unit_test_secret_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_secret_LDADD = $(UNIT_LDADD)
tests_unit_test_task_SOURCES = tests/unit/test_task.c
tests_unit_test_task_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_task_LDADD = $(UNIT_LDADD)
tests_unit_test_telegram_SOURCES = tests/unit/test_telegram.c
tests_unit_test_telegram_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_telegram_LDADD = $(UNIT_LDADD)
tests_unit_test_template_SOURCES = tests/unit/test_template.c
tests_unit_test_template_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_template_LDADD = $(UNIT_LDADD)
tests_unit_test_filename_SOURCES = tests/unit/test_filename.c
tests_unit_test_filename_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_filename_LDADD = $(UNIT_LDADD)
tests_unit_test_text_SOURCES = tests/unit/test_text.c
tests_unit_test_text_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_text_LDADD = $(UNIT_LDADD)
tests_unit_test_update_SOURCES = tests/unit/test_update.c
tests_unit_test_update_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_update_LDADD = $(UNIT_LDADD)
tests_unit_test_lane_SOURCES = tests/unit/test_lane.c engine/lane.c engine/rate.c
tests_unit_test_lane_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_lane_LDADD = $(UNIT_LDADD)
tests_unit_test_rate_SOURCES = tests/unit/test_rate.c engine/rate.c
tests_unit_test_rate_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_rate_LDADD = $(UNIT_LDADD)
tests_unit_test_result_SOURCES = tests/unit/test_result.c engine/result.c
tests_unit_test_result_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_result_LDADD = $(UNIT_LDADD)
tests_unit_test_secrets_SOURCES = tests/unit/test_secrets.c engine/secrets.c
tests_unit_test_secrets_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_secrets_LDADD = $(UNIT_LDADD)
endif

EXTRA_DIST += tests/unit/mustache-spec tests/pytest.ini tests/support tests/bench tests/simulator tests/cli tests/docs tests/sql tests/pgtap tests/integration tests/browser tests/install tests/containers tests/upgrade
