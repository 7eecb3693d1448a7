// Host operations (src/linux/ops.ts, `host`): what an agent handler does in the host's namespaces on trusted absolute
// paths. The shim runs a container's exitOps through here as well.
#ifndef KEEL_HOSTOPS_H
#define KEEL_HOSTOPS_H

#include "fault.h"
#include "wire.h"

enum { HOST_REGISTERS = 32 };

// Executes a list of operations, which is checked as a whole before the first one. Writes one value per operation into
// `results` and the warnings as strings into `warnings` (both begun by the caller). At the first failure the
// operations registered with onFailure run, newest first, and the failure is returned. 0 or -errno.
int host_run(struct reader *ops, struct writer *results, struct writer *warnings, struct fault *f);

// Executes every operation of the list and ignores failures: clean-up that must go as far as it can.
void host_run_all(struct reader *ops);

// From now on host_run fails with ECANCELED (and undoes) before an operation when the peer of this socket has hung up.
void host_cancel_on_hangup(int sock);

// datagram.c: executes the operation `datagrams`; `result` takes the list [how many were taken, errno]. 0 or -errno.
int datagrams_send(struct reader *args, struct writer *result, struct fault *f);

// cgroup.c: rmdir(2), again and again for up to a second while the cgroup is busy; `with_children` removes those below it first. 0 or -errno.
int cgroup_remove(const char *path, bool with_children, struct fault *f);
// cgroup.c: gives the cgroup v2 directory `path` this BPF_PROG_TYPE_CGROUP_DEVICE program in the place of those it has. 0 or -errno.
int device_program_set(const char *path, const uint8_t *program, size_t size, struct fault *f);

// start.c: what shims are to execute, keel sealed (self.h). The descriptor stays the caller's.
void shim_program(int fd);

// start.c: forks, detaches and executes the shim of a plan and waits for its report; puts the
// list [shimPid, initPid] into `result`. `regs` are descriptors or -1. 0 or -errno.
int shim_start(struct reader *plan, const int regs[HOST_REGISTERS], struct writer *result, struct fault *f);

// launch.c: make a container, or a further process in one, without a shim; `result` takes [pid, start time, [warning], way]. 0 or -errno.
int launch_container(struct reader *args, const int regs[HOST_REGISTERS], struct writer *result, struct fault *f);
int launch_exec(struct reader *args, struct writer *result, struct fault *f);

#endif
