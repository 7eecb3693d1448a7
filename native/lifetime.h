// The life of a process that was launched without a shim, seen from outside: is it there, a signal for it, its end, and the byte that
// it waits for. A process is named by its number and start time, since the number alone may have become another's.
#ifndef KEEL_LIFETIME_H
#define KEEL_LIFETIME_H

#include "fault.h"
#include "wire.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

// Field 22 of /proc/PID/stat, clock ticks since boot; 0 when there is no such process.
int64_t start_time(pid_t pid);
// Whether it is there and no zombie.
bool is_alive(int64_t pid, int64_t started);

// Operations of launch.ts: `signalProcess`, `endProcess`, `release`. 0 or -errno.
int signal_process(struct reader *args, struct fault *f);
int end_process(struct reader *args, struct fault *f);
int release(struct reader *args, struct fault *f);

#endif
