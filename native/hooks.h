// Hooks of the runtime specification: programs that are run at a point of a container's life, with its state on stdin.
#ifndef KEEL_HOOKS_H
#define KEEL_HOOKS_H

#include "fault.h"
#include "wire.h"

#include <sys/types.h>

// Runs a list of hooks (plan.h, hook_next) one after another in the namespaces of the caller. stdin of each is `head`, the number `pid`
// and `tail`. `home`, where not "", is HOME for those that have none. The first that fails, or takes too long, ends it: 0 or -errno.
int hooks_run(struct reader *hooks, const char *head, pid_t pid, const char *tail, const char *home, struct fault *f);

#endif
