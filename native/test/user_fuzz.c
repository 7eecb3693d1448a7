// libFuzzer target of USER against an image's account files: the input is three texts with NUL between them, the first is the user.
#include "user.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// A copy without room behind it, so that a byte too much is seen.
static struct text exact(const uint8_t **data, size_t *size)
{
	const uint8_t *end = memchr(*data, 0, *size);
	size_t length = end ? (size_t)(end - *data) : *size;
	char *copy = malloc(length ? length : 1);
	memcpy(copy, *data, length);
	*data += length + (end != NULL);
	*size -= length + (end != NULL);
	return (struct text){copy, length};
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct user u;
	struct fault f = {0};
	struct reader none = {0};
	struct text spec = exact(&data, &size), passwd = exact(&data, &size), group = exact(&data, &size);
	char *name = strndup(spec.data, spec.size);
	if (user_resolve(name, &none, passwd, group, &u, &f) == 0) {
		if (u.uid > MAX_USER_ID || u.gid > MAX_USER_ID || u.group_count == 0 || u.group_count > MAX_GROUPS || u.home[0] == 0)
			__builtin_trap();
		// A number is that user, whatever the files call it.
		char *end;
		unsigned long number = strtoul(name, &end, 10);
		if (name[0] >= '0' && name[0] <= '9' && (*end == 0 || *end == ':') && u.uid != number)
			__builtin_trap();
	} else if (f.errno_ <= 0 || f.text[0] == 0) {
		__builtin_trap();
	}
	free(name);
	free((char *)spec.data);
	free((char *)passwd.data);
	free((char *)group.data);
	return 0;
}
