// Messages of criu's as keel reads them, whole and cut off anywhere.
#include "../criu.h"
#include "check.h"

#include <stdlib.h>
#include <string.h>

// type NOTIFY, success, notify { script "setup-namespaces", pid 300 }
static const uint8_t notify[] = {8, 6, 16, 1, 42, 21, 10, 16, 's', 'e', 't', 'u', 'p', '-', 'n', 'a', 'm', 'e', 's', 'p', 'a', 'c', 'e', 's', 16, 0xac, 2};
// type RESTORE, no success, restore { pid 1 }, cr_errno 22, cr_errmsg "why", an unknown fixed32, an unknown fixed64
static const uint8_t failure[] = {8, 2, 16, 0, 34, 2, 8, 1, 56, 22, 74, 3, 'w', 'h', 'y', 125, 1, 2, 3, 4, 121, 1, 2, 3, 4, 5, 6, 7, 8};

// A copy of exactly that size: the sanitizer sees what is read behind it.
static bool decode(const uint8_t *bytes, size_t size, struct criu_answer *a)
{
	uint8_t *copy = malloc(size + !size);
	memcpy(copy, bytes, size);
	bool is_sound = criu_decode(copy, size, a);
	free(copy);
	return is_sound;
}

static void test_whole(void)
{
	struct criu_answer a;
	CHECK(decode(notify, sizeof notify, &a));
	CHECK_INT(a.type, 6);
	CHECK(a.is_success);
	CHECK(strcmp(a.script, "setup-namespaces") == 0);
	CHECK_INT(a.pid, 300);
	CHECK(decode(failure, sizeof failure, &a));
	CHECK(!a.is_success);
	CHECK_INT(a.pid, 1);
	CHECK_INT(a.err, 22);
	CHECK(strcmp(a.message, "why") == 0);
}

static void test_cut(void)
{
	struct criu_answer a;
	CHECK(!decode(notify, 0, &a));
	for (size_t size = 5; size < sizeof notify; size++)
		CHECK(!decode(notify, size, &a));
	for (size_t at = 0; at < sizeof failure; at++)
		for (unsigned byte = 0; byte < 256; byte++) {
			uint8_t copy[sizeof failure];
			memcpy(copy, failure, sizeof copy);
			copy[at] = (uint8_t)byte;
			decode(copy, sizeof copy, &a); // whatever it says, nothing is read outside
		}
}

static void test_long_texts(void)
{
	uint8_t message[4 + 2 + 2 + 255 + 6] = {8, 6, 16, 1, 42, 0};
	struct criu_answer a;
	size_t size = 6;
	message[5] = 122; // length of the notification: a script of 120 bytes
	message[size++] = 10;
	message[size++] = 120;
	memset(message + size, 'x', 120);
	size += 120;
	CHECK(decode(message, size, &a));
	CHECK_INT(strlen(a.script), sizeof a.script - 1);
}

int main(void)
{
	test_whole();
	test_cut();
	test_long_texts();
	return 0;
}
