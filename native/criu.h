// Checkpoints: criu's service for one request (`criu swrk`), PROTOCOL.md "criu". What is asked is TypeScript's; here are the socket that it
// wants, its place, and answers to what it tells on its way.
#ifndef KEEL_CRIU_H
#define KEEL_CRIU_H

#include "fault.h"
#include "wire.h"

#include <stdbool.h>
#include <sys/types.h>

// What keel looks at in a message of criu's (its rpc.proto, `criu_resp`).
struct criu_answer {
	uint64_t type;
	bool is_success;
	char script[32];  // of a notification, "" for none
	uint64_t pid;     // of a notification or a restored process
	int err;          // errno, 0 for none
	char message[200];
};

// False for bytes that are no such message.
bool criu_decode(const uint8_t *bytes, size_t size, struct criu_answer *a);

// Executes the host operation `criu`; `result` takes [answer, pid, start time]. 0 or -errno.
int criu_run(struct reader *args, struct writer *result, struct fault *f);

// Executes `resolvePaths`: where `paths` lead to below the directory `root`, as its own mounts have it; "" for what is not there.
int resolve_paths(const char *root, struct reader *paths, struct writer *result, struct fault *f);

#endif
