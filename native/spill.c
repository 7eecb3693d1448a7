// What a slow client has not taken yet and memory is too dear for: a ring in a file without a name, so that it is gone with the shim.
#include "shim.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/param.h>
#include <sys/socket.h>
#include <unistd.h>

int64_t spill_waiting(const struct spill *s)
{
	return s->tail - s->head;
}

// "spill" and our process id: a shim that still delivers and its successor use the same directory.
static void write_name(char *at)
{
	static const char prefix[] = "/spill-";
	memcpy(at, prefix, sizeof prefix - 1);
	at += sizeof prefix - 1;
	for (unsigned n = (unsigned)getpid(); n > 0; n /= 10)
		*at++ = (char)('0' + n % 10);
	*at = 0;
}

static int open_file(void)
{
	char path[PATH_MAX];
	size_t length = strlen(shim.plan.spill_dir);
	if (length == 0 || length + 32 > sizeof path)
		return -1;
	memcpy(path, shim.plan.spill_dir, length);
	write_name(path + length);
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd >= 0)
		unlink(path);
	return fd;
}

size_t spill_put(struct spill *s, const uint8_t *data, size_t size)
{
	const int64_t limit = shim.plan.spill_limit;
	size_t put = 0;
	if (!s->is_open) {
		int fd = limit > 0 ? open_file() : -1;
		if (fd < 0)
			return 0;
		s->is_open = true;
		s->fd = fd;
	}
	while (put < size && spill_waiting(s) < limit) {
		int64_t at = s->tail % limit, room = MIN(limit - spill_waiting(s), limit - at);
		ssize_t n = pwrite(s->fd, data + put, (size_t)MIN((int64_t)(size - put), room), at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break; // a full disk: the rest stays in memory, and the client slows the container down
		put += (size_t)n;
		s->tail += n;
	}
	return put;
}

ssize_t spill_send(struct spill *s, int socket)
{
	// Copied: sendfile(2) would give the socket the file's own pages, and the ring writes over them.
	uint8_t piece[16 << 10];
	const int64_t limit = shim.plan.spill_limit, at = s->head % limit;
	int64_t size = MIN(MIN(spill_waiting(s), limit - at), (int64_t)sizeof piece);
	ssize_t n = pread(s->fd, piece, (size_t)size, at);
	if (n > 0)
		n = send(socket, piece, (size_t)n, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (n > 0)
		s->head += n;
	if (spill_waiting(s) == 0)
		spill_close(s);
	return n;
}

void spill_close(struct spill *s)
{
	if (s->is_open)
		close(s->fd);
	*s = (struct spill){0};
}
