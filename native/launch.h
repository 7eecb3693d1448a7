// Containers without a shim (`berth runtime`, PROTOCOL.md "keel run"): a process is made, handed over, and left to whoever reaps
// for the caller, a container manager's shim, conmon or init.
#ifndef KEEL_LAUNCH_H
#define KEEL_LAUNCH_H

#include "fault.h"

#include <sys/types.h>

int run_protected(const char *dir);    // keel run DIR: executes itself as something that cannot be overwritten, which then is ...
int run_main(const char *way);         // ... this: takes operations from descriptor 3, answers on 4. way: how it is sealed (self.h)

// launch.c, shared with criu.c. flags: 1 foreground, 2 subreaper.
void launch_prepare(unsigned flags);
void stay_with(pid_t pid, int master); // in the foreground, when the reply is sent; master -1: no terminal
int send_descriptor(const char *path, int fd, const char *name, struct fault *f);

// relay.c: waits for `pid`, a child of ours, while the terminal's `master` (-1: there is none) is connected with stdin and stdout. Its
// exit code, 128 and the signal for one that was killed.
int relay_run(int pid, int master);

#endif
