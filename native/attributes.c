// What a process is given besides limits and privileges: how it is scheduled, where its memory comes from, what kernel it believes to
// run on. All of it is inherited over execve. Operations marked "early" take effect on the way into the container, before the
// process is in all of its namespaces and cgroups: attributes_early runs those and nothing else.
#include "container.h"

#include "ops.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { IOPRIO_OF_PROCESS = 1, POLICY_DEADLINE = 6, MAX_MASK = 1024 };

// linux/sched/types.h, which glibc's sched.h does not go along with.
struct scheduling {
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime, deadline, period;
};

static int set_scheduler(struct reader *op, struct fault *f)
{
	int64_t v[7] = {0};
	for (int i = 0; i < 7; i++)
		wire_int(op, &v[i]);
	struct scheduling s = {
		.size = sizeof s,
		.policy = (uint32_t)v[0],
		.nice = (int32_t)v[1],
		.priority = (uint32_t)v[2],
		.flags = (uint64_t)v[3],
		.runtime = (uint64_t)v[4],
		.deadline = (uint64_t)v[5],
		.period = (uint64_t)v[6],
	};
	if (syscall(SYS_sched_setattr, 0, &s, 0) == 0)
		return 0;
	bool is_deadline = s.policy == POLICY_DEADLINE && errno == EPERM;
	return fault_set(f, errno, "sched_setattr", "", is_deadline ? "process scheduler can't be used together with AllowedCPUs" : NULL);
}

static int set_memory_policy(struct reader *op, struct fault *f)
{
	int64_t mode = 0;
	const uint8_t *nodes = NULL;
	size_t size = 0;
	unsigned long mask[MAX_MASK / sizeof(unsigned long)] = {0};
	wire_int(op, &mode);
	wire_bytes(op, &nodes, &size);
	if (size > sizeof mask)
		return fault_set(f, EINVAL, "set_mempolicy", "", "too many nodes");
	memcpy(mask, nodes, size);
	// The kernel reads one bit less than it is told.
	unsigned long bits = size ? size * 8 + 1 : 0;
	if (syscall(SYS_set_mempolicy, mode, size ? mask : NULL, bits) < 0)
		return fault_set(f, errno, "set_mempolicy", "", NULL);
	return 0;
}

static int set_affinity(struct reader *op, struct fault *f)
{
	const uint8_t *cpus = NULL;
	size_t size = 0;
	wire_bytes(op, &cpus, &size);
	if (size == 0) { // all that the cgroup allows, whatever whoever started us is bound to; as it is where that is refused
		uint8_t all[MAX_MASK];
		memset(all, 0xff, sizeof all);
		syscall(SYS_sched_setaffinity, 0, sizeof all, all);
		return 0;
	}
	if (size > MAX_MASK || syscall(SYS_sched_setaffinity, 0, size, cpus) < 0)
		return fault_set(f, size > MAX_MASK ? EINVAL : errno, "sched_setaffinity", "", NULL);
	return 0;
}

static int set_personality(struct reader *op, struct fault *f)
{
	int64_t domain = 0;
	wire_int(op, &domain);
	return personality((unsigned long)domain) < 0 ? fault_set(f, errno, "personality", "", NULL) : 0;
}

static int set_io_priority(struct reader *op, struct fault *f)
{
	int64_t priority = 0;
	wire_int(op, &priority);
	if (syscall(SYS_ioprio_set, IOPRIO_OF_PROCESS, 0, (int)priority) < 0)
		return fault_set(f, errno, "ioprio_set", "", NULL);
	return 0;
}

int attributes_open_clocks(struct container *c, struct fault *f)
{
	c->clocks = openat(c->host_proc, "self/timens_offsets", O_WRONLY | O_CLOEXEC);
	return c->clocks < 0 ? fault_set(f, errno, "timeOffset", "timens_offsets", NULL) : 0;
}

// Of the time namespace that the children of this process will be in, while nobody is in it yet.
static int set_time_offset(const struct container *c, struct reader *op, struct fault *f)
{
	char text[96];
	int64_t clock = 0, seconds = 0, nanoseconds = 0;
	wire_int(op, &clock);
	wire_int(op, &seconds);
	wire_int(op, &nanoseconds);
	int size = snprintf(text, sizeof text, "%" PRId64 " %" PRId64 " %" PRId64 "\n", clock, seconds, nanoseconds);
	if (write(c->clocks, text, (size_t)size) < 0)
		return fault_set(f, errno, "timeOffset", "timens_offsets", NULL);
	return 0;
}

static bool is_early(int64_t code)
{
	return code == OP_TIME_OFFSET || code == OP_CPU_AFFINITY_FIRST;
}

int attributes_early(struct container *c, struct reader ops, struct fault *f)
{
	for (int index = 0; ops.left > 0; index++) {
		struct reader op;
		int64_t code = 0;
		if (!wire_list(&ops, &op) || !wire_int(&op, &code))
			return fault_set(f, EINVAL, "protocol", "ops", NULL);
		if (!is_early(code))
			continue;
		int rc = code == OP_TIME_OFFSET ? set_time_offset(c, &op, f) : set_affinity(&op, f);
		if (rc < 0) {
			f->index = index;
			return rc;
		}
	}
	return 0;
}

int attributes_run(int64_t code, struct reader *op, struct fault *f)
{
	switch (code) {
	case OP_SCHEDULER:
		return set_scheduler(op, f);
	case OP_IO_PRIORITY:
		return set_io_priority(op, f);
	case OP_CPU_AFFINITY:
		return set_affinity(op, f);
	case OP_PERSONALITY:
		return set_personality(op, f);
	case OP_MEMORY_POLICY:
		return set_memory_policy(op, f);
	default:
		return is_early(code) ? 0 : NOT_MINE;
	}
}
