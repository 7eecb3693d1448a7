// The name service's ears and feet in the container's network namespace (PROTOCOL.md "Name service"): a UDP and a TCP socket at
// 127.0.0.11, and sockets that the daemon asks for to reach servers from there. Bytes are carried to the daemon's connection and back;
// nothing in here knows what a name is. Without a daemon nothing is read: questions wait in the kernel's buffers or time out.
// What the daemon has allowed to be answered here (answers.c) goes back at once.
#include "shim.h"

#include "netns.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { DNS_DATAGRAM = 1, DNS_BYTES, DNS_END, DNS_CONNECT, DNS_KEEP, DNS_FORGET };
enum { ID_SIZE = 2 }; // what differs each time between questions that are the same
enum { PEER_AT = offsetof(struct sockaddr_in, sin_port), PEER_SIZE = 6 }; // port and address, side by side
enum { SERVICE_ADDRESS = 0x7f00000b, READS_PER_TURN = 16, MAX_FLOWS = 256, MAX_ACCEPTED = 64 };
enum { DAEMON_LIMIT = 64 << 10, FLOW_ROOM = 256 << 10, BACKLOG = 16 };

// A TCP connection to us (even number) or a socket that the daemon asked for (odd).
struct flow {
	struct watch w;
	struct flow *next;
	int64_t number;
	bool is_open; // connected, and the daemon was told
	bool is_over; // the other side sends no more, and the daemon was told: it closes when it has said what it has to say
};

static struct watch udp = {.fd = -1}, tcp = {.fd = -1};
static int service_port;
static struct client *the_daemon;
static struct flow *flows;
static unsigned flow_count, accepted_count;
static int64_t last_accepted;

static void begin(struct writer *w, int kind)
{
	memset(w, 0, sizeof *w);
	write_begin(w);
	write_int(w, kind);
}

static void tell_datagram(const struct sockaddr_in *from, const void *data, size_t size)
{
	struct writer w;
	begin(&w, DNS_DATAGRAM);
	write_bytes(&w, (const uint8_t *)from + PEER_AT, PEER_SIZE);
	write_bytes(&w, data, size);
	client_reply(the_daemon, &w);
}

static void tell_bytes(int64_t flow, const void *data, size_t size)
{
	struct writer w;
	begin(&w, DNS_BYTES);
	write_int(&w, flow);
	write_bytes(&w, data, size);
	client_reply(the_daemon, &w);
}

static void tell_end(int64_t flow, int error)
{
	struct writer w;
	begin(&w, DNS_END);
	write_int(&w, flow);
	write_int(&w, error);
	client_reply(the_daemon, &w);
}

static bool daemon_has_room(void)
{
	return the_daemon && !the_daemon->is_dropped && client_waiting(the_daemon) < DAEMON_LIMIT;
}

static void listen_to(struct watch *w, uint32_t events)
{
	if (daemon_has_room())
		watch_set(w, events);
	else
		watch_off(w);
}

// Reads from the container only what the daemon takes.
void dns_resume(void)
{
	listen_to(&udp, EPOLLIN);
	listen_to(&tcp, EPOLLIN);
	for (struct flow *f = flows; f; f = f->next)
		if (f->is_over)
			watch_off(&f->w);
		else
			listen_to(&f->w, f->is_open ? EPOLLIN : EPOLLOUT);
}

static void flow_end(struct flow *f, int error)
{
	for (struct flow **link = &flows; *link; link = &(*link)->next)
		if (*link == f) {
			*link = f->next;
			break;
		}
	flow_count--;
	accepted_count -= f->number % 2 == 0;
	watch_close(&f->w);
	if (the_daemon && error >= 0)
		tell_end(f->number, error);
	free(f);
}

static void flow_on(struct watch *w, uint32_t events)
{
	struct flow *f = (struct flow *)w;
	(void)events;
	if (!f->is_open) {
		int error = 0;
		socklen_t size = sizeof error;
		if (getsockopt(w->fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0 || error) {
			flow_end(f, error ? error : errno);
			return;
		}
		f->is_open = true;
		tell_bytes(f->number, "", 0);
		dns_resume();
		return;
	}
	loop_touch_buffers();
	for (int turn = 0; turn < READS_PER_TURN && daemon_has_room(); turn++) {
		ssize_t n = recv(w->fd, shim_scratch, SCRATCH_SIZE, MSG_DONTWAIT);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0) {
			flow_end(f, errno);
			return;
		}
		if (n == 0) { // an empty datagram, too, says nothing
			f->is_over = true;
			tell_end(f->number, 0);
			break;
		}
		tell_bytes(f->number, shim_scratch, (size_t)n);
	}
	dns_resume();
}

static struct flow *flow_new(int fd, int64_t number)
{
	struct flow *f = flow_count < MAX_FLOWS ? calloc(1, sizeof *f) : NULL;
	if (!f)
		return NULL;
	*f = (struct flow){.w = {.fd = fd, .on = flow_on}, .next = flows, .number = number};
	flows = f;
	flow_count++;
	return f;
}

static void tcp_on(struct watch *w, uint32_t events)
{
	(void)events;
	int fd = accept4(w->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK), room = FLOW_ROOM;
	if (fd < 0)
		return;
	struct flow *f = accepted_count < MAX_ACCEPTED ? flow_new(fd, last_accepted + 2) : NULL;
	if (!f) {
		close(fd);
		return;
	}
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
	last_accepted = f->number;
	accepted_count++;
	f->is_open = true;
	tell_bytes(f->number, "", 0);
	dns_resume();
}

// Answers a question as the daemon has answered the same one before; false when it has to be asked.
static bool answer_here(const struct sockaddr_in *from, uint8_t *question, size_t size)
{
	size_t answer_size;
	const uint8_t *answer = size > ID_SIZE ? answers_find(question + ID_SIZE, size - ID_SIZE, &answer_size) : NULL;
	if (!answer)
		return false;
	struct iovec parts[] = {{question, ID_SIZE}, {(void *)answer, answer_size}};
	struct msghdr message = {.msg_name = (void *)from, .msg_namelen = sizeof *from, .msg_iov = parts, .msg_iovlen = 2};
	sendmsg(udp.fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL); // ignored: whoever asked asks again
	return true;
}

static void udp_on(struct watch *w, uint32_t events)
{
	(void)events;
	loop_touch_buffers();
	for (int turn = 0; turn < READS_PER_TURN && daemon_has_room(); turn++) {
		struct sockaddr_in from;
		socklen_t size = sizeof from;
		ssize_t n = recvfrom(w->fd, shim_scratch, SCRATCH_SIZE, MSG_DONTWAIT, (struct sockaddr *)&from, &size);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return;
		if (!answer_here(&from, shim_scratch, (size_t)n))
			tell_datagram(&from, shim_scratch, (size_t)n);
	}
	dns_resume();
}

static int listen_on(int type, int port, struct fault *f)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr = {htonl(SERVICE_ADDRESS)}};
	int fd = netns_socket(shim.init_pidfd, AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, f);
	if (fd < 0)
		return fd;
	if (bind(fd, (struct sockaddr *)&address, sizeof address) == 0 && (type == SOCK_DGRAM || listen(fd, BACKLOG) == 0))
		return fd;
	fault_set(f, errno, "bind", "127.0.0.11", NULL);
	close(fd);
	return -f->errno_;
}

int dns_open(int port, struct fault *f)
{
	if (udp.fd >= 0)
		return service_port;
	int datagrams = listen_on(SOCK_DGRAM, port, f);
	int streams = datagrams < 0 ? datagrams : listen_on(SOCK_STREAM, port, f);
	if (streams < 0) {
		clean_fd(&datagrams);
		return streams;
	}
	udp = (struct watch){.fd = datagrams, .on = udp_on};
	tcp = (struct watch){.fd = streams, .on = tcp_on};
	return service_port = port;
}

void dns_attach(struct client *c)
{
	if (the_daemon)
		client_drop(the_daemon); // of a daemon that is gone; its flows went with it
	c->kind = CLIENT_DNS;
	the_daemon = c;
	dns_resume();
}

void dns_detach(struct client *c)
{
	if (c != the_daemon)
		return;
	the_daemon = NULL;
	answers_forget(); // names change without us now
	while (flows)
		flow_end(flows, -1);
	dns_resume();
}

void dns_close(void)
{
	if (the_daemon)
		client_drop(the_daemon);
	answers_forget();
	watch_close(&udp);
	watch_close(&tcp);
}

static void send_datagram(const uint8_t *peer, const uint8_t *data, size_t size)
{
	struct sockaddr_in to = {.sin_family = AF_INET};
	memcpy((uint8_t *)&to + PEER_AT, peer, PEER_SIZE);
	sendto(udp.fd, data, size, MSG_DONTWAIT | MSG_NOSIGNAL, (struct sockaddr *)&to, sizeof to); // ignored: whoever asked asks again
}

static bool take_answers(struct reader *r)
{
	struct kept_answers answers = {0};
	const uint8_t *question;
	size_t size;
	struct reader list;
	if (!wire_bytes(r, &question, &size) || !wire_list(r, &list) || !wire_done(r) || list.left > MAX_KEPT)
		return false;
	while (list.left > 0)
		if (!wire_bytes(&list, &answers.bytes[answers.count], &answers.sizes[answers.count]))
			return false;
		else
			answers.count++;
	answers_keep(question, size, &answers);
	return true;
}

static void start_connect(int64_t number, bool is_stream, const uint8_t *address, size_t size, int64_t port)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)};
	struct fault f;
	if (size == 4)
		memcpy(&v4.sin_addr, address, 4);
	else
		memcpy(&v6.sin6_addr, address, 16);
	int type = (is_stream ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC | SOCK_NONBLOCK;
	int fd = netns_socket(shim.init_pidfd, size == 4 ? AF_INET : AF_INET6, type, 0, &f);
	if (fd < 0) {
		tell_end(number, f.errno_);
		return;
	}
	int rc = size == 4 ? connect(fd, (struct sockaddr *)&v4, sizeof v4) : connect(fd, (struct sockaddr *)&v6, sizeof v6);
	int error = rc < 0 && errno != EINPROGRESS ? errno : 0;
	struct flow *flow = error ? NULL : flow_new(fd, number);
	if (!flow) {
		close(fd);
		tell_end(number, error ? error : EMFILE);
		return;
	}
	dns_resume(); // an open socket is writable, and told of by flow_on
}

static struct flow *find_flow(int64_t number)
{
	for (struct flow *f = flows; f; f = f->next)
		if (f->number == number)
			return f;
	return NULL;
}

// Flows end on both sides at any time: what comes for one that is gone is ignored.
static void flow_write(struct flow *f, const uint8_t *data, size_t size)
{
	if (!f)
		return;
	ssize_t n = send(f->w.fd, data, size, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n != (ssize_t)size)
		flow_end(f, n < 0 ? errno : ENOBUFS); // who does not read for so long gets no more
}

bool dns_take(struct reader r)
{
	int64_t kind = 0, number = 0, is_stream = 0, port = 0;
	const uint8_t *peer = NULL, *data = NULL;
	size_t peer_size = 0, size = 0;
	wire_int(&r, &kind);
	if (kind == DNS_DATAGRAM && wire_bytes(&r, &peer, &peer_size) && wire_bytes(&r, &data, &size) && wire_done(&r) && peer_size == PEER_SIZE) {
		send_datagram(peer, data, size);
	} else if (kind == DNS_BYTES && wire_int(&r, &number) && wire_bytes(&r, &data, &size) && wire_done(&r)) {
		flow_write(find_flow(number), data, size);
	} else if (kind == DNS_END && wire_int(&r, &number) && wire_done(&r)) {
		struct flow *f = find_flow(number);
		if (f)
			flow_end(f, -1);
	} else if (kind == DNS_CONNECT && wire_int(&r, &number) && wire_int(&r, &is_stream) && wire_bytes(&r, &peer, &peer_size) &&
	           wire_int(&r, &port) && wire_done(&r) && (peer_size == 4 || peer_size == 16) && number % 2 && port > 0 && port < 65536 &&
	           !find_flow(number)) {
		start_connect(number, is_stream != 0, peer, peer_size, port);
	} else if (kind == DNS_KEEP && take_answers(&r)) {
		return true;
	} else if (kind == DNS_FORGET && wire_done(&r)) {
		answers_forget();
	} else {
		return false;
	}
	return true;
}
