/*
 * The limit that ingest is measured against: a FastCGI program that reads the request's body and answers 200, as libfcgi's examples do
 * it, one request at a time. bench/run starts as many of it as nginx may open connections, all on one listening socket.
 */
#include <fcgiapp.h>
#include <stdlib.h>

enum { BODY_MOST = 1024 * 1024 };

int main(void)
{
	static char body[BODY_MOST];
	FCGX_Request request;

	if (FCGX_Init() || FCGX_InitRequest(&request, 0, 0))
		return EXIT_FAILURE;
	while (FCGX_Accept_r(&request) == 0) {
		FCGX_GetStr(body, sizeof body, request.in);
		FCGX_FPrintF(request.out, "Content-Type: text/plain\r\nContent-Length: 0\r\n\r\n");
	}
	return EXIT_SUCCESS;
}
