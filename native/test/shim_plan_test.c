// Plans: a whole one decodes, every wrong one is refused before anything could be executed, and mutated ones never upset the decoder.
#include "check.h"
#include "ops.h"
#include "plan.h"

#include <errno.h>
#include <linux/sched.h>
#include <string.h>

struct wish {
	const char *id, *state_dir, *cgroup, *log_path, *join_path;
	int64_t flags, clone_flags, join_type, join_reg;
	int64_t extra_op;       // without arguments, before exec
	int64_t after_op;       // the same behind exec
	int64_t log_first;      // of a spool, 0: json-file
	bool no_exec, empty_op, console;
	int64_t health, interval, start_period, address_size, port; // kind, and what may be wrong with it
	const char *freezer;
	bool health_without_probe;
	const char *spill_dir;
	int64_t spill_limit;
	bool has_outside;
	int64_t root_uid, outside_op; // an operation without arguments
	int64_t runtime; // RUNTIME_*: an external runtime makes the processes
	bool runtime_probe;
	bool root_here, chroot; // no mount namespace
};

enum { RUNTIME_NONE, RUNTIME_ALL, RUNTIME_WITHOUT_START, RUNTIME_AND_EXEC };

static const struct wish good = {
	.id = "abc", .state_dir = "/run/x", .cgroup = "/sys/fs/cgroup/pids/x", .log_path = "/var/log/x", .join_path = "",
	.clone_flags = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWUTS, .join_type = CLONE_NEWNET, .join_reg = 3,
	.health = HEALTH_EXEC, .interval = 1000, .address_size = 4, .port = 80, .freezer = "/sys/x",
};

static void put_op(struct writer *w, int64_t code)
{
	write_open(w);
	write_int(w, code);
	write_close(w);
}

static void put_call(struct writer *w, int64_t code)
{
	write_open(w);
	write_int(w, code);
	write_open(w);
	write_str(w, "/bin/runc");
	write_close(w);
	write_open(w);
	write_close(w);
	write_close(w);
}

static void put_runtime_ops(struct writer *w, const struct wish *v)
{
	write_open(w);
	write_open(w);
	write_int(w, OP_BUNDLE);
	write_str(w, "/run/x/bundle");
	write_str(w, "netns");
	write_close(w);
	put_call(w, OP_RUNTIME_CREATE);
	put_op(w, OP_BARRIER);
	if (v->extra_op)
		put_op(w, v->extra_op);
	if (v->runtime != RUNTIME_WITHOUT_START)
		put_call(w, v->runtime == RUNTIME_AND_EXEC ? OP_EXEC : OP_RUNTIME_START);
	write_close(w);
}

static void put_ops(struct writer *w, const struct wish *v)
{
	if (v->runtime) {
		put_runtime_ops(w, v);
		return;
	}
	write_open(w);
	if (v->root_here) {
		write_open(w);
		write_int(w, OP_ROOT_HERE);
		write_str(w, "/b/rootfs");
		write_close(w);
	}
	write_open(w);
	write_int(w, OP_MOUNT);
	write_str(w, "proc");
	write_str(w, "proc");
	write_str(w, "/proc");
	write_int(w, 14);
	write_str(w, "");
	write_close(w);
	write_open(w);
	write_int(w, OP_CREDENTIALS);
	write_str(w, "web");
	write_open(w);
	write_str(w, "audio");
	write_close(w);
	for (int i = 0; i < 5; i++)
		write_int(w, 0);
	write_close(w);
	if (v->console)
		put_op(w, OP_CONSOLE);
	if (v->extra_op)
		put_op(w, v->extra_op);
	if (v->chroot)
		put_op(w, OP_CHROOT);
	if (v->empty_op) {
		write_open(w);
		write_close(w);
	}
	if (!v->no_exec) {
		write_open(w);
		write_int(w, OP_EXEC);
		write_open(w);
		write_str(w, "sh");
		write_close(w);
		write_open(w);
		write_close(w);
		write_close(w);
	}
	if (v->after_op)
		put_op(w, v->after_op);
	write_close(w);
}

static void put_exec_probe(struct writer *w, const struct wish *v)
{
	write_str(w, "health");
	for (int i = 0; i < 3; i++)
		write_int(w, 0);
	write_open(w);
	if (v->runtime_probe) {
		put_call(w, OP_RUNTIME_EXEC);
		write_close(w);
		return;
	}
	write_open(w);
	write_int(w, v->health_without_probe ? OP_MASK : OP_EXEC);
	write_open(w);
	write_str(w, "true");
	write_close(w);
	write_open(w);
	write_close(w);
	write_close(w);
	write_close(w);
}

static void put_connect_probe(struct writer *w, const struct wish *v)
{
	write_open(w);
	write_bytes(w, "\177\0\0\1\0\0\0\0\0\0\0\0\0\0\0\0", (size_t)v->address_size);
	write_close(w);
	write_int(w, v->port);
	write_str(w, "GET / HTTP/1.1\r\n\r\n");
	write_int(w, 200);
	write_int(w, 399);
}

static void put_health(struct writer *w, const struct wish *v)
{
	write_open(w);
	if (v->health != -1) {
		write_int(w, v->health);
		write_int(w, v->interval);
		write_int(w, 1000);
		write_int(w, v->start_period);
		write_int(w, 1000);
		write_str(w, v->freezer);
		write_str(w, "THAWED");
		write_open(w);
		v->health == HEALTH_EXEC ? put_exec_probe(w, v) : put_connect_probe(w, v);
		write_close(w);
	}
	write_close(w);
}

static void put_outside(struct writer *w, const struct wish *v)
{
	write_open(w);
	if (v->has_outside) {
		write_int(w, v->root_uid);
		write_int(w, 100000);
		write_open(w);
		if (v->outside_op)
			put_op(w, v->outside_op);
		write_close(w);
	}
	write_close(w);
}

static void put_plan(struct writer *w, const struct wish *v)
{
	write_begin(w);
	write_str(w, v->id);
	write_str(w, v->state_dir);
	write_int(w, v->flags);
	write_int(w, 24);
	write_int(w, 80);
	write_int(w, v->clone_flags);
	write_open(w);
	write_open(w);
	write_int(w, v->join_type);
	write_int(w, v->join_reg);
	write_str(w, v->join_path);
	write_close(w);
	write_close(w);
	write_open(w);
	write_str(w, v->cgroup);
	write_close(w);
	write_str(w, "");
	write_str(w, "");
	write_open(w);
	write_int(w, v->log_first ? LOG_SPOOL : LOG_JSON_FILE);
	write_str(w, v->log_path);
	write_int(w, 1 << 20);
	write_int(w, 3);
	write_str(w, "");
	if (v->log_first)
		write_int(w, v->log_first);
	write_close(w);
	write_open(w);
	write_str(w, v->spill_dir ? v->spill_dir : "/var/lib/x");
	write_int(w, v->spill_limit);
	write_close(w);
	put_ops(w, v);
	write_open(w);
	write_close(w);
	put_outside(w, v);
	put_health(w, v);
	write_close(w);
	CHECK(!w->failed);
}

static int decode(const struct wish *v, struct plan *p, struct fault *f)
{
	struct writer w = {0};
	struct reader r;
	put_plan(&w, v);
	memset(f, 0, sizeof *f);
	CHECK(wire_open(&r, w.data + 4, w.size - 4));
	int rc = plan_decode(&r, p, f);
	if (rc == 0)
		CHECK(strcmp(p->id, v->id) == 0 && p->join_count == 1 && p->cgroup_count == 1 && p->joins[0].reg == v->join_reg);
	write_free(&w);
	return rc;
}

static void test_good(void)
{
	struct plan p;
	struct fault f;
	CHECK_INT(decode(&good, &p, &f), 0);
	CHECK(p.has_log && p.log.max_files == 3 && p.log.max_size == 1 << 20 && p.log.first == 0);
	struct wish v = good;
	v.console = true;
	v.flags = PLAN_TTY;
	CHECK_INT(decode(&v, &p, &f), 0);
	CHECK(p.health.kind == HEALTH_EXEC && p.health.interval == 1000);
	v.health = HEALTH_CONNECT;
	CHECK_INT(decode(&v, &p, &f), 0);
	CHECK(p.health.port == 80 && p.health.status_to == 399 && p.health.request_size == 18);
	v.address_size = 16;
	CHECK_INT(decode(&v, &p, &f), 0);
	v.health = -1;
	CHECK_INT(decode(&v, &p, &f), 0);
	CHECK(p.health.kind == HEALTH_NONE);
	v.log_first = 7;
	CHECK_INT(decode(&v, &p, &f), 0);
	CHECK(p.has_log && p.log.first == 7 && !p.is_external);
	CHECK(!p.has_outside);
	v.has_outside = true;
	v.root_uid = 165536;
	v.join_type = CLONE_NEWUSER;
	CHECK_INT(decode(&v, &p, &f), 0);
	CHECK(p.has_outside && p.root_uid == 165536 && p.root_gid == 100000);
}

static void test_runtime(void)
{
	struct plan p;
	struct fault f;
	struct wish v = good;
	v.runtime = RUNTIME_ALL;
	v.runtime_probe = true;
	CHECK_INT(decode(&v, &p, &f), 0);
	CHECK(p.is_external && p.health.exec.is_external);
	v.flags = PLAN_TTY; // which the runtime opens
	CHECK_INT(decode(&v, &p, &f), 0);
	v.health = -1;
	CHECK_INT(decode(&v, &p, &f), 0);
}

#define REFUSED(change)                                  \
	do {                                             \
		struct wish v = good;                    \
		struct plan p;                           \
		struct fault f;                          \
		change;                                  \
		CHECK_INT(decode(&v, &p, &f), -EINVAL);  \
		CHECK(strcmp(f.op, "protocol") == 0);    \
	} while (0)

static void test_launched(void)
{
	struct wish v = good;
	struct plan p;
	struct fault f;
	v.flags = PLAN_LAUNCH;
	v.extra_op = OP_AWAIT_START;
	CHECK_INT(decode(&v, &p, &f), 0);
	CHECK_INT(p.flags, PLAN_LAUNCH);
}

// Without a mount namespace: only what is below the root that was named, only launched, and never without entering it.
static void test_callers_mounts(void)
{
	struct wish v = good, here = good;
	struct plan p;
	struct fault f;
	here.flags = PLAN_LAUNCH;
	here.clone_flags = CLONE_NEWPID | CLONE_NEWUTS;
	here.root_here = here.chroot = true;
	CHECK_INT(decode(&here, &p, &f), 0);
	const int64_t namespaces[] = {OP_PIVOT, OP_MOVE_ROOT};
	for (size_t i = 0; i < sizeof namespaces / sizeof *namespaces; i++) {
		v = here;
		v.extra_op = namespaces[i];
		CHECK_INT(decode(&v, &p, &f), -EINVAL);
		CHECK(strstr(f.text, "namespace of the container's own"));
	}
	v = here;
	v.flags = 0;
	CHECK_INT(decode(&v, &p, &f), -EINVAL);
	v = here;
	v.clone_flags |= CLONE_NEWNS;
	CHECK_INT(decode(&v, &p, &f), -EINVAL);
	v = here;
	v.chroot = false;
	CHECK_INT(decode(&v, &p, &f), -EINVAL);
	v = here;
	v.root_here = false;
	CHECK_INT(decode(&v, &p, &f), -EINVAL);
}

// A list of one hook, of which something may be wrong.
static bool hook_is_sound(const char *path, int64_t timeout, bool has_env)
{
	struct writer w = {0};
	struct reader list;
	size_t size = 0;
	write_begin(&w);
	write_open(&w);
	write_str(&w, "prestart hook #0");
	write_str(&w, path);
	write_open(&w);
	write_str(&w, "sh");
	write_close(&w);
	if (has_env) {
		write_open(&w);
		write_close(&w);
	}
	write_int(&w, timeout);
	write_close(&w);
	const uint8_t *bytes = frame_bytes(&w, &size);
	bool sound = wire_open(&list, bytes + 4, size - 4) && hooks_check(list);
	write_free(&w);
	return sound;
}

static void test_hooks(void)
{
	CHECK(hook_is_sound("/bin/sh", 0, true));
	CHECK(hook_is_sound("/bin/sh", 1000, true));
	CHECK(!hook_is_sound("bin/sh", 0, true));
	CHECK(!hook_is_sound("/bin/sh", -1, true));
	CHECK(!hook_is_sound("/bin/sh", 0, false));
}

static void test_refused(void)
{
	REFUSED(v.id = "");
	REFUSED(v.id = "a/b");
	REFUSED(v.state_dir = "run/x");
	REFUSED(v.cgroup = "relative");
	REFUSED(v.log_path = "relative");
	REFUSED(v.log_first = -1);
	REFUSED(v.spill_dir = "relative");
	REFUSED(v.spill_limit = -1);
	REFUSED(v.flags = 16);
	REFUSED(v.flags = PLAN_TTY); // and no console
	REFUSED(v.console = true);   // and no terminal
	REFUSED(v.clone_flags |= CLONE_VM);
	REFUSED(v.clone_flags = CLONE_NEWPID); // mounts on the host
	REFUSED(v.clone_flags = -1);
	REFUSED(v.join_type = CLONE_NEWNET | CLONE_NEWIPC);
	REFUSED(v.join_type = 1);
	REFUSED(v.join_reg = 32);
	REFUSED(v.join_reg = -1); // and no path
	REFUSED((v.join_reg = -1, v.join_path = "net"));
	REFUSED(v.no_exec = true);
	REFUSED(v.after_op = OP_PIVOT);
	REFUSED(v.after_op = OP_EXEC);
	REFUSED(v.extra_op = OP_MOUNT); // arguments are missing
	REFUSED(v.extra_op = 63);
	REFUSED(v.extra_op = OP_REMOVE); // a host operation
	REFUSED(v.extra_op = -1);
	REFUSED(v.extra_op = OP_AWAIT_START); // without a shim only
	REFUSED(v.extra_op = OP_CALLER_HOOKS);
	REFUSED((v.flags = PLAN_LAUNCH, v.extra_op = OP_HOOKS)); // arguments are missing
	REFUSED(v.empty_op = true);
	REFUSED(v.health = HEALTH_NONE);
	REFUSED(v.health = 3);
	REFUSED(v.interval = 0);
	REFUSED(v.interval = INT64_MAX);
	REFUSED(v.start_period = -1);
	REFUSED(v.freezer = "relative");
	REFUSED(v.health_without_probe = true);
	REFUSED((v.health = HEALTH_CONNECT, v.address_size = 5));
	REFUSED((v.health = HEALTH_CONNECT, v.port = 65536));
	REFUSED(v.has_outside = true); // and no user namespace
	REFUSED((v.has_outside = true, v.join_type = CLONE_NEWUSER, v.clone_flags = CLONE_NEWPID));
	REFUSED((v.has_outside = true, v.join_type = CLONE_NEWUSER, v.root_uid = -1));
	REFUSED((v.has_outside = true, v.join_type = CLONE_NEWUSER, v.root_uid = UINT32_MAX));
	REFUSED((v.has_outside = true, v.join_type = CLONE_NEWUSER, v.outside_op = OP_PIVOT));
	REFUSED((v.has_outside = true, v.join_type = CLONE_NEWUSER, v.outside_op = OP_MOUNT)); // arguments are missing
	REFUSED((v.has_outside = true, v.join_type = CLONE_NEWUSER, v.outside_op = OP_MKDIR)); // a host operation
	REFUSED(v.runtime = RUNTIME_ALL);                         // with a check of our own
	REFUSED(v.runtime_probe = true);                          // the reverse
	REFUSED((v.health = -1, v.runtime = RUNTIME_WITHOUT_START));
	REFUSED((v.health = -1, v.runtime = RUNTIME_AND_EXEC));
	REFUSED((v.health = -1, v.runtime = RUNTIME_ALL, v.extra_op = OP_CONSOLE, v.flags = PLAN_TTY));
	REFUSED(v.extra_op = OP_RUNTIME_CREATE);
}

static int decode_exec(int64_t op, const char *id)
{
	struct writer w = {0};
	struct reader r;
	struct exec_plan p;
	struct fault f = {0};
	write_begin(&w);
	write_str(&w, id);
	write_int(&w, PLAN_STDIN);
	write_int(&w, 0);
	write_int(&w, 0);
	write_open(&w);
	if (op)
		put_op(&w, op);
	write_open(&w);
	write_int(&w, OP_EXEC);
	write_open(&w);
	write_close(&w);
	write_open(&w);
	write_close(&w);
	write_close(&w);
	write_close(&w);
	write_close(&w);
	CHECK(wire_open(&r, w.data + 4, w.size - 4));
	int rc = exec_plan_decode(&r, &p, &f);
	write_free(&w);
	return rc;
}

static void test_exec(void)
{
	CHECK_INT(decode_exec(0, "e1"), 0);
	CHECK_INT(decode_exec(OP_NO_NEW_PRIVS, "e1"), 0);
	CHECK_INT(decode_exec(0, ""), -EINVAL);
	CHECK_INT(decode_exec(OP_PIVOT, "e1"), -EINVAL);
	CHECK_INT(decode_exec(OP_BARRIER, "e1"), -EINVAL);
	CHECK_INT(decode_exec(OP_CONSOLE, "e1"), -EINVAL);
	CHECK_INT(decode_exec(OP_LOOPBACK_UP, "e1"), -EINVAL);
}

static void test_mutations(int64_t health)
{
	struct writer w = {0};
	unsigned decoded = 0, opened = 0;
	struct wish v = good;
	v.health = health;
	put_plan(&w, &v);
	size_t size = w.size - 4;
	srand(5);
	for (int round = 0; round < 150000; round++) {
		uint8_t *copy = malloc(size);
		size_t used = size;
		memcpy(copy, w.data + 4, size);
		for (int i = rand() % 4; i >= 0; i--) {
			size_t at = (size_t)rand() % size;
			copy[at] = rand() % 3 ? (uint8_t)(copy[at] + rand() % 5 - 2) : (uint8_t)rand();
		}
		if (rand() % 8 == 0)
			used = (size_t)rand() % size;
		uint8_t *exact = malloc(used ? used : 1);
		memcpy(exact, copy, used);
		struct reader r;
		struct plan p;
		struct fault f = {0};
		if (wire_open(&r, exact, used)) {
			opened++;
			int rc = plan_decode(&r, &p, &f);
			CHECK(rc == 0 || rc == -EINVAL);
			decoded += rc == 0;
		}
		free(exact);
		free(copy);
	}
	CHECK(opened > 1000 && decoded > 100); // the loop reached what it is for
	write_free(&w);
}

int main(void)
{
	test_good();
	test_refused();
	test_launched();
	test_callers_mounts();
	test_hooks();
	test_exec();
	test_runtime();
	test_mutations(HEALTH_EXEC);
	test_mutations(HEALTH_CONNECT);
	return 0;
}
