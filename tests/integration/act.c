/* What commands of the tests do: leave a line, print too much, print nonsense, refuse to die. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* act mark FILE WORD MS: a line in FILE proves that it ran; then it takes MS milliseconds and says WORD. */
static int mark(const char *file, const char *word, int ms)
{
	char line[256];
	int fd = open(file, O_WRONLY | O_APPEND | O_CLOEXEC), n = snprintf(line, sizeof line, "%s\n", word);

	if (fd < 0 || write(fd, line, (size_t)n) != n)
		return 1;
	usleep((useconds_t)ms * 1000);
	return puts(word) < 0;
}

/* act flood BYTES: lines of 64 bytes. */
static int flood(long bytes)
{
	for (; bytes > 0; bytes -= 64)
		puts("012345678901234567890123456789012345678901234567890123456789abc");
	return 0;
}

/* act bytes: UTF-8, then what is none, a NUL among it. */
static int bytes(void)
{
	static const char text[] = "caf\xc3\xa9 \xff\xfe \xc3( \xed\xa0\x80 a\0b \xf0\x9f\x98\x80 end\n";

	return fwrite(text, 1, sizeof text - 1, stdout) != sizeof text - 1;
}

/* act stubborn NAME: leaves its session twice, ignores TERM, and would stay for ever, known to ps as NAME. */
static int stubborn(const char *name)
{
	for (int i = 0; i < 3; i++) {
		if (fork() != 0)
			continue;
		setsid();
		if (fork() == 0)
			setsid();
		signal(SIGTERM, SIG_IGN);
		signal(SIGHUP, SIG_IGN);
		for (;;)
			pause();
	}
	printf("%s is here\n", name);
	fflush(stdout);
	signal(SIGTERM, SIG_IGN);
	for (;;)
		pause();
}

/* act lines COUNT MS STATUS: a line each MS milliseconds, a progress that is written over, a colour; then STATUS. */
static int lines(int count, int ms, int status)
{
	for (int i = 1; i <= count; i++) {
		printf("\033[32mline %d\033[0m\n%d%%\r", i, i * 100 / count);
		fflush(stdout);
		usleep((useconds_t)ms * 1000);
	}
	puts("");
	return status;
}

/* act hex MS: what stands on descriptor 3, in hexadecimal, after the descriptors that are open; then it stays a while. */
static int hex(int ms)
{
	unsigned char text[65536];
	ssize_t n = read(3, text, sizeof text);

	for (int fd = 0; fd < 1024; fd++)
		if (fcntl(fd, F_GETFD) >= 0)
			printf("%d%s ", fd, fd == 3 && (fcntl(fd, F_GETFL) & O_ACCMODE) == O_RDONLY && write(fd, "x", 1) < 0 ? "r" : "");
	for (ssize_t i = 0; i < n; i++)
		printf("%02x", text[i]);
	puts("");
	fflush(stdout);
	usleep((useconds_t)ms * 1000);
	return n < 0 ? 7 : 0;
}

int main(int argc, char **argv)
{
	if (argc == 5 && !strcmp(argv[1], "mark"))
		return mark(argv[2], argv[3], atoi(argv[4]));
	if (argc == 3 && !strcmp(argv[1], "flood"))
		return flood(atol(argv[2]));
	if (argc == 3 && !strcmp(argv[1], "hex"))
		return hex(atoi(argv[2]));
	if (argc == 2 && !strcmp(argv[1], "bytes"))
		return bytes();
	if (argc == 3 && !strcmp(argv[1], "stubborn"))
		return stubborn(argv[2]);
	if (argc == 5 && !strcmp(argv[1], "lines"))
		return lines(atoi(argv[2]), atoi(argv[3]), atoi(argv[4]));
	if (argc == 3 && !strcmp(argv[1], "exit"))
		return fputs("it broke\n", stderr), atoi(argv[2]);
	if (argc == 2 && !strcmp(argv[1], "abort"))
		return raise(SIGKILL);
	return 99;
}
