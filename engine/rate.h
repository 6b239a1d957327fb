#ifndef ENGINE_RATE_H
#define ENGINE_RATE_H

#include <stdbool.h>

/* A token bucket: `rate` tokens a second, at most `burst` saved up. rate 0: no limit. Times are seconds of one steady clock. */
struct rate {
	double rate, burst, tokens, at;
};

void rate_init(struct rate *r, double rate, double burst, double now);
/* When a token will be there: now or earlier if one is. */
double rate_when(const struct rate *r, double now);
/* Takes one; call only when rate_when() says now. */
void rate_take(struct rate *r, double now);
/* Whether the bucket is as if it had never been used. */
bool rate_is_full(const struct rate *r, double now);

#endif
