// See criu.h. criu stands at one end of a socket pair and sends what it is at (notifications), which it waits to hear an answer to, and at
// last its answer. A restored container's first process is our child, as if we had launched it (`rst_sibling`).
//
// Three processes: one makes what the bundle mounts on, in a mount namespace that goes with it; one, in the container's cgroups and with
// its root at a mount point of its own, becomes criu; we talk.
#include "criu.h"

#include "container.h"
#include "hooks.h"
#include "launch.h"
#include "lifetime.h"
#include "plan.h"
#include "program.h"
#include "resolve.h"
#include "shim.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SERVICE = 3, FIRST_OPENED = 4, MAX_OPENED = 16, ABOVE = 64, STATUS = 5, MAX_MESSAGE = 64 << 10 };
enum criu_flag { CRIU_FOREGROUND = 1, CRIU_SUBREAPER = 2, CRIU_STATUS = 4 };
enum { TYPE_PRE_DUMP = 4, TYPE_NOTIFY = 6 };

struct call {
	int64_t flags;
	const char *console; // a socket that takes the terminal, "" for none
	const char *program;
	struct reader env, opened; // opened: files that criu finds at descriptors 4 and on
	struct reader cgroups;     // version 1
	const char *cgroup2;
	const char *root, *target; // a restored container's root is bound to `target`; "" for no restore
	struct reader prepare;     // container operations on the root
	struct reader hooks;       // run when the namespaces are there
	const char *state_head, *state_tail;
	const uint8_t *request;
	size_t request_size;
	int status; // descriptor for one byte, -1
	int master; // the restored terminal, -1
	pid_t pid;  // restored
};

static bool read_call(struct reader *args, struct call *c)
{
	const char *program = "";
	wire_int(args, &c->flags);
	wire_str(args, &c->console);
	wire_str(args, &program);
	wire_list(args, &c->env);
	wire_list(args, &c->opened);
	wire_list(args, &c->cgroups);
	wire_str(args, &c->cgroup2);
	wire_str(args, &c->root);
	wire_str(args, &c->target);
	wire_list(args, &c->prepare);
	wire_list(args, &c->hooks);
	wire_str(args, &c->state_head);
	wire_str(args, &c->state_tail);
	wire_bytes(args, &c->request, &c->request_size);
	c->program = program;
	return wire_done(args) && program[0] == '/' && c->opened.left <= MAX_OPENED && hooks_check(c->hooks);
}

// Ends a child of ours with a fault for its parent, or without one.
_Noreturn static void tell(int report, const struct fault *f)
{
	_exit(f && write(report, f, sizeof *f) != sizeof *f);
}

// Waits for what a child has to tell: nothing when it has ended well or has become another program.
static int hear(int report, struct fault *f)
{
	struct fault told;
	ssize_t n;
	do
		n = read(report, &told, sizeof told);
	while (n < 0 && errno == EINTR);
	if (n != sizeof told)
		return 0;
	*f = told;
	return -f->errno_;
}

static void make_mount_points(struct call *c, int report)
{
	struct fault f = {0};
	struct container root = {.chan = -1, .root = -1, .netns = -1, .clocks = -1, .masked = -1, .dev_null = -1, .start_fifo = -1};
	umask(0);
	root.host_proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root.host_proc < 0 || unshare(CLONE_NEWNS) < 0)
		fault_set(&f, errno, "unshare", "mount", NULL);
	else
		container_run_part(&root, &c->prepare, &f);
	tell(report, f.errno_ ? &f : NULL);
}

// Mount points are made as at creation, by mounting what has others below it.
static int prepare_root(struct call *c, struct fault *f)
{
	int pipes[2];
	if (c->root[0] == 0)
		return 0;
	if (pipe2(pipes, O_CLOEXEC) < 0)
		return fault_set(f, errno, "pipe2", "", NULL);
	pid_t pid = fork();
	if (pid == 0)
		make_mount_points(c, pipes[1]);
	int rc = pid < 0 ? fault_set(f, errno, "fork", "", NULL) : 0;
	close(pipes[1]);
	if (rc == 0)
		rc = hear(pipes[0], f);
	close(pipes[0]);
	while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	return rc;
}

// The numbers are the same here and in criu, which finds some through our /proc entry and others in its own table.
static int open_files(const struct call *c, struct fault *f)
{
	struct reader paths = c->opened;
	const char *path;
	for (int want = FIRST_OPENED; paths.left > 0 && wire_str(&paths, &path); want++) {
		int fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0 || (fd != want && dup2(fd, want) < 0))
			return fault_set(f, errno, "open", path, NULL);
		if (fd == want)
			fcntl(fd, F_SETFD, 0);
		else
			close(fd);
	}
	return 0;
}

static int enter_cgroups(const struct call *c, struct fault *f)
{
	struct reader dirs = c->cgroups;
	const char *dir;
	while (dirs.left > 0 && wire_str(&dirs, &dir))
		if (join_file(dir, "tasks", f) < 0)
			return -f->errno_;
	return c->cgroup2[0] ? join_file(c->cgroup2, "cgroup.procs", f) : 0;
}

// criu wants a root that is a mount point; nobody else sees this one. What is opened for it has to be of the same namespace, so that we go
// there with it, and come back when it has been forked: hooks are run where we were.
static int bind_root(const struct call *c, struct fault *f)
{
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0)
		return fault_set(f, errno, "unshare", "mount", NULL);
	if (mount(c->root, c->target, NULL, MS_BIND | MS_REC, NULL) < 0)
		return fault_set(f, errno, "mount", c->target, NULL);
	return 0;
}

_Noreturn static void become(struct call *c, int service, int report, char *const env[])
{
	struct fault f = {0};
	char *const argv[] = {(char *)c->program, "swrk", "3", NULL};
	sigset_t none;
	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	for (int i = 1; i < NSIG; i++)
		signal(i, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	umask(022);
	if (enter_cgroups(c, &f) == 0) {
		dup2(service, SERVICE);
		close_range((unsigned)FIRST_OPENED + c->opened.left, ~0U, CLOSE_RANGE_CLOEXEC);
		execve(argv[0], argv, env);
		fault_set(&f, errno, "execve", c->program, NULL);
	}
	tell(report, &f);
}

static pid_t fork_criu(struct call *c, int service, int report, struct fault *f)
{
	CLEAN_FREE char **env = program_strings(&c->env);
	int rc = env ? open_files(c, f) : fault_set(f, ENOMEM, "criu", "", NULL);
	if (rc < 0)
		return rc;
	pid_t pid = fork();
	if (pid == 0)
		become(c, service, report, env);
	return pid < 0 ? fault_set(f, errno, "fork", "", NULL) : pid;
}

static int open_above(const char *path, int flags)
{
	CLEAN_FD int fd = open(path, flags | O_CLOEXEC);
	return fcntl(fd, F_DUPFD_CLOEXEC, ABOVE);
}

static pid_t fork_with_root(struct call *c, int service, int report, struct fault *f)
{
	CLEAN_FD int ours = open_above("/proc/self/ns/mnt", O_RDONLY), place = open_above(".", O_PATH | O_DIRECTORY);
	if (ours < 0 || place < 0)
		return fault_set(f, errno, "open", "/proc/self/ns/mnt", NULL);
	pid_t pid = bind_root(c, f);
	if (pid == 0)
		pid = fork_criu(c, service, report, f);
	if (setns(ours, CLONE_NEWNS) < 0 || fchdir(place) < 0) {
		if (pid > 0)
			kill(pid, SIGKILL);
		return fault_set(f, errno, "setns", "mount", NULL);
	}
	return pid;
}

static pid_t start(struct call *c, int service, struct fault *f)
{
	int pipes[2];
	if (pipe2(pipes, O_CLOEXEC) < 0)
		return fault_set(f, errno, "pipe2", "", NULL);
	CLEAN_FD int out = fcntl(pipes[0], F_DUPFD_CLOEXEC, ABOVE), in = fcntl(pipes[1], F_DUPFD_CLOEXEC, ABOVE);
	close(pipes[0]);
	close(pipes[1]);
	pid_t pid = c->root[0] ? fork_with_root(c, service, in, f) : fork_criu(c, service, in, f);
	if (pid < 0)
		return pid;
	close(in);
	in = -1;
	return hear(out, f) < 0 ? -f->errno_ : pid;
}

static int take_terminal(struct call *c, int master, struct fault *f)
{
	if (master < 0)
		return fault_set(f, EPROTO, "criu", "orphan-pts-master", "it has sent no terminal");
	if (c->console[0])
		return send_descriptor(c->console, master, "/dev/ptmx", f);
	if (!(c->flags & CRIU_FOREGROUND))
		return fault_set(f, ENOTTY, "criu", "orphan-pts-master", "the container has a terminal: --console-socket is needed");
	c->master = fcntl(master, F_DUPFD_CLOEXEC, ABOVE);
	return 0;
}

// What there is to do at a point that criu waits at.
static int notified(struct call *c, const struct criu_answer *a, int fd, struct fault *f)
{
	if (strcmp(a->script, "setup-namespaces") == 0)
		return hooks_run(&c->hooks, c->state_head, (pid_t)a->pid, c->state_tail, "", f);
	if (strcmp(a->script, "orphan-pts-master") == 0)
		return take_terminal(c, fd, f);
	if (strcmp(a->script, "post-restore") == 0)
		c->pid = (pid_t)a->pid;
	if (strcmp(a->script, "status-ready") == 0 && c->status >= 0) {
		if (write(c->status, "", 1) != 1)
			return fault_set(f, errno, "write", "--status-fd", NULL);
		close(c->status);
		c->status = -1;
	}
	return 0;
}

static ssize_t receive(int client, uint8_t *message, int *fd)
{
	struct iovec part = {message, MAX_MESSAGE};
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} control;
	struct msghdr m = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
	ssize_t n;
	do
		n = recvmsg(client, &m, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	struct cmsghdr *head = n > 0 ? CMSG_FIRSTHDR(&m) : NULL;
	*fd = -1;
	if (head && head->cmsg_type == SCM_RIGHTS && head->cmsg_len == CMSG_LEN(sizeof *fd))
		memcpy(fd, CMSG_DATA(head), sizeof *fd);
	return n;
}

// Until the answer is there. Its size, or -errno; one that says no is a fault.
static ssize_t converse(struct call *c, int client, uint8_t *message, struct fault *f)
{
	static const uint8_t go_on[] = {8, TYPE_NOTIFY, 24, 1}, stop[] = {8, TYPE_NOTIFY, 24, 0}; // type, notify_success
	struct fault refused = {0};
	if (send(client, c->request, c->request_size, MSG_NOSIGNAL) < 0)
		return fault_set(f, errno, "criu", c->program, NULL);
	for (;;) {
		struct criu_answer a;
		int fd;
		ssize_t n = receive(client, message, &fd);
		CLEAN_FD int passed = fd;
		if (n <= 0 || !criu_decode(message, (size_t)n, &a))
			return fault_set(f, n < 0 ? errno : EPROTO, "criu", c->program, n == 0 ? "it has ended without an answer" : NULL);
		if (a.type != TYPE_NOTIFY || !a.is_success) {
			if (a.is_success)
				return n;
			if (refused.errno_)
				*f = refused; // what we have refused is why
			else
				fault_set(f, a.err > 0 ? a.err : EREMOTEIO, "criu", "", a.message[0] ? a.message : NULL);
			return -f->errno_;
		}
		bool is_done = notified(c, &a, passed, &refused) == 0;
		if (send(client, is_done ? go_on : stop, sizeof go_on, MSG_NOSIGNAL) < 0)
			return fault_set(f, errno, "criu", c->program, NULL);
	}
}

// What a failed restore has made is our child as criu is, and has to be gone before its cgroups can be removed.
static int abandon(const struct call *c, int rc)
{
	if (c->pid > 0)
		kill(c->pid, SIGKILL);
	while (waitpid(-1, NULL, 0) > 0 || errno == EINTR)
		;
	return rc;
}

static int finish(struct call *c, pid_t criu, const uint8_t *answer, ssize_t size, struct writer *result, struct fault *f)
{
	int code = program_wait(criu);
	struct criu_answer a;
	criu_decode(answer, (size_t)size, &a);
	if (code != 0 && a.type != TYPE_PRE_DUMP) // after that one criu waits for another request, which does not come
		return abandon(c, fault_set(f, EREMOTEIO, "criu", c->program, "it has failed behind its answer"));
	write_open(result);
	write_bytes(result, answer, (size_t)size);
	write_int(result, c->pid);
	write_int(result, c->pid > 0 ? start_time(c->pid) : 0);
	write_close(result);
	if (c->pid > 0 && c->flags & CRIU_FOREGROUND)
		stay_with(c->pid, c->master);
	return 0;
}

static int converse_with_new(struct call *c, int client, int service, struct writer *result, struct fault *f)
{
	CLEAN_FREE uint8_t *message = malloc(MAX_MESSAGE);
	pid_t criu = message ? start(c, service, f) : fault_set(f, ENOMEM, "criu", "", NULL);
	if (criu < 0)
		return criu;
	close(service);
	ssize_t size = converse(c, client, message, f);
	close(client);
	if (size >= 0)
		return finish(c, criu, message, size, result, f);
	return abandon(c, (int)size);
}

int criu_run(struct reader *args, struct writer *result, struct fault *f)
{
	struct call c = {.status = -1, .master = -1};
	int pair[2];
	if (!read_call(args, &c))
		return fault_set(f, EINVAL, "protocol", "criu", "malformed request");
	int rc = prepare_root(&c, f);
	if (rc < 0)
		return rc;
	if (c.flags & CRIU_STATUS) {
		c.status = fcntl(STATUS, F_DUPFD_CLOEXEC, ABOVE);
		close(STATUS);
	}
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return fault_set(f, errno, "socketpair", "", NULL);
	int client = fcntl(pair[0], F_DUPFD_CLOEXEC, ABOVE), service = fcntl(pair[1], F_DUPFD_CLOEXEC, ABOVE);
	close(pair[0]);
	close(pair[1]);
	launch_prepare((unsigned)c.flags);
	return converse_with_new(&c, client, service, result, f);
}

int resolve_paths(const char *root, struct reader *paths, struct writer *result, struct fault *f)
{
	CLEAN_FD int dir = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	const char *path;
	if (dir < 0)
		return fault_set(f, errno, "open", root, NULL);
	write_open(result);
	while (paths->left > 0 && wire_str(paths, &path)) {
		char link[32], found[PATH_MAX] = "";
		CLEAN_FD int fd = resolve_open(dir, path, O_PATH, 0, f);
		snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
		ssize_t n = fd < 0 ? 0 : readlink(link, found, sizeof found);
		write_bytes(result, (const uint8_t *)found, n > 0 ? (size_t)n : 0);
	}
	write_close(result);
	return 0;
}
