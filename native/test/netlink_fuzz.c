// libFuzzer target of what netlink answers, and of what is to be sent: the first byte says which.
#include "../netns.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void answers(const uint8_t *data, size_t size)
{
	uint8_t waits[4] = {1, 1, 1, 1};
	struct writer warnings = {0};
	write_begin(&warnings);
	struct exchange x = {.warnings = &warnings, .count = 4, .waiting = 4};
	x.waits = (void *)waits;
	uint8_t *copy = malloc(size ? size : 1);
	memcpy(copy, data, size);
	take_datagram(&x, copy, size);
	if (x.waiting > 4 || x.replies_size > size + 3 || (x.failed && x.error <= 0))
		__builtin_trap();
	free(copy);
	free(x.replies);
	write_free(&warnings);
}

static void requests(const uint8_t *data, size_t size)
{
	uint8_t *copy = malloc(size ? size : 1);
	memcpy(copy, data, size);
	struct exchange x = {.messages = copy, .size = size};
	prepare(&x);
	free(x.waits);
	free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size > 0)
		data[0] & 1 ? requests(data + 1, size - 1) : answers(data + 1, size - 1);
	return 0;
}
