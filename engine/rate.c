#include "engine/rate.h"

void rate_init(struct rate *r, double rate, double burst, double now)
{
	*r = (struct rate){.rate = rate, .burst = burst, .tokens = burst, .at = now};
}

static double level(const struct rate *r, double now)
{
	double n = r->tokens + (now - r->at) * r->rate;

	return n > r->burst ? r->burst : n;
}

double rate_when(const struct rate *r, double now)
{
	double n = r->rate > 0 ? level(r, now) : 1;

	return n >= 1 ? now : now + (1 - n) / r->rate;
}

void rate_take(struct rate *r, double now)
{
	if (r->rate <= 0)
		return;
	r->tokens = level(r, now) - 1;
	r->at = now;
}

bool rate_is_full(const struct rate *r, double now)
{
	return r->rate <= 0 || level(r, now) >= r->burst;
}
