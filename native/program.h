// Programs of the host's: the command lines of OCI runtimes. Never a container's own program.
#ifndef KEEL_PROGRAM_H
#define KEEL_PROGRAM_H

#include "fault.h"
#include "wire.h"

#include <sys/types.h>

// The strings of a list for execve; malloc'ed, NULL when there is no memory.
char **program_strings(struct reader *list);

// Starts argv[0], which is a path, with `stdio` as its descriptors 0 to 2 and no other; it dies with us. pid or -errno, of execve, too.
pid_t program_start(char *const argv[], char *const env[], const int stdio[3]);

// Waits for a child. Its exit code, or 128 + signal.
int program_wait(pid_t pid);

// Executes the host operation `program`; `result` takes the list [exit code, output]. 0 or -errno.
int program_run(struct reader *args, struct writer *result, struct fault *f);

#endif
