// libFuzzer target of a health check's look at an HTTP answer, in pieces of any size.
#include "../probe.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct head head = {0};
	while (size > 0 && !head.is_over) {
		size_t length = data[0] + 1u < size ? data[0] + 1u : size;
		take(&head, (const char *)data, length);
		data += length;
		size -= length;
	}
	if (status_of(&head) > 999)
		__builtin_trap();
	return 0;
}
