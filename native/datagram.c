// Unix datagrams, which neither Node nor Bun can send: to a syslog daemon's or journald's socket.
#include "hostops.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

enum { SEND_ROOM = 8 << 20 };

static int open_datagram(const char *path, int64_t timeout_ms, struct fault *f)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	size_t size = strlen(path);
	if (size >= sizeof address.sun_path)
		return fault_set(f, ENAMETOOLONG, "connect", path, NULL);
	memcpy(address.sun_path, path, size);
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return fault_set(f, errno, "socket", path, NULL);
	// As sd_journal_send does: a message may then be as large as anything that is sent here. Without CAP_NET_ADMIN the default has to do.
	setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &(int){SEND_ROOM}, sizeof(int));
	struct timeval patience = {.tv_sec = timeout_ms / 1000, .tv_usec = timeout_ms % 1000 * 1000};
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
	if (connect(fd, (struct sockaddr *)&address, sizeof address) < 0) {
		int rc = fault_set(f, errno, "connect", path, NULL);
		close(fd);
		return rc;
	}
	return fd;
}

int datagrams_send(struct reader *args, struct writer *result, struct fault *f)
{
	const char *path;
	struct reader messages;
	int64_t timeout_ms, sent = 0;
	int error = 0;
	wire_str(args, &path);
	wire_list(args, &messages);
	wire_int(args, &timeout_ms);
	CLEAN_FD int fd = open_datagram(path, timeout_ms < 1 ? 1 : timeout_ms, f);
	if (fd < 0)
		return fd;
	while (error == 0 && messages.left > 0) {
		const uint8_t *data;
		size_t size;
		if (!wire_bytes(&messages, &data, &size))
			return fault_set(f, EINVAL, "protocol", "datagrams", NULL);
		ssize_t n;
		do
			n = send(fd, data, size, MSG_NOSIGNAL);
		while (n < 0 && errno == EINTR);
		if (n < 0)
			error = errno;
		else
			sent++;
	}
	write_open(result);
	write_int(result, sent);
	write_int(result, error);
	write_close(result);
	return 0;
}
