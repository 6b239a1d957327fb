#ifndef ENGINE_CONNECTION_H
#define ENGINE_CONNECTION_H

#include "lib/buf.h"
#include "lib/conf.h"

struct json_object;

/*
 * Where sql and http commands may go: connection_dir/NAME, a file of `key = value` lines that must be root's own, like a program, so that
 * the database cannot name a place by itself. The names are the whole list of hosts that commands may reach.
 *
 *     conninfo = host=db1 dbname=shop    libpq's words        url = https://grafana.example:3000/api
 *     reader = shop_reader               role that reads      header = Authorization: Bearer {password}    (again for more)
 *     writer = shop_writer               role that writes     ca_file = /etc/ssl/own-ca.pem
 *     password = BOX                     for either: what teleops secret seal NAME printed
 *
 * The connection teleapp needs no file where app_database is set: its roles are teleapp_reader and teleapp_writer.
 */
enum { CONNECTION_NAME_MOST = 32 };
#define CONNECTION_PASSWORD "password"

/* Whom a password is sealed for, in place of a command: no command has such a name. */
void connection_owner(const char *name, char owner[CONNECTION_NAME_MOST + 2]);

/*
 * *out: an object of the file's keys, texts, but headers, a list; for json_object_put. TELE_NOTFOUND, TELE_DENIED, TELE_INVALID: why
 * says what is wrong.
 */
enum tele_err connection_read(const struct tele_conf *conf, const char *name, struct json_object **out, struct tele_buf *why) TELE_MUST;

#endif
