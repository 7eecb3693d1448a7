// A health check that runs nothing in the container: a process that is in its network only connects, sends the plan's request and
// reads the head of an HTTP answer. What it has to say goes to its standard output; the shim kills it when it takes too long.
#include "shim.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MAX_LINE = 256, MAX_HEAD = 16 << 10, CODE_AT = 9 }; // "HTTP/1.1 200"

static void say(const char *text, size_t size)
{
	if (write(STDOUT_FILENO, text, size) < 0)
		return; // ignored: the exit code tells what matters
}

static void say_error(const char *what, int err)
{
	const char *why = strerror(err);
	say(what, strlen(what));
	say(": ", 2);
	say(why, strlen(why));
}

// Returns a connected socket or -errno.
static int open_connection(const uint8_t *address, size_t size, unsigned port)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)};
	bool is_v4 = size == sizeof v4.sin_addr;
	if (is_v4)
		memcpy(&v4.sin_addr, address, size);
	else
		memcpy(&v6.sin6_addr, address, sizeof v6.sin6_addr);
	int fd = socket(is_v4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, is_v4 ? (const struct sockaddr *)&v4 : (const struct sockaddr *)&v6, is_v4 ? sizeof v4 : sizeof v6) == 0)
		return fd;
	int err = errno;
	close(fd);
	return -err;
}

// The first line of an answer, and where its head ends; everything else is dropped as it comes.
struct head {
	char line[MAX_LINE];
	size_t size, seen;
	bool has_line, is_over;
	unsigned newlines; // in a row
};

static void take(struct head *h, const char *data, size_t size)
{
	for (size_t i = 0; i < size && !h->is_over; i++) {
		char c = data[i];
		if (c != '\r')
			h->newlines = c == '\n' ? h->newlines + 1 : 0;
		h->has_line |= c == '\n';
		if (!h->has_line && c != '\r' && h->size < sizeof h->line)
			h->line[h->size++] = c;
		h->is_over = h->newlines == 2 || ++h->seen == MAX_HEAD;
	}
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

// 0 when the line is not HTTP's.
static unsigned status_of(const struct head *h)
{
	const char *line = h->line, *code = line + CODE_AT;
	if (h->size < CODE_AT + 3 || memcmp(line, "HTTP/", 5) != 0 || code[-1] != ' ')
		return 0;
	if (!is_digit(code[0]) || !is_digit(code[1]) || !is_digit(code[2]) || (h->size > CODE_AT + 3 && code[3] != ' '))
		return 0;
	return (unsigned)(code[0] - '0') * 100 + (unsigned)(code[1] - '0') * 10 + (unsigned)(code[2] - '0');
}

static int ask(int fd, const struct health_plan *plan)
{
	static const char no_http[] = "the answer is not HTTP: ", nothing[] = "no answer";
	struct head head = {0};
	char data[1024];
	ssize_t n = 0;
	int rc = send_all(fd, plan->request, plan->request_size);
	if (rc < 0) {
		say_error("send", -rc);
		return 1;
	}
	while (!head.is_over) {
		n = recv(fd, data, sizeof data, 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		take(&head, data, (size_t)n);
	}
	unsigned status = status_of(&head);
	if (head.size == 0)
		n < 0 ? say_error("receive", errno) : say(nothing, sizeof nothing - 1);
	else if (status == 0)
		say(no_http, sizeof no_http - 1);
	say(head.line, head.size);
	return status > 0 && status >= plan->status_from && status <= plan->status_to ? 0 : 1;
}

int probe_connect(const struct health_plan *plan)
{
	struct reader list = plan->addresses;
	const uint8_t *address;
	size_t size;
	int first = EADDRNOTAVAIL;
	for (unsigned i = 0; list.left > 0 && wire_bytes(&list, &address, &size); i++) {
		CLEAN_FD int fd = open_connection(address, size, plan->port);
		if (fd >= 0)
			return plan->request_size > 0 ? ask(fd, plan) : 0;
		if (i == 0)
			first = -fd;
	}
	say_error("connect", first);
	return 1;
}
