// Values and frames: what is written is read back, and no mutation of a message makes the reader leave its buffer
// (run under the address sanitizer, over a copy that ends where the message ends).
#include "check.h"
#include "fault.h"
#include "wire_feed.h"

#include <errno.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MUTATIONS = 200000 };

static void write_sample(struct writer *w)
{
	write_begin(w);
	write_int(w, 2);
	write_open(w);
	write_open(w);
	write_int(w, -5);
	write_str(w, "/some/path");
	write_bytes(w, "a\0b", 3);
	write_close(w);
	write_open(w);
	write_close(w);
	write_close(w);
	write_int(w, INT64_MIN);
	write_str(w, "");
}

static void what_is_written_is_read_back(void)
{
	struct writer w = {0};
	size_t size;
	write_sample(&w);
	const uint8_t *frame = frame_bytes(&w, &size);
	CHECK(frame != NULL);
	struct reader r, list, inner, empty;
	int64_t number;
	const char *text;
	const uint8_t *bytes;
	CHECK(wire_open(&r, frame + 4, size - 4));
	CHECK(wire_matches(r, "ilis"));
	CHECK(wire_matches(r, "il*"));
	CHECK(!wire_matches(r, "il"));
	CHECK(!wire_matches(r, "iliss"));
	CHECK(wire_int(&r, &number) && number == 2);
	CHECK(wire_list(&r, &list));
	CHECK(wire_list(&list, &inner));
	CHECK(wire_int(&inner, &number) && number == -5);
	CHECK(wire_str(&inner, &text) && strcmp(text, "/some/path") == 0);
	CHECK(!wire_matches(inner, "s")); // an embedded NUL is no string
	CHECK(wire_bytes(&inner, &bytes, &size) && size == 3 && memcmp(bytes, "a\0b", 4) == 0);
	CHECK(wire_done(&inner));
	CHECK(wire_list(&list, &empty) && wire_done(&empty) && wire_done(&list));
	CHECK(wire_int(&r, &number) && number == INT64_MIN);
	CHECK(wire_str(&r, &text) && *text == 0);
	CHECK(wire_done(&r));
	CHECK(!wire_int(&r, &number) && r.bad && !wire_done(&r));
	write_free(&w);
}

static void a_wrong_type_spoils_the_reader(void)
{
	struct writer w = {0};
	size_t size;
	write_sample(&w);
	const uint8_t *frame = frame_bytes(&w, &size);
	struct reader r;
	const char *text;
	int64_t number;
	CHECK(wire_open(&r, frame + 4, size - 4));
	CHECK(!wire_str(&r, &text));
	CHECK(!wire_int(&r, &number));
	CHECK(wire_peek(&r) == 0);
	write_free(&w);
}

static void nesting_is_limited(void)
{
	struct writer w = {0};
	write_begin(&w);
	for (int i = 1; i < WIRE_MAX_DEPTH; i++)
		write_open(&w);
	CHECK(!w.failed);
	write_open(&w);
	CHECK(w.failed);
	size_t size;
	CHECK(frame_bytes(&w, &size) == NULL);
	write_free(&w);

	uint8_t deep[9 * (WIRE_MAX_DEPTH + 1)];
	for (int i = 0; i <= WIRE_MAX_DEPTH; i++) {
		uint32_t count = i < WIRE_MAX_DEPTH, length = (uint32_t)(sizeof deep - 9 * (size_t)i - 5);
		deep[9 * i] = WIRE_LIST;
		memcpy(deep + 9 * i + 1, &length, 4);
		memcpy(deep + 9 * i + 5, &count, 4);
	}
	CHECK(!feed(deep, sizeof deep));
}

static void an_oversized_frame_is_not_written(void)
{
	struct writer w = {0};
	static uint8_t block[1 << 20];
	write_begin(&w);
	for (int i = 0; i < 17; i++)
		write_bytes(&w, block, sizeof block);
	CHECK(w.failed);
	CHECK_INT(frame_send(1, &w), -EMSGSIZE);
	write_free(&w);
}

static void a_writer_can_be_nested(void)
{
	struct writer w = {0}, part = {0};
	struct reader r, inner;
	int64_t number;
	size_t size;
	write_begin(&part);
	write_int(&part, 7);
	write_begin(&w);
	write_int(&w, 1);
	write_nested(&w, &part);
	const uint8_t *frame = frame_bytes(&w, &size);
	CHECK(wire_open(&r, frame + 4, size - 4) && wire_matches(r, "il"));
	CHECK(wire_int(&r, &number) && wire_list(&r, &inner) && wire_int(&inner, &number) && number == 7);
	write_free(&w);
	write_free(&part);
}

static void *send_sample(void *fd)
{
	struct writer w = {0};
	static uint8_t block[300000];
	write_sample(&w);
	CHECK_INT(frame_send(*(int *)fd, &w), 0);
	write_begin(&w);
	write_bytes(&w, block, sizeof block);
	CHECK_INT(frame_send(*(int *)fd, &w), 0);
	write_free(&w);
	struct fault f;
	fault_set(&f, ENOENT, "mount", "/x", NULL);
	f.index = 3;
	CHECK_INT(frame_fault(*(int *)fd, &f), 0);
	CHECK_INT(send_all(*(int *)fd, "\x10\0\0", 3), 0); // a cut-off length
	close(*(int *)fd);
	return NULL;
}

static void frames_cross_a_socket(void)
{
	int pair[2];
	pthread_t thread;
	CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
	CHECK(pthread_create(&thread, NULL, send_sample, &pair[1]) == 0);
	for (int i = 0; i < 3; i++) {
		CLEAN_FREE uint8_t *body = NULL;
		size_t size;
		struct reader r;
		CHECK_INT(frame_recv(pair[0], &body, &size), 1);
		CHECK(wire_open(&r, body, size));
		CHECK(wire_matches(r, i == 0 ? "ilis" : i == 1 ? "b" : "isssi"));
	}
	uint8_t *body;
	size_t size;
	CHECK_INT(frame_recv(pair[0], &body, &size), -ECONNRESET);
	CHECK_INT(frame_recv(pair[0], &body, &size), 0);
	pthread_join(thread, NULL);
	close(pair[0]);
}

static void a_frame_length_is_not_believed(void)
{
	int pair[2];
	uint8_t *body;
	size_t size;
	CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
	CHECK_INT(send_all(pair[1], "\xff\xff\xff\xff", 4), 0);
	CHECK_INT(frame_recv(pair[0], &body, &size), -EMSGSIZE);
	CHECK_INT(send_all(pair[1], "\0\0\0\0", 4), 0);
	CHECK_INT(frame_recv(pair[0], &body, &size), -EMSGSIZE);
	close(pair[0]);
	CHECK_INT(send_all(pair[1], "x", 1), -EPIPE); // and no signal
	close(pair[1]);
}

static uint32_t next_random(uint32_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 17;
	return *state ^= *state << 5;
}

static void mutations_stay_inside(void)
{
	struct writer w = {0};
	size_t size;
	write_sample(&w);
	const uint8_t *frame = frame_bytes(&w, &size);
	size -= 4;
	uint32_t seed = 0x9E3779B9;
	unsigned accepted = 0;
	for (int i = 0; i < MUTATIONS; i++) {
		size_t length = next_random(&seed) % 4 ? size : next_random(&seed) % (size + 1);
		CLEAN_FREE uint8_t *copy = malloc(length ? length : 1); // exact, so that a byte too far is seen
		memcpy(copy, frame + 4, length);
		for (uint32_t n = next_random(&seed) % 4; length > 0 && n > 0; n--) {
			static const uint8_t edges[] = {0, 1, 2, 3, 4, 0x7f, 0x80, 0xfe, 0xff};
			uint32_t at = next_random(&seed) % length;
			copy[at] = next_random(&seed) % 2 ? edges[next_random(&seed) % sizeof edges] : (uint8_t)next_random(&seed);
		}
		accepted += feed(copy, length);
	}
	CHECK(accepted > MUTATIONS / 100); // else the mutations are too wild to test anything
	CHECK(accepted < MUTATIONS);
	write_free(&w);
}

int main(void)
{
	what_is_written_is_read_back();
	a_wrong_type_spoils_the_reader();
	nesting_is_limited();
	an_oversized_frame_is_not_written();
	a_writer_can_be_nested();
	frames_cross_a_socket();
	a_frame_length_is_not_believed();
	mutations_stay_inside();
	return 0;
}
