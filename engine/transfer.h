#ifndef ENGINE_TRANSFER_H
#define ENGINE_TRANSFER_H

#include "engine/lane.h"
#include "lib/telegram.h"

/*
 * Files between Telegram and the database, a part at a time: nothing here ever holds a whole one. Each belongs to the first row of a
 * lane, which stays busy meanwhile. Downloads stop reading while a part is being stored, uploads wait for the next one; so a statement
 * of theirs is under way whenever the sender's loop finds time for it (transfers_want, transfers_send, transfers_answer).
 */
struct transfers;

struct transfers *transfers_new(struct tele_telegram *telegram); /* NULL: no memory */
void transfers_free(struct transfers *t);
/* Whether no further one can begin now; whether there is any. */
bool transfers_full(const struct transfers *t);
bool transfers_any(const struct transfers *t);

/* Begins to download what getFile has answered for the lane's row (get_file); what cannot be downloaded is told as transfers_fail. TELE_NOMEM. */
enum tele_err transfers_download(struct transfers *t, struct lane *lane, const struct tele_answer *file) TELE_MUST;
/* The lane's row (get_file) has failed for good: the database is to hear why. words are Telegram's. TELE_NOMEM. */
enum tele_err transfers_fail(struct transfers *t, struct lane *lane, const char *words) TELE_MUST;
/* The lane of a download, by the tag of an answer; NULL: it is no download's. */
struct lane *transfers_lane(const struct transfers *t, const void *tag);
/* A download's answer. False: Telegram is away or wants us to wait; the download is forgotten, the row can be tried again. */
bool transfers_downloaded(struct transfers *t, const struct tele_answer *answer);

/* Sends the row's file along with a call; the answer comes with the lane as tag: call transfers_forget then. Errors as tele_telegram_upload. */
enum tele_err transfers_upload(struct transfers *t, struct lane *lane, const char *method, struct json_object *params) TELE_MUST;
void transfers_forget(struct transfers *t, const struct lane *lane);

bool transfers_want(const struct transfers *t);
enum tele_err transfers_send(struct transfers *t, struct tele_db *db, long long epoch) TELE_MUST;
/*
 * The answer to it. TELE_OK: go on. TELE_EMPTY: the row of *lane is settled, it is to be taken off. TELE_NOTFOUND: what the row of
 * *lane would send is gone, and its request is ended.
 */
enum tele_err transfers_answer(struct transfers *t, const PGresult *res, struct lane **lane) TELE_MUST;
/* The statement under way failed, and nothing of it happened: it is sent again. */
void transfers_again(struct transfers *t);
/* The database is gone: all end, but uploads that lack nothing any more; their lanes are not busy then. */
void transfers_abort(struct transfers *t);

#endif
