// The ring on disk: what went in comes out, in order, over many rounds of the ring, and never more is taken than fits.
#include "../shim.h"
#include "check.h"

#include <dirent.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { LIMIT = 1000, PIECE = 300, ROUNDS = 500 };

static uint8_t byte_at(int64_t i)
{
	return (uint8_t)(i * 7 + i / 256);
}

static int count_files(const char *dir)
{
	int n = 0;
	DIR *d = opendir(dir);
	CHECK(d);
	for (struct dirent *e; (e = readdir(d));)
		n += e->d_name[0] != '.';
	closedir(d);
	return n;
}

static void check_received(int fd, int64_t *received)
{
	uint8_t got[LIMIT];
	ssize_t n = recv(fd, got, sizeof got, MSG_DONTWAIT);
	for (ssize_t i = 0; i < n; i++)
		CHECK_INT(got[i], byte_at((*received)++));
}

static void test_ring(void)
{
	int pair[2];
	struct spill s = {0};
	int64_t put = 0, received = 0;
	CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) == 0);
	for (int round = 0; round < ROUNDS; round++) {
		uint8_t piece[PIECE];
		for (int i = 0; i < PIECE; i++)
			piece[i] = byte_at(put + i);
		size_t taken = spill_put(&s, piece, PIECE);
		CHECK(taken <= PIECE && spill_waiting(&s) <= LIMIT);
		CHECK(taken == PIECE || spill_waiting(&s) == LIMIT);
		put += (int64_t)taken;
		CHECK_INT(count_files(shim.plan.spill_dir), 0); // its file has no name
		if (round % 3 == 0)
			continue;
		CHECK(spill_send(&s, pair[0]) > 0);
		check_received(pair[1], &received);
	}
	while (spill_waiting(&s) > 0) {
		CHECK(spill_send(&s, pair[0]) > 0);
		check_received(pair[1], &received);
	}
	CHECK_INT(received, put);
	CHECK(put > 50 * LIMIT);
	CHECK(!s.is_open); // empty: the file is gone
	close(pair[0]);
	close(pair[1]);
}

static void test_without_directory(void)
{
	struct spill s = {0};
	const char *dir = shim.plan.spill_dir;
	shim.plan.spill_dir = "";
	CHECK_INT(spill_put(&s, (const uint8_t *)"x", 1), 0);
	shim.plan.spill_dir = "/proc/missing";
	CHECK_INT(spill_put(&s, (const uint8_t *)"x", 1), 0);
	shim.plan.spill_dir = dir;
	shim.plan.spill_limit = 0;
	CHECK_INT(spill_put(&s, (const uint8_t *)"x", 1), 0);
	spill_close(&s);
}

int main(void)
{
	char dir[] = "/tmp/keel-spill-XXXXXX";
	CHECK(mkdtemp(dir));
	shim.plan.spill_dir = dir;
	shim.plan.spill_limit = LIMIT;
	test_ring();
	test_without_directory();
	CHECK(rmdir(dir) == 0);
	return 0;
}
