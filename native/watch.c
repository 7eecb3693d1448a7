// Watches multicast groups of netlink for a connection, see watch.h. Of what comes only the message types that were asked for
// are passed on, several in one frame, and never more than one frame in a span of time: a busy host costs the reader little.
#include "watch.h"

#include "netns.h"

#include <errno.h>
#include <linux/netlink.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	MAX_TYPES = 16,
	MAX_GROUPS = 16,
	MESSAGE_BYTES = 64 << 10, // no notification is longer
	FRAME_BYTES = 256 << 10,  // of one frame; what is beyond counts as lost
	SOCKET_BYTES = 1 << 20,
};

struct watch {
	int sock;   // the connection
	int kernel; // the netlink socket
	int64_t quiet_ms;
	int64_t types[MAX_TYPES];
	size_t type_count;
	struct writer frame;
	size_t pending; // bytes of messages for the next frame
	bool has_lost;  // notifications were lost, or are more than a frame takes
	uint8_t kept[FRAME_BYTES];
};

static bool is_wanted(const struct watch *w, uint16_t type)
{
	for (size_t i = 0; i < w->type_count; i++)
		if (w->types[i] == type)
			return true;
	return false;
}

static void keep(struct watch *w, const uint8_t *message, size_t size)
{
	size_t room = NLMSG_ALIGN(size);
	if (room > sizeof w->kept - w->pending) {
		w->has_lost = true;
		return;
	}
	memcpy(w->kept + w->pending, message, size);
	memset(w->kept + w->pending + size, 0, room - size);
	w->pending += room;
}

static void keep_wanted(struct watch *w, const uint8_t *data, size_t size)
{
	for (size_t at = 0; size - at >= sizeof(struct nlmsghdr);) {
		struct nlmsghdr header;
		memcpy(&header, data + at, sizeof header);
		if (header.nlmsg_len < sizeof header || header.nlmsg_len > size - at)
			return;
		if (is_wanted(w, header.nlmsg_type))
			keep(w, data + at, header.nlmsg_len);
		size_t step = NLMSG_ALIGN(header.nlmsg_len);
		if (step > size - at)
			return;
		at += step;
	}
}

// Takes what has come. The socket is not blocking.
static int take(struct watch *w, uint8_t *buffer)
{
	for (;;) {
		ssize_t n = recv(w->kernel, buffer, MESSAGE_BYTES, MSG_DONTWAIT);
		if (n >= 0)
			keep_wanted(w, buffer, (size_t)n);
		else if (errno == ENOBUFS)
			w->has_lost = true;
		else if (errno == EAGAIN || errno == EINTR)
			return 0;
		else
			return -errno;
	}
}

// Sends what was kept; an empty frame says that something was lost, so that the reader has to look for itself.
static int tell(struct watch *w)
{
	write_begin(&w->frame);
	write_bytes(&w->frame, w->kept, w->has_lost ? 0 : w->pending);
	w->pending = 0;
	w->has_lost = false;
	return frame_send(w->sock, &w->frame);
}

// Waits for the kernel, or only for the span of quiet. 1 when the other side has closed.
static int wait_for(const struct watch *w, bool is_quiet)
{
	struct pollfd fds[] = {{.fd = w->sock, .events = POLLIN}, {.fd = is_quiet ? -1 : w->kernel, .events = POLLIN}};
	int rc = poll(fds, 2, is_quiet ? (int)w->quiet_ms : -1);
	if (rc < 0)
		return errno == EINTR ? 0 : -errno;
	return fds[0].revents != 0;
}

static int run(struct watch *w)
{
	static uint8_t buffer[MESSAGE_BYTES];
	for (;;) {
		int rc = wait_for(w, false);
		if (rc == 0)
			rc = take(w, buffer);
		if (rc == 0 && (w->pending > 0 || w->has_lost)) {
			rc = tell(w);
			if (rc == 0)
				rc = wait_for(w, true);
		}
		if (rc != 0)
			return rc;
	}
}

static int join(struct watch *w, int protocol, struct reader *groups, struct fault *f)
{
	w->kernel = netns_socket(-1, AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol, f);
	if (w->kernel < 0)
		return w->kernel;
	int room = SOCKET_BYTES;
	if (setsockopt(w->kernel, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room) < 0)
		setsockopt(w->kernel, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
	// Without a port of its own a socket counts as the kernel's, which is not told of its own doings.
	struct sockaddr_nl any = {.nl_family = AF_NETLINK};
	if (bind(w->kernel, (struct sockaddr *)&any, sizeof any) < 0)
		return fault_set(f, errno, "bind", "netlink", NULL);
	int64_t group = 0;
	while (groups->left > 0 && wire_int(groups, &group)) {
		int number = (int)group;
		if (setsockopt(w->kernel, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &number, sizeof number) < 0)
			return fault_set(f, errno, "setsockopt", "netlink group", NULL);
	}
	return 0;
}

static int start(struct watch *w, struct reader *request, struct fault *f)
{
	int64_t protocol = 0;
	struct reader groups, types;
	if (!wire_int(request, &protocol) || !wire_list(request, &groups) || !wire_list(request, &types) ||
	    !wire_int(request, &w->quiet_ms) || !wire_done(request) || groups.left > MAX_GROUPS || types.left > MAX_TYPES ||
	    w->quiet_ms < 0 || w->quiet_ms > 60000)
		return fault_set(f, EINVAL, "protocol", "", "WATCH takes a protocol, groups, types and milliseconds");
	while (types.left > 0 && wire_int(&types, &w->types[w->type_count]))
		w->type_count++;
	if (!wire_done(&types))
		return fault_set(f, EINVAL, "protocol", "", "WATCH: types are integers");
	return join(w, (int)protocol, &groups, f);
}

int watch_serve(int sock, struct reader *request, struct fault *f)
{
	static struct watch w;
	w.sock = sock;
	w.kernel = -1;
	w.type_count = 0;
	int rc = start(&w, request, f);
	if (rc < 0) {
		rc = frame_fault(sock, f);
	} else {
		write_begin(&w.frame);
		write_int(&w.frame, 0);
		write_open(&w.frame);
		write_close(&w.frame);
		rc = frame_send(sock, &w.frame);
		if (rc == 0)
			rc = run(&w);
	}
	if (w.kernel >= 0)
		close(w.kernel);
	write_free(&w.frame);
	return rc;
}
