// A check that only connects, against servers that answer well, badly, not at all, and more than anybody wants to read.
#include "check.h"
#include "plan.h"
#include "shim.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static int listen_on(bool is_v6, unsigned *port)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_addr = in6addr_loopback};
	int fd = socket(is_v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t size = is_v6 ? sizeof v6 : sizeof v4;
	struct sockaddr *address = is_v6 ? (struct sockaddr *)&v6 : (struct sockaddr *)&v4;
	CHECK(bind(fd, address, size) == 0 && listen(fd, 4) == 0);
	CHECK(getsockname(fd, address, &size) == 0);
	*port = ntohs(is_v6 ? v6.sin6_port : v4.sin_port);
	return fd;
}

// Serves one connection: takes the request, answers `answer` `times` times.
static pid_t serve(int fd, const char *answer, int times)
{
	pid_t pid = fork();
	if (pid != 0)
		return pid;
	signal(SIGPIPE, SIG_IGN);
	int c = accept(fd, NULL, NULL);
	char request[256];
	ssize_t n = recv(c, request, sizeof request, 0);
	for (int i = 0; n > 0 && i < times; i++)
		if (write(c, answer, strlen(answer)) < 0)
			break;
	close(c);
	_exit(0);
}

struct outcome {
	int code;
	char said[512];
};

static struct outcome probe(struct health_plan *plan)
{
	struct outcome o = {0};
	int pipe_[2], status;
	CHECK(pipe(pipe_) == 0);
	pid_t pid = fork();
	if (pid == 0) {
		dup2(pipe_[1], STDOUT_FILENO);
		close(pipe_[0]);
		close(pipe_[1]);
		_exit(probe_connect(plan));
	}
	close(pipe_[1]);
	size_t at = 0;
	ssize_t n;
	while ((n = read(pipe_[0], o.said + at, sizeof o.said - 1 - at)) > 0)
		at += (size_t)n;
	close(pipe_[0]);
	CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status));
	o.code = WEXITSTATUS(status);
	return o;
}

static struct writer addresses; // 127.0.0.1 and ::1, as a list value

static struct health_plan plan_for(unsigned port, const char *request)
{
	struct health_plan p = {.kind = HEALTH_CONNECT, .port = port, .status_from = 200, .status_to = 399};
	struct reader outer;
	CHECK(wire_open(&outer, addresses.data + 4, addresses.size - 4) && wire_list(&outer, &p.addresses));
	p.request = (const uint8_t *)request;
	p.request_size = strlen(request);
	return p;
}

static const char request[] = "GET / HTTP/1.1\r\n\r\n";

static struct outcome ask(const char *answer, int times)
{
	unsigned port;
	int fd = listen_on(false, &port);
	pid_t server = serve(fd, answer, times);
	close(fd);
	struct health_plan p = plan_for(port, request);
	struct outcome o = probe(&p);
	waitpid(server, NULL, 0);
	return o;
}

static void answered(const char *answer, int times, int code, const char *said)
{
	struct outcome o = ask(answer, times);
	if (o.code != code || strcmp(o.said, said) != 0)
		fprintf(stderr, "%d %s\n", o.code, o.said);
	CHECK_INT(o.code, code);
	CHECK(strcmp(o.said, said) == 0);
}

static void test_answers(void)
{
	answered("HTTP/1.1 200 OK\r\nA: b\r\n\r\nbody", 1, 0, "HTTP/1.1 200 OK");
	answered("HTTP/1.0 399\n\n", 1, 0, "HTTP/1.0 399");
	answered("HTTP/1.1 400 Bad Request\r\n\r\n", 1, 1, "HTTP/1.1 400 Bad Request");
	answered("HTTP/1.1 199 X\r\n\r\n", 1, 1, "HTTP/1.1 199 X");
	answered("HTTP/1.1 2000 X\r\n\r\n", 1, 1, "the answer is not HTTP: HTTP/1.1 2000 X");
	answered("SSH-2.0-x\r\n", 1, 1, "the answer is not HTTP: SSH-2.0-x");
	answered("HTTP/1.1 20", 1, 1, "the answer is not HTTP: HTTP/1.1 20");
	answered("", 1, 1, "no answer");
}

// A head that never ends is read to a bound, a line that never ends is kept to one.
static void test_bounds(void)
{
	struct outcome o = ask("HTTP/1.1 200 OK\r\nHeader: 0123456789012345678901234567890123456789\r\n", 100000);
	CHECK_INT(o.code, 0);
	o = ask("xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", 100000);
	CHECK_INT(o.code, 1);
	CHECK_INT(strlen(o.said), 256 + strlen("the answer is not HTTP: "));
}

static void test_connecting(void)
{
	unsigned port;
	int fd = listen_on(false, &port);
	struct health_plan p = plan_for(port, "");
	CHECK_INT(probe(&p).code, 0);
	close(fd);
	struct outcome o = probe(&p);
	CHECK_INT(o.code, 1);
	CHECK(strcmp(o.said, "connect: Connection refused") == 0);
	fd = listen_on(true, &port); // the second address
	p = plan_for(port, "");
	CHECK_INT(probe(&p).code, 0);
	close(fd);
}

int main(void)
{
	write_begin(&addresses);
	write_open(&addresses);
	write_bytes(&addresses, "\177\0\0\1", 4);
	write_bytes(&addresses, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1", 16);
	write_close(&addresses);
	write_close(&addresses);
	test_answers();
	test_bounds();
	test_connecting();
	write_free(&addresses);
	return 0;
}
