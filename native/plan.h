// The plans of a shim (src/linux/ops.ts: ShimPlan, ExecPlan) as C reads them: checked to the last operation before anything is
// executed, so that a malformed plan never becomes a half-executed one. Strings point into the frame that was decoded.
#ifndef KEEL_PLAN_H
#define KEEL_PLAN_H

#include "fault.h"
#include "jsonlog.h"
#include "wire.h"

enum { PLAN_TTY = 1, PLAN_STDIN = 2, PLAN_STDIN_ONCE = 4, PLAN_LAUNCH = 8 }; // LAUNCH: without a shim (launch.c)
enum { LOG_NONE = 0, LOG_JSON_FILE = 1, LOG_SPOOL = 2 };
enum { MAX_JOINS = 16, MAX_CGROUPS = 32, MAX_ID = 128, MAX_ATTRS = 32 << 10, MAX_PLAN_OPS = 4096 };

// A namespace that is joined: the register or the path it comes from; `fd` once it is open.
struct join {
	int type; // CLONE_NEW*
	int reg;  // -1: by path
	const char *path;
	int fd;
};

// A program of the specification's `hooks`.
struct hook {
	const char *label; // "createRuntime hook #0"
	const char *path;
	struct reader argv, env; // an empty argv stands for the path
	int64_t timeout_ms;      // 0 for none
};

// Reads the next of a list; false for a malformed one. hooks_check says whether all of them are well-formed.
bool hook_next(struct reader *hooks, struct hook *h);
bool hooks_check(struct reader list);

struct exec_plan {
	const char *id;
	unsigned flags;
	unsigned rows, columns;
	struct reader ops;
	bool is_external; // an OCI runtime makes the process
};

enum health_kind { HEALTH_NONE, HEALTH_EXEC, HEALTH_CONNECT };

// A check that is made again and again. Times are milliseconds.
struct health_plan {
	unsigned kind; // enum health_kind
	int64_t interval, timeout, start_period, start_interval;
	const char *freezer, *thawed; // the container is paused while this file ("" for none) has not this text
	struct exec_plan exec;        // HEALTH_EXEC
	struct reader addresses;      // HEALTH_CONNECT: of 4 or 16 bytes, tried in this order
	unsigned port;
	const uint8_t *request; // empty: the connection is the answer
	size_t request_size;
	unsigned status_from, status_to; // HTTP status codes that are good
};

struct plan {
	const char *id, *state_dir;
	unsigned flags; // PLAN_*
	unsigned rows, columns;
	uint64_t clone_flags;
	struct join joins[MAX_JOINS];
	unsigned join_count;
	const char *cgroups[MAX_CGROUPS]; // version 1 directories
	unsigned cgroup_count;
	const char *cgroup2; // "" for none
	const char *oom_file;
	bool has_log;
	struct jsonlog_options log;
	const char *spill_dir; // "" for none
	int64_t spill_limit;
	struct reader ops, exit_ops;
	bool is_external; // an OCI runtime makes the container's processes
	// In a user namespace: what is done with the rights of who started us, before `ops` (outside.c).
	bool has_outside;
	int64_t root_uid, root_gid;          // who is root in there, as seen here
	struct reader outside;
	struct health_plan health;
};

// Decodes and checks the values of a shim plan, in the order of encodeShimPlan. 0 or -EINVAL, op "protocol".
int plan_decode(struct reader *values, struct plan *p, struct fault *f);

// The same for an exec plan (encodeExecPlan). Its operations may not mount, pivot or wait.
int exec_plan_decode(struct reader *values, struct exec_plan *p, struct fault *f);

#endif
