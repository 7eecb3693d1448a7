// The container operations (opcodes 64 to 127 of src/linux/ops.ts): the dispatcher and those that are one or two system calls. What
// mounts, makes nodes, opens terminals, changes users and executes is in files of its own.
#include "container.h"

#include "hooks.h"
#include "ops.h"
#include "procfs.h"
#include "resolve.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/filter.h>
#include <linux/keyctl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <linux/seccomp.h>
#include <net/if.h>
#include <stdio.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

bool container_note(const struct container *c, enum note_kind kind, const struct fault *f, int fd)
{
	struct note note = {.kind = kind};
	if (f)
		note.fault = *f;
	struct iovec part = {&note, sizeof note};
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} control = {0};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
	if (fd >= 0) {
		message.msg_control = &control;
		message.msg_controllen = sizeof control.room;
		control.head.cmsg_level = SOL_SOCKET;
		control.head.cmsg_type = SCM_RIGHTS;
		control.head.cmsg_len = CMSG_LEN(sizeof fd);
		memcpy(CMSG_DATA(&control.head), &fd, sizeof fd);
	}
	ssize_t n;
	if (c->chan < 0) // launched, and whoever launched it is done
		return true;
	do
		n = sendmsg(c->chan, &message, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return n >= 0;
}

ssize_t container_take_note(int chan, int flags, struct note *note, int *fd, struct iovec rest)
{
	bool was_at_end = false;
	for (;;) {
		struct iovec parts[] = {{note, sizeof *note}, rest};
		union {
			struct cmsghdr head;
			char room[CMSG_SPACE(sizeof(int))];
		} control;
		struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2, .msg_control = &control, .msg_controllen = sizeof control};
		ssize_t n = recvmsg(chan, &message, MSG_CMSG_CLOEXEC | flags);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return -1;
		if (n < (ssize_t)sizeof *note) {
			// The kernel looks for a message first and whether the other end is gone afterwards: what was sent between the two, such as
			// the last word before exec, is behind this end. Behind a second one there is nothing.
			if (was_at_end)
				return NOTE_END;
			was_at_end = true;
			continue;
		}
		*fd = -1;
		struct cmsghdr *c = CMSG_FIRSTHDR(&message);
		if (c && c->cmsg_type == SCM_RIGHTS && c->cmsg_len == CMSG_LEN(sizeof *fd))
			memcpy(fd, CMSG_DATA(c), sizeof *fd);
		return n - (ssize_t)sizeof *note;
	}
}

void container_note_pid(const struct container *c, pid_t pid)
{
	struct note note = {.kind = NOTE_PID, .pid = pid};
	send(c->chan, &note, sizeof note, MSG_NOSIGNAL);
}

void container_warn(const struct container *c, const char *op, const char *path, int err, const char *text)
{
	struct fault f = {0};
	fault_set(&f, err, op, path, text);
	container_note(c, NOTE_WARNING, &f, -1);
}

// Opens a file below /proc/sys for writing. Anything but the sysctl tree itself is refused: a plan that names
// "../1/mem", or a container that mounted something over its /proc, gets nothing (CVE-2025-52881's class).
static int open_sysctl(struct container *c, const char *name, struct fault *f)
{
	char path[PATH_MAX];
	if (strlen(name) > sizeof path - 5)
		return fault_set(f, ENAMETOOLONG, "sysctl", name, NULL);
	memcpy(path, "sys/", 4);
	memcpy(path + 4, name, strlen(name) + 1);
	if (strstr(path, "..") || name[0] == '/' || name[0] == 0)
		return fault_set(f, EINVAL, "sysctl", name, NULL);
	struct open_how how = {
		.flags = O_WRONLY | O_CLOEXEC | O_NOFOLLOW,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV,
	};
	CLEAN_FD int own = procfs_private();
	int proc = own < 0 ? c->host_proc : own;
	int fd = (int)syscall(SYS_openat2, proc, path, &how, sizeof how);
	if (fd < 0 && (errno == ENOSYS || errno == EPERM)) // neither is the container's: nobody else arranges what is in it
		fd = openat(proc, path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return fault_set(f, errno, "sysctl", name, NULL);
	struct statfs fs;
	if (fstatfs(fd, &fs) < 0 || fs.f_type != PROC_SUPER_MAGIC) {
		close(fd);
		return fault_set(f, EXDEV, "sysctl", name, "not on procfs");
	}
	return fd;
}

// The kernel shows each task its own namespaces' values below /proc/sys, whichever procfs instance it looks through.
static int set_sysctl(struct container *c, const char *name, const char *value, struct fault *f)
{
	CLEAN_FD int fd = open_sysctl(c, name, f);
	if (fd < 0)
		return fd;
	ssize_t n = write(fd, value, strlen(value));
	return n < 0 ? fault_set(f, errno, "sysctl", name, NULL) : 0;
}

static int set_oom_score(struct container *c, int64_t value, struct fault *f)
{
	char text[24], *at = text + sizeof text;
	uint64_t left = value < 0 ? (uint64_t)-value : (uint64_t)value;
	if (value < -1000 || value > 1000)
		return fault_set(f, EINVAL, "oomScoreAdj", "", NULL);
	*--at = 0;
	do
		*--at = (char)('0' + left % 10);
	while (left /= 10);
	if (value < 0)
		*--at = '-';
	CLEAN_FD int fd = openat(c->host_proc, "self/oom_score_adj", O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return fault_set(f, errno, "oomScoreAdj", at, NULL);
	if (write(fd, at, strlen(at)) >= 0)
		return 0;
	if (errno != EACCES && errno != EPERM)
		return fault_set(f, errno, "oomScoreAdj", at, NULL);
	// Going below what we inherited takes CAP_SYS_RESOURCE, which nested hosts lack.
	container_warn(c, "oomScoreAdj", at, errno, "cannot be lowered without CAP_SYS_RESOURCE");
	return 0;
}

static int set_rlimit(struct container *c, int64_t resource, int64_t soft, int64_t hard, struct fault *f)
{
	struct rlimit want = {(rlim_t)soft, (rlim_t)hard}, have;
	char shown[32];
	snprintf(shown, sizeof shown, "resource %lld", (long long)resource);
	if (resource < 0 || resource >= RLIM_NLIMITS)
		return fault_set(f, EINVAL, "rlimit", shown, "unknown resource");
	int which = (int)resource;
	if (setrlimit((__rlimit_resource_t)which, &want) == 0)
		return 0;
	int err = errno;
	// Raising a hard limit takes CAP_SYS_RESOURCE, which nested hosts lack: the container gets what there is.
	if (err != EPERM || getrlimit((__rlimit_resource_t)which, &have) < 0 || want.rlim_max <= have.rlim_max)
		return fault_set(f, err, "rlimit", shown, NULL);
	want.rlim_max = have.rlim_max;
	if (want.rlim_cur > have.rlim_max)
		want.rlim_cur = have.rlim_max;
	if (setrlimit((__rlimit_resource_t)which, &want) < 0)
		return fault_set(f, errno, "rlimit", shown, NULL);
	container_warn(c, "rlimit", shown, err, "hard limit cannot be raised without CAP_SYS_RESOURCE, the host's limit stays");
	return 0;
}

static int set_loopback_up(struct fault *f)
{
	CLEAN_FD int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq request = {.ifr_name = "lo"};
	if (fd < 0 || ioctl(fd, SIOCGIFFLAGS, &request) < 0)
		return fault_set(f, errno, "loopbackUp", "lo", NULL);
	request.ifr_flags = (short)(request.ifr_flags | IFF_UP);
	return ioctl(fd, SIOCSIFFLAGS, &request) < 0 ? fault_set(f, errno, "loopbackUp", "lo", NULL) : 0;
}

// The resolver refuses magic links, and after that nobody is left to lead us to a directory of the host's through
// /proc/self/fd (CVE-2024-21626); getcwd has the last word all the same.
static int change_dir(struct container *c, const char *path, bool create, struct fault *f)
{
	char where[PATH_MAX];
	if (c->root < 0)
		return fault_set(f, EINVAL, "chdir", path, "there is no root yet");
	CLEAN_FD int fd = create ? resolve_mkdirs(c->root, path, 0755, f)
	                         : resolve_open(c->root, path, O_PATH | O_DIRECTORY, 0, f);
	if (fd < 0)
		return fault_set(f, -fd, "chdir", path, NULL);
	if (fchdir(fd) < 0)
		return fault_set(f, errno, "chdir", path, NULL);
	long n = syscall(SYS_getcwd, where, sizeof where);
	if (n < 0 || where[0] != '/')
		return fault_set(f, n < 0 ? errno : EXDEV, "chdir", path, n < 0 ? NULL : "directory is outside of the container");
	return 0;
}

static int install_seccomp(struct container *c, const uint8_t *program, size_t size, int64_t flags, struct fault *f)
{
	if (size == 0 || size % sizeof(struct sock_filter) || size / sizeof(struct sock_filter) > BPF_MAXINSNS)
		return fault_set(f, EINVAL, "seccomp", "", "not a BPF program");
	// The kernel reads 8-byte instructions; the frame aligns nothing.
	struct sock_filter *filter = malloc(size);
	if (!filter)
		return fault_set(f, ENOMEM, "seccomp", "", NULL);
	memcpy(filter, program, size);
	struct sock_fprog prog = {.len = (unsigned short)(size / sizeof *filter), .filter = filter};
	// Last chance before the filter: everything that is open must be gone after exec.
	close_range(3 + c->preserved, ~0U, CLOSE_RANGE_CLOEXEC);
	long rc = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, (unsigned)flags, &prog);
	int err = errno;
	free(filter);
	c->has_seccomp = true;
	return rc < 0 ? fault_set(f, err, "seccomp", "", NULL) : (int)rc;
}

static int run_seccomp(struct container *c, struct reader *op, bool notifies, struct fault *f)
{
	const uint8_t *program = NULL;
	size_t size = 0;
	int64_t flags = 0;
	const char *path = "";
	struct reader parts = {.bad = true};
	wire_bytes(op, &program, &size);
	wire_int(op, &flags);
	if (notifies) {
		wire_str(op, &path);
		wire_list(op, &parts);
	}
	int listener = install_seccomp(c, program, size, flags, f);
	return listener < 0 || !notifies ? listener : listener_announce(c, listener, path, &parts, f);
}

static void join_keyring(const struct container *c, const char *name)
{
	// A quota, an old kernel or an outer filter may refuse; the container then shares the user's keyring, as in runc.
	if (syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, name) < 0)
		container_warn(c, "keyring", name, errno, NULL);
}

// The container cannot have put anything in the way: the procfs is the host's, and what is below `self` belongs to this process.
static int set_exec_label(const struct container *c, const char *module, const char *text, struct fault *f)
{
	CLEAN_FD int attr = openat(c->host_proc, "self/attr", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (attr < 0)
		return fault_set(f, errno, "execLabel", text, NULL);
	// Before Linux 5.1, and for those that have none, the modules share one file.
	CLEAN_FD int own = module[0] ? openat(attr, module, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) : -1;
	CLEAN_FD int fd = openat(own < 0 ? attr : own, "exec", O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		return fault_set(f, errno, "execLabel", text, NULL);
	return 0;
}

static int wait_for_go(const struct container *c, enum note_kind why, const char *op, struct fault *f)
{
	char go;
	container_note(c, why, NULL, -1);
	ssize_t n;
	do
		n = recv(c->chan, &go, 1, 0);
	while (n < 0 && errno == EINTR);
	return n == 1 ? 0 : fault_set(f, EPIPE, op, "", "the shim is gone");
}

// As the first process of a pid namespace we would be deaf to signals that have no handler.
static void end_by_signal(int signo)
{
	_exit(128 + signo);
}

static void heed_signals(bool on)
{
	static const int heeded[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGALRM};
	for (size_t i = 0; i < sizeof heeded / sizeof *heeded; i++)
		signal(heeded[i], on ? end_by_signal : SIG_DFL);
}

// Without a shim: whoever launched us is told and may go; `start` writes a byte into the fifo. It was opened for both
// directions, so that there is no end of file and reading is the only call that a filter has to allow.
static int await_start(struct container *c, struct fault *f)
{
	char go;
	if (c->start_fifo < 0)
		return fault_set(f, EINVAL, "awaitStart", "", "there is no fifo");
	if (!container_note(c, NOTE_BARRIER, NULL, -1)) // nobody knows of us
		return fault_set(f, EPIPE, "awaitStart", "", NULL);
	close(c->chan);
	c->chan = -1;
	heed_signals(true);
	ssize_t n;
	do
		n = read(c->start_fifo, &go, 1);
	while (n < 0 && errno == EINTR);
	heed_signals(false);
	close(c->start_fifo);
	c->start_fifo = -1;
	return n == 1 ? 0 : fault_set(f, n < 0 ? errno : EPIPE, "awaitStart", "", NULL);
}

static int run_credentials(struct container *c, struct reader *op, struct fault *f)
{
	struct cap_masks caps;
	struct reader groups = {.bad = true};
	const char *user = "";
	wire_str(op, &user);
	wire_list(op, &groups);
	wire_int(op, (int64_t *)&caps.bounding);
	wire_int(op, (int64_t *)&caps.effective);
	wire_int(op, (int64_t *)&caps.permitted);
	wire_int(op, (int64_t *)&caps.inheritable);
	wire_int(op, (int64_t *)&caps.ambient);
	return credentials_apply(c, user, &groups, &caps, f);
}

static int run_runtime(struct container *c, int64_t code, struct reader *op, struct fault *f)
{
	struct reader argv = {.bad = true}, env = {.bad = true};
	wire_list(op, &argv);
	wire_list(op, &env);
	if (code == OP_RUNTIME_CREATE)
		return runtime_create(c, "runtimeCreate", &argv, &env, f);
	return code == OP_RUNTIME_START ? runtime_start(c, &argv, &env, f) : runtime_exec(c, &argv, &env, f);
}

// Runs one operation. plan.c has checked the number and the types of the arguments.
static int run_op(struct container *c, int64_t code, struct reader *op, struct fault *f)
{
	const char *s[6] = {"", "", "", "", "", ""};
	int64_t i[7] = {0};
	if (code == OP_CREDENTIALS)
		return run_credentials(c, op, f);
	if (code == OP_SECCOMP || code == OP_SECCOMP_NOTIFY)
		return run_seccomp(c, op, code == OP_SECCOMP_NOTIFY, f);
	if (code == OP_EXEC) {
		struct reader argv, env;
		return wire_list(op, &argv) && wire_list(op, &env) ? exec_run(c, &argv, &env, f) : -EINVAL;
	}
	if (code == OP_HOOKS) {
		struct reader hooks;
		const char *head, *tail;
		// compat: before the root is entered hooks find it in their working directory, as under runc
		if (!c->is_pivoted && c->root >= 0 && fchdir(c->root) < 0)
			return fault_set(f, errno, "hook", "", NULL);
		return wire_list(op, &hooks) && wire_str(op, &head) && wire_str(op, &tail) ? hooks_run(&hooks, head, getpid(), tail, c->home, f)
		                                                                           : -EINVAL;
	}
	if (code == OP_RUNTIME_CREATE || code == OP_RUNTIME_START || code == OP_RUNTIME_EXEC)
		return run_runtime(c, code, op, f);
	int rc = attributes_run(code, op, f);
	if (rc != NOT_MINE)
		return rc;
	for (unsigned strings = 0, ints = 0; op->left > 0 && strings < 6 && ints < 7 && !op->bad;)
		wire_peek(op) == WIRE_INT ? wire_int(op, &i[ints++]) : wire_str(op, &s[strings++]);
	if (op->bad)
		return fault_set(f, EINVAL, "protocol", op_name(code), NULL);
	switch (code) {
	case OP_ID_MAPPED:
		return root_id_mapped(c, s[0], s[1], s[2], f);
	case OP_ROOT_OVERLAY:
		return root_overlay(c, s[0], s[1], s[2], s[3], s[4], s[5], f);
	case OP_ROOT_BIND:
		return root_bind(c, s[0], s[1], f);
	case OP_MOUNT:
		return mount_new(c, s[0], s[1], s[2], i[0], s[3], f);
	case OP_BIND:
		return mount_bind(c,
		                  &(struct bind){.source = s[0],
		                                 .sub = s[2],
		                                 .is_recursive = i[0] != 0,
		                                 .attr = (uint64_t)i[1],
		                                 .is_attr_recursive = i[2] != 0,
		                                 .propagation = (uint64_t)i[3],
		                                 .uids = s[3],
		                                 .gids = s[4],
		                                 .is_idmap_recursive = i[4] != 0,
		                                 .clear = (uint64_t)i[5],
		                                 .must_clear = (uint64_t)i[6]},
		                  s[1], f);
	case OP_STAGE:
		return mount_stage(c, s[0], s[1], s[2], i[0], s[3], f);
	case OP_BIND_FROM:
		return mount_bind_from(c, s[0], s[1], s[2], i[0], f);
	case OP_DEVICE:
		return make_device(c, s[0], s[1], i[0], i[1], i[2], i[3], i[4], f);
	case OP_SYMLINK:
		return make_symlink(c, s[0], s[1], f);
	case OP_MKDIR_IN:
		return make_directory(c, s[0], i[0], i[1], i[2], f);
	case OP_MASK:
		return mount_mask(c, s[0], f);
	case OP_READONLY:
		return mount_readonly(c, s[0], f);
	case OP_CONSOLE:
		return console_open(c, f);
	case OP_MOUNT_ATTRIBUTES:
		return mount_attributes(c, s[0], i[0], i[1], i[2] != 0, f);
	case OP_REMOUNT:
		return mount_remount(c, s[0], i[0], s[1], f);
	case OP_MOUNT_PROPAGATION:
		return mount_propagation(c, s[0], i[0], f);
	case OP_MOUNT_COPY_UP:
		return mount_copy_up(c, s[0], s[1], i[0], s[2], f);
	case OP_MOVE_ROOT:
		return root_move(c, f);
	case OP_ROOT_HERE:
		return root_here(c, s[0], f);
	case OP_CHROOT:
		return root_chroot(c, f);
	case OP_PIVOT:
		return root_pivot(c, f);
	case OP_ROOT_READONLY:
		return root_readonly(c, f);
	case OP_ROOT_PROPAGATION:
		return root_propagation(c, i[0], f);
	case OP_BUNDLE:
		return bundle_open(c, s[0], s[1], f);
	case OP_HOSTNAME:
		return sethostname(s[0], strlen(s[0])) < 0 ? fault_set(f, errno, "sethostname", s[0], NULL) : 0;
	case OP_DOMAINNAME:
		return setdomainname(s[0], strlen(s[0])) < 0 ? fault_set(f, errno, "setdomainname", s[0], NULL) : 0;
	case OP_SYSCTL:
		return set_sysctl(c, s[0], s[1], f);
	case OP_RLIMIT:
		return set_rlimit(c, i[0], i[1], i[2], f);
	case OP_OOM_SCORE_ADJ:
		return set_oom_score(c, i[0], f);
	case OP_LOOPBACK_UP:
		return set_loopback_up(f);
	case OP_CHDIR:
		return change_dir(c, s[0], i[0] != 0, f);
	case OP_UMASK: // takes effect at exec: until then directories and nodes are made with exactly the planned modes
		c->mask = (mode_t)i[0] & 07777;
		return 0;
	case OP_NO_NEW_PRIVS:
		return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? fault_set(f, errno, "noNewPrivs", "", NULL) : 0;
	case OP_KEYRING:
		join_keyring(c, s[0]);
		return 0;
	case OP_EXEC_LABEL:
		return set_exec_label(c, s[0], s[1], f);
	case OP_BARRIER:
		return wait_for_go(c, NOTE_BARRIER, "barrier", f);
	case OP_CALLER_HOOKS:
		return wait_for_go(c, NOTE_HOOKS, "callerHooks", f);
	case OP_FIND_PROGRAM:
		return exec_find(s[0], s[1], f);
	case OP_AWAIT_START:
		return await_start(c, f);
	default:
		return fault_set(f, EINVAL, "protocol", op_name(code), "unknown operation");
	}
}

int container_run_limits(struct container *c, struct reader *ops, struct fault *f)
{
	for (;;) {
		struct reader rest = *ops, op;
		int64_t code = 0;
		if (!wire_list(&rest, &op) || !wire_int(&op, &code) || (code != OP_RLIMIT && code != OP_OOM_SCORE_ADJ))
			return 0;
		int rc = run_op(c, code, &op, f);
		if (rc < 0)
			return rc;
		*ops = rest;
	}
}

int container_run_part(struct container *c, struct reader *ops, struct fault *f)
{
	for (int index = 0; ops->left > 0; index++) {
		struct reader op;
		int64_t code = 0;
		if (!wire_list(ops, &op) || !wire_int(&op, &code))
			return fault_set(f, EINVAL, "protocol", "ops", NULL);
		int rc = run_op(c, code, &op, f);
		if (rc < 0) {
			f->index = index;
			return rc;
		}
	}
	return 0;
}

int container_run(struct container *c, struct reader *ops, struct fault *f)
{
	int rc = container_run_part(c, ops, f);
	return rc < 0 ? rc : fault_set(f, EINVAL, "protocol", "ops", "exec is missing");
}
