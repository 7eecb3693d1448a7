// The name service's end in the container's network, in a network namespace of its own: frames against real sockets, then a mutation loop
// over what the daemon could send, which must neither crash nor leave a socket behind.
#include "check.h"
#include "shim.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PORT = 50123, FRAME_HEAD = 4 };
enum { DATAGRAM = 1, BYTES, END, CONNECT, KEEP, FORGET };

static int daemon_end = -1;

static unsigned open_files(void)
{
	unsigned count = 0;
	DIR *dir = opendir("/proc/self/fd");
	while (readdir(dir))
		count++;
	closedir(dir);
	return count;
}

static void ignore(struct watch *w, uint32_t events)
{
	(void)w;
	(void)events;
}

// A client as verbs.c would have made it, with the daemon at the other end.
static struct client *attach(void)
{
	int pair[2];
	struct fault f = {0};
	CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) == 0);
	struct client *c = calloc(1, sizeof *c);
	c->w = (struct watch){.fd = pair[0], .on = ignore};
	c->next = shim.clients;
	shim.clients = c;
	shim.client_count++;
	daemon_end = pair[1];
	CHECK(watch_set(&c->w, EPOLLIN));
	CHECK_INT(dns_open(PORT, &f), PORT);
	dns_attach(c);
	return c;
}

static void detach(struct client *c)
{
	client_drop(c);
	close(daemon_end);
	clients_sweep(now_ms());
}

static bool take(const struct writer *w)
{
	struct reader r;
	return wire_open(&r, w->data + FRAME_HEAD, w->size - FRAME_HEAD) && dns_take(r);
}

static void frame(struct writer *w, int64_t kind)
{
	write_begin(w);
	write_int(w, kind);
}

// Turns the loop until the daemon has a frame, and opens it.
static struct reader next_frame(int64_t kind)
{
	static uint8_t *body;
	struct reader r;
	int64_t got = 0;
	size_t size = 0;
	uint8_t head;
	free(body);
	body = NULL;
	for (int i = 0; i < 100 && recv(daemon_end, &head, 1, MSG_PEEK | MSG_DONTWAIT) != 1; i++)
		loop_round(50);
	CHECK_INT(frame_recv(daemon_end, &body, &size), 1);
	CHECK(wire_open(&r, body, size));
	CHECK(wire_int(&r, &got));
	CHECK_INT(got, kind);
	return r;
}

static void own_network(void)
{
	struct ifreq up = {.ifr_name = "lo", .ifr_flags = IFF_UP};
	CHECK(unshare(CLONE_NEWNET) == 0);
	int sock = socket(AF_INET, SOCK_DGRAM, 0);
	CHECK(ioctl(sock, SIOCSIFFLAGS, &up) == 0);
	close(sock);
}

static void test_datagram(void)
{
	struct client *c = attach();
	struct sockaddr_in service = {.sin_family = AF_INET, .sin_port = htons(PORT), .sin_addr = {htonl(0x7f00000b)}};
	int asker = socket(AF_INET, SOCK_DGRAM, 0);
	CHECK(connect(asker, (struct sockaddr *)&service, sizeof service) == 0);
	CHECK(send(asker, "question", 8, 0) == 8);
	struct reader r = next_frame(DATAGRAM);
	const uint8_t *peer, *data;
	size_t peer_size, size;
	CHECK(wire_bytes(&r, &peer, &peer_size) && wire_bytes(&r, &data, &size) && wire_done(&r));
	CHECK(peer_size == 6 && size == 8 && memcmp(data, "question", 8) == 0);
	struct writer w = {0};
	frame(&w, DATAGRAM);
	write_bytes(&w, peer, peer_size);
	write_bytes(&w, "answer", 6);
	write_close(&w);
	CHECK(take(&w));
	char got[16];
	CHECK(recv(asker, got, sizeof got, 0) == 6 && memcmp(got, "answer", 6) == 0);
	write_free(&w);
	close(asker);
	detach(c);
}

static void keep_two(void)
{
	struct writer w = {0};
	frame(&w, KEEP);
	write_bytes(&w, "uestion", 7);
	write_open(&w);
	write_bytes(&w, "one", 3);
	write_bytes(&w, "two!", 4);
	write_close(&w);
	write_close(&w);
	CHECK(take(&w));
	write_free(&w);
}

static void expect(int asker, const char *question, const char *answer)
{
	char got[16] = {0};
	CHECK(send(asker, question, strlen(question), 0) == (ssize_t)strlen(question));
	loop_round(1000);
	CHECK(recv(asker, got, sizeof got, MSG_DONTWAIT) == (ssize_t)strlen(answer));
	CHECK(strcmp(got, answer) == 0);
}

// What the daemon lets us answer is answered under each question's own number, by turns, and never after it was taken back.
static void test_kept_answers(void)
{
	struct client *c = attach();
	struct sockaddr_in service = {.sin_family = AF_INET, .sin_port = htons(PORT), .sin_addr = {htonl(0x7f00000b)}};
	int asker = socket(AF_INET, SOCK_DGRAM, 0);
	CHECK(connect(asker, (struct sockaddr *)&service, sizeof service) == 0);
	keep_two();
	expect(asker, "12uestion", "12one");
	expect(asker, "34uestion", "34two!");
	expect(asker, "56uestion", "56one");
	keep_two(); // again: from the first on
	expect(asker, "78uestion", "78one");
	CHECK(send(asker, "12uestions", 10, 0) == 10);
	next_frame(DATAGRAM); // another question
	struct writer w = {0};
	frame(&w, FORGET);
	write_close(&w);
	CHECK(take(&w));
	write_free(&w);
	CHECK(send(asker, "12uestion", 9, 0) == 9);
	next_frame(DATAGRAM);
	keep_two();
	detach(c);
	c = attach();
	CHECK(send(asker, "12uestion", 9, 0) == 9);
	next_frame(DATAGRAM); // of a daemon that is gone
	close(asker);
	detach(c);
}

// Many more than there is room for: some are driven out, none is mixed up.
static void test_crowded_answers(void)
{
	unsigned found = 0;
	char question[32], answer[32];
	size_t size;
	for (int i = 0; i < 1000; i++) {
		snprintf(question, sizeof question, "question %d", i);
		snprintf(answer, sizeof answer, "answer %d", i);
		struct kept_answers a = {.count = 1, .sizes = {strlen(answer)}, .bytes = {(uint8_t *)answer}};
		answers_keep((uint8_t *)question, strlen(question), &a);
	}
	for (int i = 0; i < 1000; i++) {
		snprintf(question, sizeof question, "question %d", i);
		snprintf(answer, sizeof answer, "answer %d", i);
		const uint8_t *got = answers_find((uint8_t *)question, strlen(question), &size);
		CHECK(!got || (size == strlen(answer) && memcmp(got, answer, size) == 0));
		found += got != NULL;
	}
	CHECK_INT(found, 64);
	answers_forget();
	CHECK(!answers_find((uint8_t *)question, strlen(question), &size));
}

// Nothing is read for a daemon that does not read, and everything is there when it does again.
static void test_backpressure(void)
{
	static char block[32 << 10];
	struct client *c = attach();
	struct sockaddr_in service = {.sin_family = AF_INET, .sin_port = htons(PORT), .sin_addr = {htonl(0x7f00000b)}};
	int asker = socket(AF_INET, SOCK_STREAM, 0);
	CHECK(connect(asker, (struct sockaddr *)&service, sizeof service) == 0);
	size_t sent = 0, received = 0;
	for (int idle = 0; idle < 20; idle++) {
		ssize_t n = send(asker, block, sizeof block, MSG_DONTWAIT);
		if (n > 0) {
			sent += (size_t)n;
			idle = 0;
		}
		loop_round(0);
		CHECK(client_waiting(c) < 256 << 10);
	}
	next_frame(BYTES); // the flow stands
	while (received < sent) {
		const uint8_t *data;
		size_t size;
		int64_t flow;
		if (client_waiting(c) > 0) {
			client_flush(c);
			dns_resume();
		}
		struct reader r = next_frame(BYTES);
		CHECK(wire_int(&r, &flow) && wire_bytes(&r, &data, &size));
		received += size;
	}
	CHECK_INT(received, sent);
	close(asker);
	detach(c);
}

static void sample(struct writer *w, int which)
{
	static const uint8_t peer[6] = {127, 0, 0, 1, 0x12, 0x34}, localhost[16] = {127, 0, 0, 1};
	memset(w, 0, sizeof *w);
	if (which % 5 == 4) {
		frame(w, KEEP);
		write_bytes(w, "question", 8);
		write_open(w);
		write_bytes(w, "answer", 6);
		write_bytes(w, "another", 7);
		write_close(w);
		write_close(w);
		return;
	}
	frame(w, 1 + which % 4);
	if (which % 4 == 0)
		write_bytes(w, peer, sizeof peer);
	else
		write_int(w, 1 + which / 4 % 3 * 2);
	if (which % 4 < 2)
		write_bytes(w, "some bytes", 10);
	if (which % 4 == 3) {
		write_int(w, which & 4);
		write_bytes(w, localhost, which & 8 ? 16 : 4);
		write_int(w, PORT);
	}
	write_close(w);
}

static void test_mutations(void)
{
	unsigned seed = 1, accepted = 0;
	struct client *c = attach();
	char sink[4096];
	for (int round = 0; round < 20000; round++) {
		struct writer w;
		sample(&w, round);
		for (int i = rand_r(&seed) % 3; i > 0; i--)
			w.data[FRAME_HEAD + (unsigned)rand_r(&seed) % (w.size - FRAME_HEAD)] = (uint8_t)rand_r(&seed);
		accepted += take(&w);
		write_free(&w);
		if (round % 8 == 0)
			loop_round(0);
		client_flush(c);
		while (recv(daemon_end, sink, sizeof sink, MSG_DONTWAIT) > 0)
			;
	}
	CHECK(accepted > 5000);
	detach(c);
}

int main(void)
{
	struct fault f = {0};
	own_network();
	shim.init_pidfd = pidfd_open(getpid(), 0);
	CHECK(loop_open(&f) == 0);
	test_datagram();
	test_kept_answers();
	test_crowded_answers();
	dns_close();
	unsigned before = open_files();
	test_backpressure();
	test_mutations();
	dns_close();
	CHECK_INT(open_files(), before);
	return 0;
}
