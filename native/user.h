// Docker's USER syntax against the text of /etc/passwd and /etc/group, both of which belong to the image. Pure and bounded: no allocation,
// no recursion, no system call. The rules are moby/sys/user's.
#ifndef KEEL_USER_H
#define KEEL_USER_H

#include "fault.h"
#include "wire.h"

#include <stdint.h>

enum { MAX_GROUPS = 1024, MAX_HOME = 256, MAX_USER_FILE = 4 << 20 };
enum { MAX_USER_ID = 0x7FFFFFFF };

struct text {
	const char *data; // not terminated; NULL: there is no such file
	size_t size;
};

struct user {
	uint32_t uid, gid;
	uint32_t groups[MAX_GROUPS]; // supplementary, the primary one first
	unsigned group_count;
	char home[MAX_HOME]; // "/" when nothing is known
};

// Resolves `spec` ("", "name", "uid", "name:group", "uid:gid", …) and the additional groups (names or numbers).
// Fails with Docker's text: "unable to find user NAME: no matching entries in passwd file". 0 or -errno.
int user_resolve(const char *spec, struct reader *added, struct text passwd, struct text group, struct user *u, struct fault *f);

// credentials.c: the same in the files below `root`, for the file operation `user`: `args` are the text and the list of additional
// groups, `result` takes [uid, gid, [gid…], home].
int user_lookup(int root, struct reader *args, struct writer *result, struct fault *f);

#endif
