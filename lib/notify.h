#ifndef TELE_NOTIFY_H
#define TELE_NOTIFY_H

/*
 * What a supervisor that speaks sd_notify's protocol is told: a datagram with KEY=value lines to the socket that NOTIFY_SOCKET names.
 * Without one all of this does nothing.
 */

/* Takes the socket and the watchdog's time out of the environment, so that what is started from here does not have them. Once, early. */
void tele_notify_begin(void);

/* How often tele_notify_alive must be called, in seconds; 0: nobody waits for it. */
double tele_notify_alive_s(void);

void tele_notify_ready(void);    /* requests, tasks and signals are taken from here on; the database may be away. Told once */
void tele_notify_alive(void);
void tele_notify_stopping(void);

#endif
