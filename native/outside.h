// Mounts for a container that has a user namespace, made from outside of it, see outside.c.
#ifndef KEEL_OUTSIDE_H
#define KEEL_OUTSIDE_H

#include "container.h"

struct outside {
	pid_t pid;
	int near, far; // a socket pair: the first process's end, and that of the process outside
};

// Forks it, before anything is entered; it waits. What goes wrong there is told over `c`'s channel. 0 or -errno.
int outside_start(struct outside *o, struct container *c, struct fault *f);

// Lets it enter the namespaces of the first process, and returns when it has ended.
void outside_go(struct outside *o, int pidfd);

// In the first process: waits for the root. -1: it failed, and has told why.
int outside_take_root(struct outside *o);

#endif
