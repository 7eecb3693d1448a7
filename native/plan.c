// Decoding and checking of plans, see plan.h. Pure: no system call is made here, which makes it easy to fuzz.
#include "plan.h"

#include "ops.h"

#include <errno.h>
#include <limits.h>
#include <linux/sched.h>
#include <string.h>

enum { NAMESPACES = CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWUSER | CLONE_NEWCGROUP };
static const uint64_t all_namespaces = (uint32_t)NAMESPACES | CLONE_NEWTIME;
// Beside namespaces: a root of the container's own, in its mount namespace or where `rootHere` has said.
enum { OWN_ROOT = 1 };

// What an operation takes, and what has to be private to the container before it is run: without that it would
// change the host.
struct shape {
	uint8_t code;
	bool in_exec;      // allowed in an exec plan
	const char *args;  // i integer, s string, b bytes, l list of strings, h list of hooks
	uint32_t needs;    // CLONE_NEW* that must be new (or, for UTS, joined), OWN_ROOT
};

static const struct shape shapes[] = {
	{OP_ID_MAPPED, false, "sss", CLONE_NEWNS},
	{OP_ROOT_OVERLAY, false, "ssssss", CLONE_NEWNS},
	{OP_ROOT_BIND, false, "ss", CLONE_NEWNS},
	{OP_MOUNT, false, "sssis", OWN_ROOT},
	{OP_STAGE, false, "sssis", CLONE_NEWNS},
	{OP_BIND, false, "ssiiiisssiii", OWN_ROOT},
	{OP_BIND_FROM, false, "sssi", CLONE_NEWNS},
	{OP_DEVICE, false, "ssiiiii", OWN_ROOT},
	{OP_SYMLINK, false, "ss", OWN_ROOT},
	{OP_MKDIR_IN, false, "siii", OWN_ROOT},
	{OP_MASK, false, "s", CLONE_NEWNS},
	{OP_READONLY, false, "s", CLONE_NEWNS},
	{OP_CONSOLE, false, "", 0}, // an exec with a terminal gets it without asking
	{OP_PIVOT, false, "", CLONE_NEWNS},
	{OP_ROOT_READONLY, false, "", OWN_ROOT},
	{OP_ROOT_PROPAGATION, false, "i", CLONE_NEWNS},
	{OP_HOSTNAME, false, "s", CLONE_NEWUTS},
	{OP_DOMAINNAME, false, "s", CLONE_NEWUTS},
	{OP_SYSCTL, false, "ss", 0},
	{OP_RLIMIT, true, "iii", 0},
	{OP_OOM_SCORE_ADJ, true, "i", 0},
	{OP_LOOPBACK_UP, false, "", 0},
	{OP_CHDIR, true, "si", 0},
	{OP_UMASK, true, "i", 0},
	{OP_SECCOMP, true, "bi", 0},
	{OP_CREDENTIALS, true, "sliiiii", 0},
	{OP_NO_NEW_PRIVS, true, "", 0},
	{OP_KEYRING, true, "s", 0},
	{OP_EXEC_LABEL, true, "ss", 0},
	{OP_BARRIER, false, "", 0},
	{OP_EXEC, true, "ll", 0},
	{OP_SCHEDULER, true, "iiiiiii", 0},
	{OP_IO_PRIORITY, true, "i", 0},
	{OP_CPU_AFFINITY, true, "b", 0},
	{OP_CPU_AFFINITY_FIRST, true, "b", 0},
	{OP_PERSONALITY, true, "i", 0},
	{OP_MEMORY_POLICY, true, "ib", 0},
	{OP_TIME_OFFSET, false, "iii", CLONE_NEWTIME},
	{OP_SECCOMP_NOTIFY, true, "bisl", 0},
	{OP_MOUNT_ATTRIBUTES, false, "siii", OWN_ROOT},
	{OP_REMOUNT, false, "sis", OWN_ROOT},
	{OP_MOUNT_PROPAGATION, false, "si", OWN_ROOT},
	{OP_MOUNT_COPY_UP, false, "ssis", OWN_ROOT},
	{OP_MOVE_ROOT, false, "", CLONE_NEWNS},
	{OP_BUNDLE, true, "ss", 0},
	{OP_RUNTIME_CREATE, false, "ll", CLONE_NEWNS},
	{OP_RUNTIME_START, false, "ll", CLONE_NEWNS},
	{OP_RUNTIME_EXEC, true, "ll", 0},
	{OP_HOOKS, false, "hss", 0},
	{OP_CALLER_HOOKS, false, "", 0},
	{OP_FIND_PROGRAM, false, "ss", 0},
	{OP_AWAIT_START, false, "", 0},
	{OP_ROOT_HERE, false, "s", 0},
	{OP_CHROOT, false, "", OWN_ROOT},
};

// What needs somebody who launches and is no shim.
static bool is_for_launch(int64_t code)
{
	return code >= OP_CALLER_HOOKS && code <= OP_CHROOT;
}

static bool is_for_callers_mounts(int64_t code)
{
	return code == OP_ROOT_HERE || code == OP_CHROOT;
}

static int refuse(struct fault *f, const char *what, const char *why)
{
	return fault_set(f, EINVAL, "protocol", what, why);
}

static const struct shape *find_shape(int64_t code)
{
	for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++)
		if (shapes[i].code == code)
			return &shapes[i];
	return NULL;
}

static void skip_strings(struct reader *op)
{
	struct reader list = {.bad = true};
	const char *s;
	if (!wire_list(op, &list))
		return;
	while (list.left > 0 && wire_str(&list, &s))
		;
	op->bad |= !wire_done(&list);
}

bool hook_next(struct reader *hooks, struct hook *h)
{
	struct reader hook = {.bad = true};
	wire_list(hooks, &hook);
	wire_str(&hook, &h->label);
	wire_str(&hook, &h->path);
	wire_list(&hook, &h->argv);
	wire_list(&hook, &h->env);
	wire_int(&hook, &h->timeout_ms);
	return wire_done(&hook) && h->path[0] == '/' && h->timeout_ms >= 0;
}

bool hooks_check(struct reader list)
{
	struct hook h;
	while (list.left > 0) {
		if (!hook_next(&list, &h))
			return false;
		struct reader strings[] = {h.argv, h.env};
		for (int i = 0; i < 2; i++)
			for (const char *s; strings[i].left > 0;)
				if (!wire_str(&strings[i], &s))
					return false;
	}
	return wire_done(&list);
}

static void skip_hooks(struct reader *op)
{
	struct reader list = {.bad = true};
	if (wire_list(op, &list))
		op->bad |= !hooks_check(list);
}

static bool check_args(struct reader *op, const char *args)
{
	int64_t i;
	const char *s;
	const uint8_t *b;
	size_t size;
	for (; *args; args++) {
		if (*args == 'i')
			wire_int(op, &i);
		else if (*args == 's')
			wire_str(op, &s);
		else if (*args == 'b')
			wire_bytes(op, &b, &size);
		else if (*args == 'h')
			skip_hooks(op);
		else
			skip_strings(op);
	}
	return wire_done(op);
}

static bool is_runtime_op(int64_t code)
{
	return code == OP_BUNDLE || code == OP_RUNTIME_CREATE || code == OP_RUNTIME_START || code == OP_RUNTIME_EXEC;
}

// What only the process itself can do that becomes the program.
static bool is_own_business(int64_t code)
{
	return code == OP_CONSOLE || code == OP_PIVOT || code == OP_BARRIER || code == OP_EXEC || code == OP_CREDENTIALS ||
	       is_runtime_op(code);
}

enum place { IN_CONTAINER, IN_EXEC, OUTSIDE };

// Walks a list of container operations once. `owned` are the namespaces that belong to the container. `is_external` is told
// whether the last one leaves the process to an OCI runtime.
static int check_ops(struct reader ops, enum place place, uint64_t owned, struct plan *plan, bool *is_external, struct fault *f)
{
	bool in_exec = place == IN_EXEC;
	if (ops.left > MAX_PLAN_OPS)
		return refuse(f, "ops", "too many operations");
	bool ends = false, has_console = false, has_runtime = false, is_inside = true;
	if (owned & CLONE_NEWNS)
		owned |= OWN_ROOT;
	for (int index = 0; ops.left > 0; index++) {
		struct reader op;
		int64_t code = 0;
		if (!wire_list(&ops, &op) || !wire_int(&op, &code))
			return refuse(f, "ops", "an operation must be a list that begins with its code");
		const struct shape *shape = find_shape(code);
		const char *why = NULL;
		if (!shape)
			why = "unknown operation";
		else if (ends)
			why = "exec must be the last operation";
		else if (in_exec && !shape->in_exec)
			why = "operation is not allowed in an exec";
		else if (place == OUTSIDE && is_own_business(code))
			why = "operation is the first process's own";
		else if (is_for_launch(code) && !(plan && plan->flags & PLAN_LAUNCH))
			why = "operation needs a launch without a shim";
		else if (is_for_callers_mounts(code) && (owned & CLONE_NEWNS))
			why = "operation is for containers without a mount namespace";
		else if (!in_exec && (shape->needs & ~owned))
			why = "operation needs a namespace of the container's own";
		else if (!check_args(&op, shape->args))
			why = "wrong arguments";
		if (why) {
			refuse(f, op_name(code), why);
			f->index = index;
			return -EINVAL;
		}
		owned |= code == OP_ROOT_HERE ? OWN_ROOT : 0;
		is_inside = code == OP_CHROOT || (is_inside && code != OP_ROOT_HERE);
		has_console |= code == OP_CONSOLE;
		has_runtime |= is_runtime_op(code);
		*is_external = code == OP_RUNTIME_START || code == OP_RUNTIME_EXEC;
		ends = code == OP_EXEC || *is_external;
	}
	if (place == OUTSIDE)
		return 0;
	if (!is_inside)
		return refuse(f, "rootHere", "the root has to be entered with chroot");
	if (has_runtime != *is_external)
		return refuse(f, "ops", "a process is made by keel or by an OCI runtime, not by both");
	if (plan && has_console != ((plan->flags & PLAN_TTY) != 0 && !*is_external))
		return refuse(f, "console", "a terminal and a console operation need each other");
	return ends ? 0 : refuse(f, "ops", "exec must be the last operation");
}

static bool get_uint(struct reader *r, int64_t max, unsigned *out)
{
	int64_t v = 0;
	if (!wire_int(r, &v))
		return false;
	if (v < 0 || v > max)
		r->bad = true;
	*out = (unsigned)v;
	return !r->bad;
}

static void read_joins(struct reader *values, struct plan *p)
{
	struct reader list = {.bad = true};
	wire_list(values, &list);
	while (list.left > 0 && p->join_count < MAX_JOINS) {
		struct reader item = {.bad = true};
		struct join *j = &p->joins[p->join_count++];
		int64_t type = 0, reg = 0;
		wire_list(&list, &item);
		wire_int(&item, &type);
		wire_int(&item, &reg);
		wire_str(&item, &j->path);
		// Exactly one kind of namespace, from a register or from an absolute path.
		bool one = type > 0 && ((uint64_t)type & (all_namespaces)) == (uint64_t)type && (type & (type - 1)) == 0;
		if (!wire_done(&item) || !one || reg < -1 || reg > 31 || (reg < 0 && j->path[0] != '/'))
			values->bad = true;
		if (values->bad)
			return;
		j->type = (int)type;
		j->reg = (int)reg;
		j->fd = -1;
	}
	values->bad |= !wire_done(&list);
}

static void read_cgroups(struct reader *values, struct plan *p)
{
	struct reader list = {.bad = true};
	wire_list(values, &list);
	while (list.left > 0 && p->cgroup_count < MAX_CGROUPS && wire_str(&list, &p->cgroups[p->cgroup_count]))
		if (p->cgroups[p->cgroup_count++][0] != '/')
			values->bad = true;
	values->bad |= !wire_done(&list);
}

static void read_log(struct reader *values, struct plan *p)
{
	struct reader list = {.bad = true};
	struct jsonlog_options *log = &p->log;
	int64_t kind = -1;
	wire_list(values, &list);
	wire_int(&list, &kind);
	p->has_log = kind == LOG_JSON_FILE || kind == LOG_SPOOL;
	if (p->has_log) {
		wire_str(&list, &log->path);
		wire_int(&list, &log->max_size);
		get_uint(&list, 10000, &log->max_files);
		wire_str(&list, &log->attrs);
	}
	if (kind == LOG_SPOOL)
		wire_int(&list, &log->first);
	values->bad |= !wire_done(&list) || (kind != LOG_NONE && !p->has_log);
	if (!values->bad && p->has_log && (log->path[0] != '/' || strlen(log->attrs) > MAX_ATTRS || log->first < (kind == LOG_SPOOL)))
		values->bad = true;
}

static void read_spill(struct reader *values, struct plan *p)
{
	struct reader spill = {.bad = true};
	wire_list(values, &spill);
	wire_str(&spill, &p->spill_dir);
	wire_int(&spill, &p->spill_limit);
	if (!wire_done(&spill) || p->spill_limit < 0 || (p->spill_dir[0] && p->spill_dir[0] != '/'))
		values->bad = true;
}

static bool valid_id(const char *id)
{
	size_t length = strlen(id);
	return length > 0 && length < MAX_ID && !strchr(id, '/');
}

static void get_time(struct reader *r, int64_t least, int64_t *out)
{
	if (wire_int(r, out) && (*out < least || *out > INT64_MAX / 2))
		r->bad = true;
}

static void read_connect(struct reader *r, struct health_plan *h)
{
	struct reader addresses = {.bad = true};
	const uint8_t *address;
	size_t size = 0;
	wire_list(r, &h->addresses);
	addresses = h->addresses;
	while (addresses.left > 0 && wire_bytes(&addresses, &address, &size))
		r->bad |= size != 4 && size != 16;
	r->bad |= !wire_done(&addresses);
	get_uint(r, USHRT_MAX, &h->port);
	wire_bytes(r, &h->request, &h->request_size);
	get_uint(r, 999, &h->status_from);
	get_uint(r, 999, &h->status_to);
}

// An empty list stands for no check.
static int read_health(struct reader *values, struct health_plan *h, struct fault *f)
{
	struct reader list = {.bad = true}, probe = {.bad = true};
	wire_list(values, &list);
	if (list.bad || list.left == 0)
		return 0;
	get_uint(&list, HEALTH_CONNECT, &h->kind);
	get_time(&list, 1, &h->interval);
	get_time(&list, 1, &h->timeout);
	get_time(&list, 0, &h->start_period);
	get_time(&list, 1, &h->start_interval);
	wire_str(&list, &h->freezer);
	wire_str(&list, &h->thawed);
	wire_list(&list, &probe);
	if (!wire_done(&list) || h->kind == HEALTH_NONE || (h->freezer[0] && h->freezer[0] != '/'))
		return refuse(f, "health", "malformed plan");
	if (h->kind == HEALTH_EXEC)
		return exec_plan_decode(&probe, &h->exec, f);
	read_connect(&probe, h);
	return wire_done(&probe) ? 0 : refuse(f, "health", "malformed plan");
}

// An empty list where there is no user namespace, or nobody has rights outside of it.
static void read_outside(struct reader *values, struct plan *p)
{
	struct reader list = {.bad = true};
	wire_list(values, &list);
	if (list.bad || list.left == 0)
		return;
	p->has_outside = true;
	wire_int(&list, &p->root_uid);
	wire_int(&list, &p->root_gid);
	wire_list(&list, &p->outside);
	if (!wire_done(&list) || p->root_uid < 0 || p->root_uid >= UINT32_MAX || p->root_gid < 0 || p->root_gid >= UINT32_MAX)
		values->bad = true;
}

static int check_plan_ops(struct plan *p, struct fault *f)
{
	uint64_t owned = p->clone_flags;
	bool joins_user = false;
	for (unsigned i = 0; i < p->join_count; i++) {
		if (p->joins[i].type == CLONE_NEWUTS) // a pod's shared name; a shared mount namespace is never ours to rearrange
			owned |= CLONE_NEWUTS;
		joins_user |= p->joins[i].type == CLONE_NEWUSER;
	}
	if (p->has_outside && (!joins_user || !(owned & CLONE_NEWNS)))
		return refuse(f, "outside", "there is no user namespace, or no mount namespace, to be outside of");
	int rc = p->has_outside ? check_ops(p->outside, OUTSIDE, owned, NULL, &p->is_external, f) : 0;
	if (rc == 0)
		rc = check_ops(p->ops, IN_CONTAINER, owned, p, &p->is_external, f);
	if (rc == 0 && p->is_external && p->has_outside)
		rc = refuse(f, "outside", "an OCI runtime makes its user namespaces itself");
	if (rc == 0 && p->health.kind == HEALTH_EXEC && p->health.exec.is_external != p->is_external)
		rc = refuse(f, "health", "the container's runtime has to make the check, too");
	return rc;
}

int plan_decode(struct reader *values, struct plan *p, struct fault *f)
{
	memset(p, 0, sizeof *p);
	int64_t clone_flags = 0;
	wire_str(values, &p->id);
	wire_str(values, &p->state_dir);
	get_uint(values, 15, &p->flags);
	get_uint(values, USHRT_MAX, &p->rows);
	get_uint(values, USHRT_MAX, &p->columns);
	wire_int(values, &clone_flags);
	read_joins(values, p);
	read_cgroups(values, p);
	wire_str(values, &p->cgroup2);
	wire_str(values, &p->oom_file);
	read_log(values, p);
	read_spill(values, p);
	wire_list(values, &p->ops);
	wire_list(values, &p->exit_ops);
	read_outside(values, p);
	int rc = read_health(values, &p->health, f);
	if (rc < 0)
		return rc;
	if (!wire_done(values))
		return refuse(f, "shim", "malformed plan");
	if (!valid_id(p->id))
		return refuse(f, "id", "not a container id");
	if (p->state_dir[0] != '/' || (p->cgroup2[0] && p->cgroup2[0] != '/') || (p->oom_file[0] && p->oom_file[0] != '/'))
		return refuse(f, "shim", "paths must be absolute");
	if ((uint64_t)clone_flags & ~all_namespaces)
		return refuse(f, "cloneFlags", "not a set of namespaces");
	p->clone_flags = (uint64_t)clone_flags;
	return check_plan_ops(p, f);
}

int exec_plan_decode(struct reader *values, struct exec_plan *p, struct fault *f)
{
	memset(p, 0, sizeof *p);
	wire_str(values, &p->id);
	get_uint(values, 3, &p->flags);
	get_uint(values, USHRT_MAX, &p->rows);
	get_uint(values, USHRT_MAX, &p->columns);
	wire_list(values, &p->ops);
	if (!wire_done(values))
		return refuse(f, "exec", "malformed plan");
	if (!valid_id(p->id))
		return refuse(f, "execId", "not an exec id");
	return check_ops(p->ops, IN_EXEC, 0, NULL, &p->is_external, f);
}
