#include "cgi/manager/start.h"

#include "cgi/manager/chart.h"

enum tele_err start_show(struct visit *v)
{
	static const char *const outcomes[] = {"done", "other", "failed", NULL}, *const percentiles[] = {"p50", "p95", "p99", NULL};
	struct json_object *input = json_object_new_object(), *document = NULL, *hours;
	enum tele_err rc;

	page_set(input, "may", json_object_get(page_get(v->who, "may")));
	rc = page_ask(v, TELE_STMT_MANAGER_START, input, &document);
	json_object_put(input);
	if (rc != TELE_OK)
		return rc;
	hours = page_get(document, "hours");
	if (hours) {
		page_set(document, "outcomes", chart_bars(hours, outcomes));
		page_set(document, "latency", chart_lines(hours, percentiles));
		chart_shares(page_get(document, "top"), "tasks");
	}
	return page_render(v, "start", document);
}
