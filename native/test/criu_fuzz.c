// libFuzzer target of the messages that criu sends. A message is read the same way every time, and one that follows itself says the
// same again: protocol buffers' last value of a field counts.
#include "../criu.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct criu_answer once, twice;
	uint8_t *copy = malloc(2 * size + 1);
	if (size > 0) {
		memcpy(copy, data, size);
		memcpy(copy + size, data, size);
	}
	bool is_sound = criu_decode(data, size, &once);
	if (memchr(once.script, 0, sizeof once.script) == NULL || memchr(once.message, 0, sizeof once.message) == NULL)
		__builtin_trap();
	if (is_sound && (!criu_decode(copy, 2 * size, &twice) || memcmp(&once, &twice, sizeof once) != 0))
		__builtin_trap();
	free(copy);
	return 0;
}
