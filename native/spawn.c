// Making processes: clone3 into new namespaces and cgroups for the container's first process, setns for an exec. The child runs
// container.c in the image of the shim that it is a copy of, until execve.
#include "shim.h"

#include "container.h"
#include "outside.h"
#include "userns.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/magic.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

enum { NOBODY = 65534 };

struct child {
	struct process *process;
	struct reader ops;
	bool is_exec;
	unsigned rows, columns;
	int chan;
	int stdio[3]; // -1: stays the null device
	uint64_t flags;
};

static pid_t clone_process(uint64_t flags, int *pidfd, int cgroup)
{
	struct clone_args args = {.flags = flags};
	if (!(flags & CLONE_PARENT)) // with it the signal is the parent's own
		args.exit_signal = SIGCHLD;
	if (pidfd) {
		args.flags |= CLONE_PIDFD;
		args.pidfd = (uintptr_t)pidfd;
	}
	if (cgroup >= 0) {
		args.flags |= CLONE_INTO_CGROUP;
		args.cgroup = (uint64_t)cgroup;
	}
	long pid = syscall(SYS_clone3, &args, sizeof args);
	// Outer engines hide clone3, whose arguments no filter can read, behind ENOSYS.
	if (pid < 0 && errno == ENOSYS && cgroup < 0 && !(flags & CLONE_NEWTIME))
		pid = syscall(SYS_clone, args.flags | args.exit_signal, NULL, pidfd, NULL, NULL);
	return pid < 0 ? -errno : (pid_t)pid;
}

int join_file(const char *directory, const char *name, struct fault *f)
{
	char path[4096];
	size_t length = strlen(directory);
	if (length + strlen(name) + 2 > sizeof path)
		return fault_set(f, ENAMETOOLONG, "cgroup", directory, NULL);
	memcpy(path, directory, length);
	path[length] = '/';
	memcpy(path + length + 1, name, strlen(name) + 1);
	CLEAN_FD int fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, "0", 1) < 0)
		return fault_set(f, errno, "cgroup", path, NULL);
	return 0;
}

// Version 1: through `tasks`, by the process itself. A single thread that moves itself ("0") skips the kernel's write lock on
// cgroup_threadgroup_rwsem, which `cgroup.procs` takes; on an idle machine the first taker of that lock waits for a whole RCU
// grace period, 10 ms and more, which would be most of the start.
static int join_cgroups(bool with_second, struct fault *f)
{
	const struct plan *plan = &shim.plan;
	for (unsigned i = 0; i < plan->cgroup_count; i++)
		if (join_file(plan->cgroups[i], "tasks", f) < 0)
			return -f->errno_;
	return with_second && plan->cgroup2[0] ? join_file(plan->cgroup2, "cgroup.procs", f) : 0;
}

// Opens the version 2 cgroup that the first process is in now: below the container's own, when an init system or an engine in
// the container has split it. The container's cgroup then takes no processes itself (EBUSY).
static int open_current_cgroup(void)
{
	char path[4096] = "/proc/", text[2048] = "\n", digits[12], *d = digits + sizeof digits;
	const char *own = shim.plan.cgroup2;
	size_t own_size = strlen(own);
	unsigned pid = (unsigned)shim.container.pid;
	*--d = 0;
	do
		*--d = (char)('0' + pid % 10);
	while (pid /= 10);
	strcat(strcat(path, d), "/cgroup");
	CLEAN_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text + 1, sizeof text - 2);
	if (n <= 0)
		return -1;
	text[n + 1] = 0;
	char *line = strstr(text, "\n0::/"), *end = line ? strchr(line + 1, '\n') : NULL;
	if (!end)
		return -1;
	*end = 0;
	line += 4;
	// `own` is the mount point followed by a path that the line begins with.
	for (const char *tail = own; (tail = strchr(tail + 1, '/'));) {
		size_t size = strlen(tail);
		if (strncmp(line, tail, size) != 0 || line[size] != '/' || own_size + strlen(line + size) >= sizeof path)
			continue;
		memcpy(path, own, own_size);
		strcpy(path + own_size, line + size);
		return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	}
	return -1;
}

// Clones into the version 2 cgroup where there is one. The last try is for kernels before 5.7 and for directories that
// allow a move but not a birth; *joined says whether the child still has to move.
static pid_t clone_into(uint64_t flags, int *pidfd, bool *joined)
{
	*joined = false;
	if (shim.plan.cgroup2[0]) {
		CLEAN_FD int cgroup = open(shim.plan.cgroup2, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		*joined = true; // before the clone: the child reads its own copy
		pid_t pid = cgroup < 0 ? -ENOENT : clone_process(flags, pidfd, cgroup);
		if (pid == -EBUSY && shim.container.pid > 0) {
			CLEAN_FD int current = open_current_cgroup();
			pid = current < 0 ? -EBUSY : clone_process(flags, pidfd, current);
		}
		if (pid >= 0)
			return pid;
		*joined = false;
	}
	return clone_process(flags, pidfd, -1);
}

static void reset_signals(void)
{
	sigset_t none;
	sigemptyset(&none);
	for (int i = 1; i < NSIG; i++)
		signal(i, SIG_DFL); // ignored: KILL, STOP and the library's own
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static int by_value(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

// Closes everything but stdio and `keep`: no descriptor of the shim's (its sockets, the log, the host's directories) is there
// while the container's side is prepared, whatever path the image leads us along (CVE-2024-21626).
static void close_others(int *keep, size_t count)
{
	unsigned from = 3 + shim.preserved;
	qsort(keep, count, sizeof *keep, by_value);
	for (size_t i = 0; i < count; i++) {
		if (keep[i] < (int)from)
			continue;
		if ((unsigned)keep[i] > from)
			close_range(from, (unsigned)keep[i] - 1, 0);
		from = (unsigned)keep[i] + 1;
	}
	close_range(from, ~0U, 0);
}

static int take_stdio(struct child *child, struct fault *f)
{
	for (int i = 0; i < 3; i++)
		if (child->stdio[i] >= 0 && dup2(child->stdio[i], i) < 0)
			return fault_set(f, errno, "dup2", "", NULL);
	return 0;
}

static int open_joins(struct fault *f)
{
	struct plan *plan = &shim.plan;
	for (unsigned i = 0; i < plan->join_count; i++) {
		struct join *j = &plan->joins[i];
		if (j->fd < 0)
			j->fd = open(j->path, O_RDONLY | O_CLOEXEC);
		if (j->fd < 0)
			return fault_set(f, errno, "setns", j->path, NULL);
	}
	return 0;
}

static int enter_one(struct join *j, struct fault *f)
{
	if (setns(j->fd, j->type) < 0)
		return fault_set(f, errno, "setns", j->path, NULL);
	close(j->fd);
	j->fd = -1;
	return 0;
}

// A user namespace comes first, so that what is made afterwards belongs to it; what only the host's root may enter (a network
// namespace made outside) has to come before. So: try the others, then the user namespace, then what was refused.
static int enter_joins(struct fault *f)
{
	struct plan *plan = &shim.plan;
	for (int round = 0; round < 3; round++)
		for (unsigned i = 0; i < plan->join_count; i++) {
			struct join *j = &plan->joins[i];
			bool is_user = j->type == CLONE_NEWUSER;
			if (j->fd < 0 || is_user != (round == 1))
				continue;
			int rc = enter_one(j, f);
			if (rc < 0 && (round > 0 || rc != -EPERM))
				return rc;
		}
	return 0;
}

_Noreturn static void child_fail(const struct container *c, const struct fault *f)
{
	if (c->chan < 0) // started long ago: stderr is all that is left
		dprintf(STDERR_FILENO, "%s\n", f->text);
	container_note(c, NOTE_FAULT, f, -1);
	_exit(1);
}

// Common to both kinds of children, before they go different ways.
static void child_begin(struct child *child, struct container *c)
{
	struct fault f = {0};
	c->chan = child->chan;
	// Nobody in the container may look into this process through ptrace or /proc while it still is a copy of the shim
	// (CVE-2019-5736, CVE-2016-9962). execve makes the program dumpable again.
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	if (!shim.is_launch)
		prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0); // nobody runs unsupervised
	reset_signals();
	umask(0);
	int keep[MAX_JOINS + 3] = {child->chan, shim.start_fifo};
	size_t count = 2;
	if (child->is_exec)
		keep[count++] = shim.init_pidfd;
	else
		for (unsigned i = 0; i < shim.plan.join_count; i++)
			keep[count++] = shim.plan.joins[i].fd;
	if (take_stdio(child, &f) < 0)
		child_fail(c, &f);
	close_others(keep, count);
	c->host_proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	// What is written there (scores, sysctls, clocks) must reach the kernel and nothing else (CVE-2025-52881).
	struct statfs fs;
	if (c->host_proc < 0 || fstatfs(c->host_proc, &fs) < 0 || fs.f_type != PROC_SUPER_MAGIC) {
		fault_set(&f, c->host_proc < 0 ? errno : ENODEV, "open", "/proc", c->host_proc < 0 ? NULL : "not a procfs");
		child_fail(c, &f);
	}
}

// What the process that will be executed needs for itself; a step before it may have lost it by entering namespaces.
static void begin_program(const struct container *c)
{
	struct fault f = {0};
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	if (!c->is_launched)
		prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	if (setsid() < 0) {
		fault_set(&f, errno, "setsid", "", NULL);
		child_fail(c, &f);
	}
}

_Noreturn static void run_program(struct child *child, struct container *c)
{
	struct fault f = {0};
	container_run(c, &child->ops, &f);
	child_fail(c, &f);
}

// The rest of the first process, once it is in all its namespaces.
_Noreturn static void run_first(struct child *child, struct container *c)
{
	begin_program(c);
	if (child->flags & CLONE_NEWNS) // opened in this namespace, so that it can be cloned into the container
		c->dev_null = open("/dev/null", O_PATH | O_CLOEXEC | O_NOFOLLOW);
	else
		c->root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	run_program(child, c);
}

static void container_init(struct container *c, const struct child *child)
{
	*c = (struct container){
		.chan = child->chan,
		.is_exec = child->is_exec,
		.is_tty = child->process->is_tty,
		.is_relayed = child->process->is_relayed,
		.rows = child->rows,
		.columns = child->columns,
		.root = -1,
		.host_proc = -1,
		.netns = -1,
		.dev_null = -1,
		.clocks = -1,
		.masked = -1,
		.mask = 022,
		.is_launched = shim.is_launch,
		.start_fifo = shim.start_fifo,
		.preserved = shim.preserved,
	};
}

_Noreturn static void first_child(struct child *child, bool joined)
{
	struct container c;
	struct fault f = {0};
	container_init(&c, child);
	child_begin(child, &c);
	if (join_cgroups(!joined, &f) < 0 || enter_joins(&f) < 0)
		child_fail(&c, &f);
	// Not before: its root is the cgroup it is made in.
	if ((child->flags & CLONE_NEWCGROUP) && unshare(CLONE_NEWCGROUP) < 0) {
		fault_set(&f, errno, "unshare", "cgroup", NULL);
		child_fail(&c, &f);
	}
	run_first(child, &c);
}

// A joined pid namespace takes effect for children, and a joined user namespace must be there before anything is made: a step in
// between joins, and its child becomes ours (CLONE_PARENT), as if the step had never been.
_Noreturn static void first_step(struct child *child, bool joined)
{
	struct container c;
	struct fault f = {0};
	container_init(&c, child);
	child_begin(child, &c);
	struct outside outside;
	if ((child->flags & CLONE_NEWTIME) && attributes_open_clocks(&c, &f) < 0)
		child_fail(&c, &f);
	bool has_outside = shim.plan.has_outside;
	if (join_cgroups(!joined, &f) < 0)
		child_fail(&c, &f);
	// Who does the mounts must be there before the way back is lost, and is not limited; the limits are inherited.
	if (has_outside && (outside_start(&outside, &c, &f) < 0 || container_run_limits(&c, &child->ops, &f) < 0))
		child_fail(&c, &f);
	// Root in there before anything is made: the message queues' directory, for one, belongs to who makes the ipc namespace.
	if (enter_joins(&f) < 0 || ((shim.namespaces & CLONE_NEWUSER) && userns_become_root(&f) < 0))
		child_fail(&c, &f);
	// The clocks of a time namespace are set before anybody is in it: its maker's children are.
	if ((child->flags & CLONE_NEWTIME) && unshare(CLONE_NEWTIME) < 0) {
		fault_set(&f, errno, "unshare", "time", NULL);
		child_fail(&c, &f);
	}
	if (attributes_early(&c, child->ops, &f) < 0)
		child_fail(&c, &f);
	int pidfd = -1;
	pid_t pid = clone_process((child->flags & ~(uint64_t)CLONE_NEWTIME) | CLONE_PARENT, &pidfd, -1);
	if (pid < 0) {
		fault_set(&f, -pid, "clone3", "", NULL);
		child_fail(&c, &f);
	}
	if (pid > 0) {
		container_note_pid(&c, pid);
		if (has_outside)
			outside_go(&outside, pidfd);
		_exit(0);
	}
	if (has_outside && (c.root = outside_take_root(&outside)) < 0)
		_exit(1);
	run_first(child, &c);
}

// All namespaces at once, from the process itself: no path in /proc that could have become another process (Linux 5.8). With the host's
// rights the user namespace comes last, since some of the others may belong to another one.
static int enter_container(uint64_t namespaces, struct fault *f)
{
	int all = (int)(uint32_t)namespaces, others = all & ~CLONE_NEWUSER;
	int rc = all != others && setns(shim.init_pidfd, others) == 0 ? setns(shim.init_pidfd, CLONE_NEWUSER) : setns(shim.init_pidfd, all);
	return rc == 0 ? 0 : fault_set(f, errno, "setns", "", errno == ESRCH ? "the container's first process is gone" : NULL);
}

// The root of a container without a mount namespace is in ours: its first process has it.
static int enter_root(const struct container *c, struct fault *f)
{
	char path[32];
	snprintf(path, sizeof path, "%d/root", shim.container.pid);
	CLEAN_FD int root = openat(c->host_proc, path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root < 0 || fchdir(root) < 0 || chroot(".") < 0)
		return fault_set(f, errno, "chroot", path, NULL);
	// The number was still that process's when its root was opened, if it is now.
	if (pidfd_send_signal(shim.init_pidfd, 0, NULL, 0) < 0)
		return fault_set(f, ESRCH, "chroot", path, "the container's first process is gone");
	return 0;
}

_Noreturn static void exec_step(struct child *child, bool joined)
{
	struct container c;
	struct fault f = {0};
	container_init(&c, child);
	child_begin(child, &c);
	if (attributes_early(&c, child->ops, &f) < 0 || join_cgroups(!joined, &f) < 0)
		child_fail(&c, &f);
	if (container_run_limits(&c, &child->ops, &f) < 0 || enter_container(child->flags, &f) < 0)
		child_fail(&c, &f);
	if (!(child->flags & CLONE_NEWNS) && enter_root(&c, &f) < 0)
		child_fail(&c, &f);
	pid_t pid = clone_process(CLONE_PARENT, NULL, -1); // only a child is in the pid namespace
	if (pid < 0) {
		fault_set(&f, -pid, "clone3", "", NULL);
		child_fail(&c, &f);
	}
	if (pid > 0) {
		container_note_pid(&c, pid);
		_exit(0);
	}
	close(shim.init_pidfd);
	if ((child->flags & CLONE_NEWUSER) && userns_become_root(&f) < 0)
		child_fail(&c, &f);
	c.root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (c.root < 0) {
		fault_set(&f, errno, "open", "/", NULL);
		child_fail(&c, &f);
	}
	begin_program(&c);
	if (child->process->is_tty && console_open(&c, &f) < 0)
		child_fail(&c, &f);
	run_program(child, &c);
}

// An external runtime makes the process: this one only calls it.
_Noreturn static void external_step(struct child *child)
{
	struct container c;
	container_init(&c, child);
	child_begin(child, &c);
	for (unsigned i = 0; i < shim.plan.join_count; i++)
		if (shim.plan.joins[i].type == CLONE_NEWNET)
			c.netns = shim.plan.joins[i].fd;
	run_program(child, &c);
}

// Connecting takes the container's network and nothing else of it; whoever answers there is not trusted, so the privileges go first.
_Noreturn static void connect_child(struct child *child, const struct health_plan *plan)
{
	struct container c;
	struct fault f = {0};
	container_init(&c, child);
	child_begin(child, &c);
	if ((shim.namespaces & CLONE_NEWNET) && setns(shim.init_pidfd, CLONE_NEWNET) < 0) {
		fault_set(&f, errno, "setns", "net", errno == ESRCH ? "the container's first process is gone" : NULL);
		child_fail(&c, &f);
	}
	close(shim.init_pidfd);
	close(c.host_proc);
	if (setgroups(0, NULL) < 0 || setresgid(NOBODY, NOBODY, NOBODY) < 0 || setresuid(NOBODY, NOBODY, NOBODY) < 0) {
		fault_set(&f, errno, "setresuid", "", NULL);
		child_fail(&c, &f);
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0); // cleared with the user
	if (!container_note(&c, NOTE_EXEC, NULL, -1))
		_exit(1);
	close(child->chan);
	_exit(probe_connect(plan));
}

static int make_pipe(int *ours, int *theirs, bool we_write, struct fault *f)
{
	int fds[2];
	if (pipe2(fds, O_CLOEXEC) < 0)
		return fault_set(f, errno, "pipe2", "", NULL);
	*ours = fds[we_write];
	*theirs = fds[!we_write];
	fcntl(*ours, F_SETFL, O_NONBLOCK); // ours only: the container's end is what programs expect
	// In a user namespace its root cannot give it to the user (give_stdio) unless it is its own.
	if (shim.plan.has_outside && fchown(*theirs, (uid_t)shim.plan.root_uid, (gid_t)shim.plan.root_gid) < 0)
		return fault_set(f, errno, "chown", "stdio", NULL);
	return 0;
}

// Makes the channel and, without a terminal, the pipes. What was made stays in `p` and `child` also on failure.
static int make_stdio(struct process *p, struct child *child, struct fault *f)
{
	int pair[2];
	child->chan = -1;
	for (int i = 0; i < 3; i++)
		child->stdio[i] = -1;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return fault_set(f, errno, "socketpair", "", NULL);
	p->chan.w.fd = pair[0];
	child->chan = pair[1];
	fcntl(pair[0], F_SETFL, O_NONBLOCK);
	if (p->is_tty || p->inherits_stdio)
		return 0;
	for (int i = 0; i < 2; i++)
		if (make_pipe(&p->out[i].w.fd, &child->stdio[i + 1], false, f) < 0)
			return -f->errno_;
	return p->has_stdin ? make_pipe(&p->in.w.fd, &child->stdio[0], true, f) : 0;
}

static void close_theirs(struct child *child)
{
	clean_fd(&child->chan);
	for (int i = 0; i < 3; i++)
		clean_fd(&child->stdio[i]);
}

int spawn_container(struct process *p, struct fault *f)
{
	struct plan *plan = &shim.plan;
	struct child child = {.process = p, .ops = plan->ops, .rows = plan->rows, .columns = plan->columns, .flags = plan->clone_flags};
	bool needs_step = plan->is_external || (plan->clone_flags & CLONE_NEWTIME), joined = false;
	for (unsigned i = 0; i < plan->join_count; i++) {
		shim.namespaces |= (uint32_t)plan->joins[i].type;
		needs_step |= plan->joins[i].type & (CLONE_NEWPID | CLONE_NEWUSER);
	}
	shim.namespaces |= plan->clone_flags;
	int rc = open_joins(f);
	if (rc == 0)
		rc = make_stdio(p, &child, f);
	if (rc < 0) {
		close_theirs(&child);
		return rc;
	}
	uint64_t flags = needs_step ? 0 : plan->clone_flags & ~(uint64_t)CLONE_NEWCGROUP;
	pid_t pid = plan->is_external ? clone_process(CLONE_NEWNS, NULL, -1)
	                              : clone_into(flags, needs_step ? NULL : &shim.init_pidfd, &joined);
	if (pid == 0 && plan->is_external)
		external_step(&child);
	if (pid == 0)
		needs_step ? first_step(&child, joined) : first_child(&child, joined);
	close_theirs(&child);
	for (unsigned i = 0; i < plan->join_count; i++) {
		clean_fd(&plan->joins[i].fd);
		plan->joins[i].fd = -1;
	}
	if (pid < 0)
		return fault_set(f, -pid, "clone3", "", NULL);
	*(needs_step ? &p->step : &p->pid) = pid;
	return 0;
}

int spawn_exec(struct process *p, const struct exec_plan *plan, struct fault *f)
{
	struct child child = {.process = p, .ops = plan->ops, .is_exec = true, .rows = plan->rows, .columns = plan->columns};
	bool joined = false;
	child.flags = shim.namespaces;
	if (plan->is_external != shim.plan.is_external)
		return fault_set(f, EINVAL, "protocol", "exec", "not of this container's runtime");
	int rc = make_stdio(p, &child, f);
	if (rc < 0) {
		close_theirs(&child);
		return rc;
	}
	pid_t pid = plan->is_external ? clone_process(0, NULL, -1) : clone_into(0, NULL, &joined);
	if (pid == 0 && plan->is_external)
		external_step(&child);
	if (pid == 0)
		exec_step(&child, joined);
	close_theirs(&child);
	if (pid < 0)
		return fault_set(f, -pid, "clone3", "", NULL);
	p->step = pid;
	return 0;
}

int spawn_connect(struct process *p, const struct health_plan *plan, struct fault *f)
{
	struct child child = {.process = p, .is_exec = true};
	int rc = make_stdio(p, &child, f);
	pid_t pid = rc < 0 ? rc : clone_process(0, NULL, -1);
	if (pid == 0)
		connect_child(&child, plan);
	close_theirs(&child);
	if (rc == 0 && pid < 0)
		rc = fault_set(f, -pid, "clone3", "", NULL);
	p->pid = pid > 0 ? pid : 0;
	return rc;
}
