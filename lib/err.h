#ifndef TELE_ERR_H
#define TELE_ERR_H

/* What a function has to say about how it went. Anything but TELE_OK leaves out-parameters as they were. */
enum tele_err {
	TELE_OK = 0,
	TELE_EMPTY,    /* nothing to do, nothing there */
	TELE_DENIED,   /* not allowed */
	TELE_INVALID,  /* the data is wrong: trying again changes nothing */
	TELE_CONFLICT, /* somebody else was faster */
	TELE_NOTFOUND, /* no such thing */
	TELE_RETRY,    /* try the same again: serialisation failure, deadlock, a busy peer */
	TELE_DB,       /* the database is away, or did not say whether it committed */
	TELE_SYSTEM,   /* the operating system refused; errno tells */
	TELE_NOMEM     /* no memory */
};

#define TELE_MUST __attribute__((warn_unused_result))

/* Name of an error for logs, as "retry"; static. */
const char *tele_err_name(enum tele_err err);

#endif
