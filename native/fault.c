// The error convention's two helpers and the scope clean-ups, see fault.h. No I/O, no exit.
#include "fault.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void copy_front(char *to, size_t size, const char *from)
{
	size_t length = strlen(from);
	if (length >= size)
		length = size - 1;
	memcpy(to, from, length);
	to[length] = 0;
}

int fault_set(struct fault *f, int err, const char *op, const char *path, const char *text)
{
	if (err <= 0)
		err = EINVAL; // a caller that lost errno must not turn a failure into a success
	f->errno_ = err;
	f->index = -1;
	copy_front(f->op, sizeof f->op, op);
	path = path ? path : "";
	size_t length = strlen(path);
	if (length < sizeof f->path) {
		memcpy(f->path, path, length + 1);
	} else { // the end of a path says more than its beginning
		memcpy(f->path, "...", 3);
		memcpy(f->path + 3, path + length - (sizeof f->path - 4), sizeof f->path - 3);
	}
	copy_front(f->text, sizeof f->text, text ? text : strerror(err));
	return -err;
}

void clean_fd(int *fd)
{
	if (*fd >= 0) {
		int saved = errno;
		close(*fd);
		errno = saved;
	}
}

void clean_free(void *pointer)
{
	free(*(void **)pointer);
}
