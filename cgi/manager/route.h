#ifndef MANAGER_ROUTE_H
#define MANAGER_ROUTE_H

#include "cgi/manager/page.h"

struct family;

typedef enum tele_err route_handler(struct visit *v);

/*
 * One address. {id} in the path stands for one part of it, which is in v->id. Every route says what it needs: PAGE_VIEW and
 * PAGE_CHANGE with an area of admin_permission, the others without one.
 */
struct route {
	const char *path;
	const char *method; /* GET (HEAD too) or POST */
	enum page_need need;
	const char *area;
	route_handler *handler;
	const struct family *family; /* NULL: a page of its own */
};

/* The routes of pages and of families (their list, form, history …; see family.h) in one table. */
struct route_table {
	struct route *list;
	size_t n;
};

enum tele_err route_table_make(struct route_table *t, const struct route *pages, size_t npages, const struct family *const *families,
    size_t nfamilies) TELE_MUST;
void route_table_release(struct route_table *t);

/*
 * TELE_OK: v->route and v->id are set. TELE_NOTFOUND: no such path. TELE_INVALID: not by this method; allow (size bytes) gets those
 * that are, as "GET, HEAD".
 */
enum tele_err route_find(const struct route_table *t, struct visit *v, char *allow, size_t size) TELE_MUST;

/* The table as JSON, for the test that walks every route with every permission. */
void route_table_print(const struct route_table *t, struct tele_buf *out);

#endif
