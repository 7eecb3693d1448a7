// The error convention of keel: a function that can fail returns 0 or -errno and has filled in a struct fault.
// Nothing below main() exits on error; descriptors and memory are released by CLEAN_FD and CLEAN_FREE.
#ifndef KEEL_FAULT_H
#define KEEL_FAULT_H

#include <stddef.h>

struct fault {
	int errno_;      // positive errno, 0 = no fault
	int index;       // of the failed operation in its request, -1 when not applicable
	char op[32];     // operation as the user would look it up: "mount", "openat2", "protocol"
	char path[256];  // what it was done to, shortened at the front when too long, "" for none
	char text[256];  // strerror or a more helpful sentence
};

// Fills `f` and returns -err, so that `return fault_set(f, errno, "mount", dest, NULL);` reads in one line.
// text NULL means strerror(err).
int fault_set(struct fault *f, int err, const char *op, const char *path, const char *text);

void clean_fd(int *fd);
void clean_free(void *pointer);
#define CLEAN_FD __attribute__((cleanup(clean_fd)))
#define CLEAN_FREE __attribute__((cleanup(clean_free)))

#endif
