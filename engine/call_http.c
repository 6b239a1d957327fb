#include "engine/call.h"

int call_http(const struct call *c)
{
	(void)c;
	return call_fail("not available yet");
}
