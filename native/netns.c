// Network namespaces and netlink transport, see netns.h. A socket stays in the namespace it was made in, so the process is
// elsewhere only for a moment; when it cannot come back it aborts, because every later operation would hit the
// wrong network.
#include "netns.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/genetlink.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <linux/nsfs.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

enum { RECEIVE_TIMEOUT_S = 5, RECEIVE_BYTES = 64 << 10, SOCKET_BYTES = 8 << 20, MAX_DUMP_TRIES = 5 };

// The namespace this process belongs to; opened before it is left for the first time.
static int home = -1;

static int remember_home(struct fault *f)
{
	if (home < 0)
		home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	return home < 0 ? fault_set(f, errno, "open", "/proc/self/ns/net", NULL) : 0;
}

static void go_home(void)
{
	if (setns(home, CLONE_NEWNET) < 0) {
		perror("keel: cannot return to the host's network namespace");
		abort();
	}
}

static int enter(int ns, struct fault *f)
{
	if (ns < 0)
		return 0;
	int rc = remember_home(f);
	if (rc < 0)
		return rc;
	return setns(ns, CLONE_NEWNET) < 0 ? fault_set(f, errno, "setns", "", NULL) : 0;
}

static void leave(int ns)
{
	if (ns >= 0)
		go_home();
}

int netns_raise_loopback(void)
{
	CLEAN_FD int sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP};
	return sock < 0 || ioctl(sock, SIOCSIFFLAGS, &request) < 0 ? -errno : 0;
}

int netns_new(struct fault *f)
{
	int rc = remember_home(f);
	if (rc < 0)
		return rc;
	if (unshare(CLONE_NEWNET) < 0)
		return fault_set(f, errno, "unshare", "", NULL);
	int fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		rc = fault_set(f, errno, "open", "/proc/self/ns/net", NULL);
	else
		rc = netns_raise_loopback();
	go_home();
	if (fd >= 0 && rc < 0) {
		close(fd);
		return fault_set(f, -rc, "ioctl", "lo", NULL);
	}
	return rc < 0 ? rc : fd;
}

int netns_open(const char *path, struct fault *f)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return fault_set(f, errno, "open", path, NULL);
	int type = ioctl(fd, NS_GET_NSTYPE);
	if (type == CLONE_NEWNET)
		return fd;
	close(fd);
	return fault_set(f, EINVAL, "netnsOpen", path, "not a network namespace");
}

int netns_sysctl(int ns, int proc, const char *name, const char *value, struct fault *f)
{
	char path[256];
	int n = snprintf(path, sizeof path, "sys/%s", name);
	if (n < 0 || (size_t)n >= sizeof path || strstr(path, "/../") || name[0] == '/')
		return fault_set(f, EINVAL, "sysctl", name, "not the name of a sysctl");
	int rc = enter(ns, f);
	if (rc < 0)
		return rc;
	// sys/net shows the namespace of who opens it, so the descriptor outlives the visit.
	CLEAN_FD int fd = openat(proc, path, O_WRONLY | O_CLOEXEC);
	int err = fd < 0 ? errno : 0;
	leave(ns);
	if (!err && write(fd, value, strlen(value)) != (ssize_t)strlen(value))
		err = errno ? errno : EIO;
	return err ? fault_set(f, err, "sysctl", name, NULL) : 0;
}

// What one request still waits for, and what it got.
struct exchange {
	int sock, protocol;
	uint8_t *messages;
	size_t size;
	uint32_t count;     // of messages
	uint8_t *waits;     // per message: WAIT_*
	uint32_t waiting;   // how many messages have an answer outstanding
	uint8_t *replies;   // data messages, concatenated
	size_t replies_size, replies_capacity;
	bool interrupted;   // a dump that raced with a change
	uint32_t failed;    // number of the first failed message, 0 = none
	int error;          // its errno
	char text[200];     // extended ack of the failure
	struct writer *warnings;
};

enum { WAIT_NOTHING = 0, WAIT_ACK = 1, WAIT_DONE = 2, MAX_ERRNO = 4095 };

// The flags of a dump mean "replace or fail" on requests that create something.
static bool is_dump(int protocol, const struct nlmsghdr *message)
{
	if ((message->nlmsg_flags & NLM_F_DUMP) != NLM_F_DUMP)
		return false;
	return protocol != NETLINK_ROUTE || (message->nlmsg_type & 3) == 2; // RTM_GET*
}

// Checks the messages' framing, numbers them and notes which answers will come.
static int prepare(struct exchange *x)
{
	uint32_t count = 0;
	for (size_t at = 0; at < x->size;) {
		struct nlmsghdr header;
		if (x->size - at < sizeof header)
			return -EINVAL;
		memcpy(&header, x->messages + at, sizeof header);
		if (header.nlmsg_len < sizeof header || header.nlmsg_len > x->size - at)
			return -EINVAL;
		header.nlmsg_seq = ++count;
		header.nlmsg_pid = 0;
		memcpy(x->messages + at, &header, sizeof header);
		uint8_t wait = WAIT_NOTHING;
		if (is_dump(x->protocol, &header))
			wait = WAIT_DONE;
		else if (header.nlmsg_flags & NLM_F_ACK)
			wait = WAIT_ACK;
		if ((count & (count - 1)) == 0) { // at powers of two there is no room left
			uint8_t *waits = realloc(x->waits, (size_t)count * 2);
			if (!waits)
				return -ENOMEM;
			x->waits = waits;
		}
		x->waits[count - 1] = wait;
		x->waiting += wait != WAIT_NOTHING;
		size_t step = NLMSG_ALIGN(header.nlmsg_len);
		at = step > x->size - at ? x->size : at + step;
	}
	x->count = count;
	return count > 0 ? 0 : -EINVAL;
}

int netns_socket(int ns, int domain, int type, int protocol, struct fault *f)
{
	int rc = enter(ns, f);
	if (rc < 0)
		return rc;
	int sock = socket(domain, type, protocol);
	int err = errno;
	leave(ns);
	return sock < 0 ? fault_set(f, err, "socket", "", NULL) : sock;
}

int netns_device(int ns, const char *name, struct fault *f)
{
	struct ifreq request = {0};
	size_t size = strlen(name);
	if (size >= sizeof request.ifr_name)
		return fault_set(f, ENODEV, "netlink", name, NULL);
	memcpy(request.ifr_name, name, size);
	CLEAN_FD int sock = netns_socket(ns, AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0, f);
	if (sock < 0)
		return sock;
	return ioctl(sock, SIOCGIFINDEX, &request) < 0 ? fault_set(f, errno, "netlink", name, NULL) : request.ifr_ifindex;
}

static int open_socket(const struct exchange *x, int ns, struct fault *f)
{
	int sock = netns_socket(ns, AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, x->protocol, f);
	if (sock < 0)
		return sock;
	int on = 1, room = SOCKET_BYTES;
	struct timeval timeout = {.tv_sec = RECEIVE_TIMEOUT_S};
	// Acks carry the kernel's own sentence, and not a copy of the request.
	setsockopt(sock, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof on);
	setsockopt(sock, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof on);
	// What a dump is to be limited to is heeded (Linux 4.20); else everything comes.
	setsockopt(sock, SOL_NETLINK, NETLINK_GET_STRICT_CHK, &on, sizeof on);
	// Every ack of a batch is queued before sendmsg returns: without room they are lost (ENOBUFS).
	if (setsockopt(sock, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room) < 0)
		setsockopt(sock, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
	if (setsockopt(sock, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout) == 0)
		return sock;
	fault_set(f, errno, "setsockopt", "netlink", NULL);
	close(sock);
	return -f->errno_;
}

// Copies the text of an extended ack, "" when there is none.
static void ack_text(const struct nlmsghdr *header, const uint8_t *payload, size_t size, char *text, size_t room)
{
	struct nlmsgerr error;
	text[0] = 0;
	if (!(header->nlmsg_flags & NLM_F_ACK_TLVS) || size < sizeof error)
		return;
	memcpy(&error, payload, sizeof error);
	size_t at = sizeof error;
	if (!(header->nlmsg_flags & NLM_F_CAPPED) && error.msg.nlmsg_len > sizeof error.msg)
		at += NLMSG_ALIGN(error.msg.nlmsg_len) - sizeof error.msg;
	while (at < size && size - at >= sizeof(struct nlattr)) {
		struct nlattr attr;
		memcpy(&attr, payload + at, sizeof attr);
		if (attr.nla_len < sizeof attr || attr.nla_len > size - at)
			return;
		if (attr.nla_type == NLMSGERR_ATTR_MSG) {
			snprintf(text, room, "%.*s", (int)(attr.nla_len - sizeof attr), (const char *)payload + at + sizeof attr);
			return;
		}
		at += NLA_ALIGN(attr.nla_len);
	}
}

static void answered(struct exchange *x, uint32_t number)
{
	if (number == 0 || number > x->count || x->waits[number - 1] == WAIT_NOTHING)
		return;
	x->waits[number - 1] = WAIT_NOTHING;
	x->waiting--;
}

// Handles NLMSG_ERROR and NLMSG_DONE, which both begin with a negative errno or 0.
static void take_status(struct exchange *x, const struct nlmsghdr *header, const uint8_t *payload, size_t size)
{
	int32_t status = 0;
	char text[sizeof x->text];
	if (size >= sizeof status)
		memcpy(&status, payload, sizeof status);
	if (status < -MAX_ERRNO)
		status = -EBADMSG;
	ack_text(header, payload, header->nlmsg_type == NLMSG_ERROR ? size : 0, text, sizeof text);
	answered(x, header->nlmsg_seq);
	if (status == 0 && text[0])
		write_str(x->warnings, text);
	// A batch reports its failures in the order of its messages, but acks of broken framing come first.
	if (status >= 0 || (x->failed && x->failed <= header->nlmsg_seq))
		return;
	x->failed = header->nlmsg_seq ? header->nlmsg_seq : 1;
	x->error = -status;
	memcpy(x->text, text, sizeof text);
}

static int keep_reply(struct exchange *x, const uint8_t *message, size_t size)
{
	size_t aligned = NLMSG_ALIGN(size);
	if (x->replies_size + aligned > x->replies_capacity) {
		size_t capacity = x->replies_capacity ? x->replies_capacity : 4096;
		while (capacity < x->replies_size + aligned)
			capacity *= 2;
		uint8_t *replies = realloc(x->replies, capacity);
		if (!replies)
			return -ENOMEM;
		x->replies = replies;
		x->replies_capacity = capacity;
	}
	memset(x->replies + x->replies_size, 0, aligned);
	memcpy(x->replies + x->replies_size, message, size);
	x->replies_size += aligned;
	return 0;
}

// Sorts one datagram's messages.
static int take_datagram(struct exchange *x, const uint8_t *data, size_t size)
{
	int rc = 0;
	while (rc == 0 && size >= sizeof(struct nlmsghdr)) {
		struct nlmsghdr header;
		memcpy(&header, data, sizeof header);
		if (header.nlmsg_len < sizeof header || header.nlmsg_len > size)
			return -EBADMSG;
		if (header.nlmsg_flags & NLM_F_DUMP_INTR)
			x->interrupted = true;
		if (header.nlmsg_type == NLMSG_ERROR || header.nlmsg_type == NLMSG_DONE)
			take_status(x, &header, data + sizeof header, header.nlmsg_len - sizeof header);
		else if (header.nlmsg_type == NLMSG_OVERRUN)
			rc = -EOVERFLOW;
		else if (header.nlmsg_type != NLMSG_NOOP)
			rc = keep_reply(x, data, header.nlmsg_len);
		size_t step = NLMSG_ALIGN(header.nlmsg_len);
		data += step > size ? size : step;
		size -= step > size ? size : step;
	}
	return rc;
}

// Receives until everything that was asked for is answered. The kernel answers everything but dumps before sendmsg
// returns, so after a failure, or when nothing is awaited, only what is there already is taken.
static int collect(struct exchange *x)
{
	CLEAN_FREE uint8_t *buffer = malloc(RECEIVE_BYTES);
	if (!buffer)
		return -ENOMEM;
	for (;;) {
		bool wait = x->waiting > 0 && !x->failed;
		ssize_t n = recv(x->sock, buffer, RECEIVE_BYTES, wait ? MSG_TRUNC : MSG_TRUNC | MSG_DONTWAIT);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return wait ? -ETIMEDOUT : 0;
		if (n < 0)
			return -errno;
		int rc = n > RECEIVE_BYTES ? -EMSGSIZE : take_datagram(x, buffer, (size_t)n);
		if (rc < 0)
			return rc;
	}
}

static int transmit(struct exchange *x)
{
	struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
	ssize_t n;
	do
		n = sendto(x->sock, x->messages, x->size, 0, (struct sockaddr *)&kernel, sizeof kernel);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	return (size_t)n == x->size ? collect(x) : -EIO;
}

// A transaction goes out in one piece.
static void make_room(const struct exchange *x)
{
	int out = (int)x->size * 2 + 4096;
	if (setsockopt(x->sock, SOL_SOCKET, SO_SNDBUFFORCE, &out, sizeof out) < 0)
		setsockopt(x->sock, SOL_SOCKET, SO_SNDBUF, &out, sizeof out);
}

// Closing a netfilter socket waits until the kernel has freed what transactions deleted: RCU grace periods, 5 to 16 ms.
// So the host's is kept while all goes well; after a failure it goes, with whatever answers it may still hold.
static int kept_netfilter = -1;

static bool is_worth_keeping(const struct exchange *x, int ns)
{
	return x->protocol == NETLINK_NETFILTER && ns < 0;
}

static int take_socket(const struct exchange *x, int ns, struct fault *f)
{
	int sock = is_worth_keeping(x, ns) ? kept_netfilter : -1;
	if (sock < 0)
		return open_socket(x, ns, f);
	kept_netfilter = -1;
	return sock;
}

static int exchange_once(struct exchange *x, int ns, struct fault *f)
{
	x->waiting = 0;
	x->replies_size = 0;
	x->failed = 0;
	x->interrupted = false;
	int rc = prepare(x);
	if (rc < 0)
		return fault_set(f, -rc, "protocol", "netlink", rc == -EINVAL ? "malformed netlink messages" : NULL);
	CLEAN_FD int sock = take_socket(x, ns, f);
	if (sock < 0)
		return sock;
	x->sock = sock;
	make_room(x);
	rc = transmit(x);
	if (rc == 0 && !x->failed && is_worth_keeping(x, ns)) {
		kept_netfilter = sock;
		sock = -1;
	}
	if (rc < 0 && !x->failed)
		return fault_set(f, -rc, "netlink", "", rc == -ETIMEDOUT ? "the kernel did not answer" : NULL);
	if (!x->failed)
		return 0;
	char text[sizeof f->text];
	snprintf(text, sizeof text, "%s%s%s (message %u)", strerror(x->error), x->text[0] ? ": " : "", x->text, x->failed);
	return fault_set(f, x->error, "netlink", "", text);
}

int netlink_exchange(int protocol, int ns, uint8_t *messages, size_t size, struct writer *result,
                     struct writer *warnings, struct fault *f)
{
	struct exchange x = {.protocol = protocol, .messages = messages, .size = size, .warnings = warnings};
	int rc = 0;
	for (int tries = 0; tries < MAX_DUMP_TRIES; tries++) {
		rc = exchange_once(&x, ns, f);
		if (rc < 0 || !x.interrupted || x.count > 1)
			break; // a lone dump that raced with a change is simply taken again
	}
	if (rc == 0)
		write_bytes(result, x.replies, x.replies_size);
	free(x.replies);
	free(x.waits);
	return rc;
}
