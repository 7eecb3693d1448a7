// libFuzzer target of the value decoder: `make fuzz`.
#include "wire_feed.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	feed(data, size);
	return 0;
}
