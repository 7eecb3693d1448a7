// Making processes without a shim, see launch.h. The same plans as the shim's (plan.c), made by the same code (spawn.c, container.c);
// what differs is that nobody stays: the process has our stdin, stdout and stderr or a terminal that is handed over, waits for
// `start` at a fifo, and becomes the child of whoever reaps for us when we end.
#include "launch.h"

#include "container.h"
#include "hooks.h"
#include "hostops.h"
#include "lifetime.h"
#include "self.h"
#include "shim.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

enum { REQUEST = 3, REPLY = 4, FIRST_PRESERVED = 5, MAX_PRESERVED = 1024 };
enum launch_flag { LAUNCH_FOREGROUND = 1, LAUNCH_SUBREAPER = 2 };

struct launch {
	unsigned flags;
	const char *console, *pidfd_socket; // sockets that take the terminal and the pidfd, "" for none
	struct reader hooks;                // of the caller's side, run when the container's process asks for them
	const char *state_head, *state_tail;
};

// What is left to do when the reply is sent: nothing, or to stay with a process in the foreground.
static struct {
	pid_t pid;
	int master;
} foreground = {.master = -1};

static const char *sealed_by = ""; // a self_way's name

void stay_with(pid_t pid, int master)
{
	foreground.pid = pid;
	foreground.master = master;
}

// Sends a descriptor over a unix socket at `path`, however long, with `name` as the data.
int send_descriptor(const char *path, int fd, const char *name, struct fault *f)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	char directory[4096];
	const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;
	size_t size = slash ? (size_t)(slash - path) + 1 : 0;
	if (size >= sizeof directory || strlen(base) + 32 > sizeof address.sun_path)
		return fault_set(f, ENAMETOOLONG, "connect", path, NULL);
	memcpy(directory, path, size);
	memcpy(directory + size, size ? "" : ".", size ? 1 : 2);
	CLEAN_FD int at = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
	CLEAN_FD int sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (at < 0 || sock < 0)
		return fault_set(f, errno, "connect", path, NULL);
	snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/%s", at, base);
	if (connect(sock, (struct sockaddr *)&address, sizeof address) < 0)
		return fault_set(f, errno, "connect", path, NULL);
	struct iovec part = {(void *)name, strlen(name)};
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} control = {0};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control.room};
	control.head.cmsg_level = SOL_SOCKET;
	control.head.cmsg_type = SCM_RIGHTS;
	control.head.cmsg_len = CMSG_LEN(sizeof fd);
	memcpy(CMSG_DATA(&control.head), &fd, sizeof fd);
	ssize_t n;
	do
		n = sendmsg(sock, &message, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return n < 0 ? fault_set(f, errno, "sendmsg", path, NULL) : 0;
}

static void reap(pid_t *pid)
{
	while (*pid > 0 && waitpid(*pid, NULL, 0) < 0 && errno == EINTR)
		;
	*pid = 0;
}

static int take_terminal(struct launch *l, int master, struct fault *f)
{
	if (master < 0)
		return fault_set(f, EPROTO, "console", "", NULL);
	if (!l->console[0]) {
		foreground.master = master;
		return 0;
	}
	fcntl(master, F_SETFL, O_RDWR); // whoever gets it expects one that blocks
	int rc = send_descriptor(l->console, master, "/dev/ptmx", f);
	close(master);
	return rc;
}

static int adopt(struct process *p, pid_t pid, struct fault *f)
{
	reap(&p->step);
	p->pid = pid;
	shim.init_pidfd = pidfd_open(pid, 0); // our own child: the number cannot have been used again
	return shim.init_pidfd < 0 ? fault_set(f, errno, "pidfd_open", "", NULL) : 0;
}

static int run_caller_hooks(struct process *p, struct launch *l, struct fault *f)
{
	int rc = hooks_run(&l->hooks, l->state_head, p->pid, l->state_tail, "", f);
	if (rc == 0 && send(p->chan.w.fd, "", 1, MSG_NOSIGNAL) != 1)
		return fault_set(f, EPIPE, "hook", "", "the container's first process is gone");
	return rc;
}

// Takes one note. 1: the process waits for `start`, or has become the program.
static int take_note(struct process *p, struct launch *l, const struct note *note, int fd, struct fault *f)
{
	char text[sizeof note->fault.op + sizeof note->fault.path + sizeof note->fault.text + 8];
	switch (note->kind) {
	case NOTE_PID:
		return adopt(p, note->pid, f);
	case NOTE_WARNING:
		snprintf(text, sizeof text, "%s%s%s: %s", note->fault.op, note->fault.path[0] ? " " : "", note->fault.path, note->fault.text);
		process_warn(p, text);
		return 0;
	case NOTE_PTY:
		return take_terminal(l, fd, f);
	case NOTE_HOOKS:
		return run_caller_hooks(p, l, f);
	case NOTE_BARRIER:
		return 1;
	case NOTE_EXEC:
		p->will_exec = true;
		return 0;
	default:
		*f = note->fault;
		return -f->errno_;
	}
}

// Reads notes until the process is where it should be. 0 or -errno.
static int follow(struct process *p, struct launch *l, struct fault *f)
{
	fcntl(p->chan.w.fd, F_SETFL, 0);
	for (;;) {
		struct note note;
		int fd;
		ssize_t rest = container_take_note(p->chan.w.fd, 0, &note, &fd, (struct iovec){shim_scratch, sizeof shim_scratch});
		if (rest < 0)
			return p->will_exec ? 0 : fault_set(f, ECHILD, "launch", "", "the process was killed before it could start");
		if (note.kind == NOTE_LISTENER) {
			listener_forward(p, note.pid, shim_scratch, (size_t)rest);
			continue;
		}
		int rc = take_note(p, l, &note, fd, f);
		if (rc != 0)
			return rc < 0 ? rc : 0;
	}
}

static void abandon(struct process *p)
{
	if (p->pid > 0)
		kill(p->pid, SIGKILL); // our own child, not reaped
	if (p->step > 0)
		kill(p->step, SIGKILL);
	reap(&p->step);
	reap(&p->pid);
}

static void write_result(struct writer *result, struct process *p)
{
	write_open(result);
	write_int(result, p->pid);
	write_int(result, start_time(p->pid));
	write_warnings(result, p);
	write_str(result, sealed_by);
	write_close(result);
}

// From clone to reply. `rc` is what spawning said.
static int see_through(struct process *p, struct launch *l, int rc, struct writer *result, struct fault *f)
{
	bool is_exec = shim.start_fifo < 0;
	if (rc == 0)
		rc = follow(p, l, f);
	if (rc == 0 && l->pidfd_socket[0]) {
		CLEAN_FD int pidfd = is_exec ? pidfd_open(p->pid, 0) : fcntl(shim.init_pidfd, F_DUPFD_CLOEXEC, 3);
		rc = pidfd < 0 ? fault_set(f, errno, "pidfd_open", "", NULL) : send_descriptor(l->pidfd_socket, pidfd, "pidfd", f);
	}
	if (rc < 0)
		abandon(p);
	else
		write_result(result, p);
	if (rc == 0 && l->flags & LAUNCH_FOREGROUND)
		foreground.pid = p->pid;
	process_release(p);
	return rc;
}

// In the foreground signals are the caller's to pass on; from a terminal we get them as well.
void launch_prepare(unsigned flags)
{
	static const int ignored[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGTSTP, SIGTTIN, SIGTTOU, SIGPIPE};
	shim.is_launch = true;
	if (flags & LAUNCH_SUBREAPER)
		prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	for (size_t i = 0; flags & LAUNCH_FOREGROUND && i < sizeof ignored / sizeof *ignored; i++)
		signal(ignored[i], SIG_IGN);
}

static bool read_head(struct reader *args, struct launch *l, int64_t *preserved)
{
	int64_t flags = 0;
	wire_int(args, &flags);
	wire_str(args, &l->console);
	wire_str(args, &l->pidfd_socket);
	wire_int(args, preserved);
	l->flags = (unsigned)flags;
	return !args->bad && *preserved >= 0 && *preserved <= MAX_PRESERVED;
}

// Descriptors that the caller wants to pass on came behind our own two; the program gets them from 3 on.
static int place_preserved(int64_t count, struct fault *f)
{
	for (int i = 0; i < count; i++)
		if (dup2(FIRST_PRESERVED + i, 3 + i) < 0)
			return fault_set(f, errno, "dup2", "preserved descriptors", NULL);
	for (int i = (int)count; count > 0 && i < count + 2; i++)
		close(3 + i);
	shim.preserved = (unsigned)count;
	return 0;
}

static int open_fifo(const char *path, struct fault *f)
{
	if (mkfifo(path, 0600) < 0)
		return fault_set(f, errno, "mkfifo", path, NULL);
	shim.start_fifo = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	return shim.start_fifo < 0 ? fault_set(f, errno, "open", path, NULL) : 0;
}

// Each plan has its own descriptors of what earlier operations keep in registers.
static int take_registers(const int regs[HOST_REGISTERS], struct fault *f)
{
	for (unsigned i = 0; i < shim.plan.join_count; i++) {
		struct join *j = &shim.plan.joins[i];
		if (j->reg < 0)
			continue;
		j->fd = regs[j->reg] < 0 ? -1 : fcntl(regs[j->reg], F_DUPFD_CLOEXEC, 3);
		if (j->fd < 0)
			return fault_set(f, EBADF, "launch", "joins", "the register is empty");
	}
	return 0;
}

int launch_container(struct reader *args, const int regs[HOST_REGISTERS], struct writer *result, struct fault *f)
{
	struct launch l = {.hooks = {.bad = true}};
	struct process *p = &shim.container;
	const char *fifo = "";
	int64_t preserved = 0;
	bool is_sound = read_head(args, &l, &preserved);
	wire_str(args, &fifo);
	wire_list(args, &l.hooks);
	wire_str(args, &l.state_head);
	wire_str(args, &l.state_tail);
	if (!is_sound || args->bad || !hooks_check(l.hooks) || fifo[0] != '/')
		return fault_set(f, EINVAL, "protocol", "launch", "malformed plan");
	int rc = plan_decode(args, &shim.plan, f);
	if (rc == 0 && !(shim.plan.flags & PLAN_LAUNCH))
		rc = fault_set(f, EINVAL, "protocol", "launch", "this plan is for a shim");
	if (rc == 0)
		rc = take_registers(regs, f);
	if (rc == 0)
		rc = place_preserved(preserved, f);
	if (rc == 0)
		rc = open_fifo(fifo, f);
	if (rc < 0)
		return rc;
	launch_prepare(l.flags);
	process_init(p, "", shim.plan.flags);
	p->inherits_stdio = true;
	p->is_relayed = !l.console[0];
	return see_through(p, &l, spawn_container(p, f), result, f);
}

// The descriptor of the container's first process: looked at again once it is open, since its number may have become another's.
static int open_container(int64_t pid, int64_t started, struct fault *f)
{
	shim.init_pidfd = pidfd_open((pid_t)pid, 0);
	if (shim.init_pidfd < 0 || start_time((pid_t)pid) != started)
		return fault_set(f, ESRCH, "pidfd_open", "", "the container's first process is gone");
	shim.container.pid = (pid_t)pid;
	return 0;
}

int launch_exec(struct reader *args, struct writer *result, struct fault *f)
{
	static struct process p;
	struct launch l = {.hooks = {.bad = true}};
	struct exec_plan plan;
	struct reader cgroups = {.bad = true};
	int64_t preserved = 0, pid = 0, started = 0, namespaces = 0;
	bool is_sound = read_head(args, &l, &preserved);
	wire_int(args, &pid);
	wire_int(args, &started);
	wire_int(args, &namespaces);
	wire_list(args, &cgroups);
	wire_str(args, &shim.plan.cgroup2);
	while (cgroups.left > 0 && shim.plan.cgroup_count < MAX_CGROUPS && wire_str(&cgroups, &shim.plan.cgroups[shim.plan.cgroup_count]))
		shim.plan.cgroup_count++;
	if (!is_sound || args->bad || !wire_done(&cgroups) || pid <= 0)
		return fault_set(f, EINVAL, "protocol", "launchExec", "malformed plan");
	shim.namespaces = (uint64_t)namespaces;
	int rc = exec_plan_decode(args, &plan, f);
	if (rc == 0)
		rc = place_preserved(preserved, f);
	if (rc == 0)
		rc = open_container(pid, started, f);
	if (rc < 0)
		return rc;
	launch_prepare(l.flags);
	process_init(&p, plan.id, plan.flags);
	p.inherits_stdio = true;
	p.is_relayed = !l.console[0];
	return see_through(&p, &l, spawn_exec(&p, &plan, f), result, f);
}

// Plain read and write: the request is a file, the reply a file or a pipe.
static bool read_all(int fd, void *data, size_t size)
{
	for (size_t got = 0; got < size;) {
		ssize_t n = read(fd, (uint8_t *)data + got, size - got);
		if (n == 0 || (n < 0 && errno != EINTR))
			return false;
		got += n > 0 ? (size_t)n : 0;
	}
	return true;
}

static int write_all(int fd, const uint8_t *data, size_t size)
{
	while (data && size > 0) {
		ssize_t n = write(fd, data, size);
		if (n < 0 && errno != EINTR)
			return -errno;
		data += n > 0 ? n : 0;
		size -= n > 0 ? (size_t)n : 0;
	}
	return data ? 0 : -ENOMEM;
}

static uint8_t *read_request(struct reader *ops, struct fault *f)
{
	uint32_t size = 0;
	struct reader request;
	uint8_t *body = read_all(REQUEST, &size, sizeof size) && size > 0 && size <= WIRE_MAX_FRAME ? malloc(size) : NULL;
	if (!body || !read_all(REQUEST, body, size) || !wire_open(&request, body, size) || !wire_list(&request, ops) || !wire_done(&request))
		fault_set(f, EINVAL, "protocol", "run", "malformed request");
	return body;
}

static int reply(int fd, int rc, struct writer *results, struct writer *warnings, const struct fault *f)
{
	struct writer w = {0};
	size_t size = 0;
	write_begin(&w);
	write_int(&w, rc < 0 ? f->errno_ : 0);
	if (rc < 0) {
		write_str(&w, f->op);
		write_str(&w, f->path);
		write_str(&w, f->text);
		write_int(&w, f->index);
	} else {
		write_nested(&w, warnings);
		write_nested(&w, results);
	}
	const uint8_t *bytes = frame_bytes(&w, &size);
	int sent = write_all(fd, bytes, size);
	write_free(&w);
	close(fd);
	return sent;
}

int run_protected(const char *dir)
{
	const char *way;
	int self = self_open(&way);
	char *argv[] = {"keel", "run", (char *)way, (char *)dir, NULL}, *env[] = {NULL};
	if (self >= 0)
		syscall(SYS_execveat, self, "", argv, env, AT_EMPTY_PATH);
	return 126;
}

int run_main(const char *way)
{
	struct fault f = {0};
	struct reader ops = {.bad = true};
	struct writer results = {0}, warnings = {0};
	prctl(PR_SET_NAME, "keel-run", 0, 0, 0);
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	umask(0);
	sealed_by = way;
	uint8_t *body = read_request(&ops, &f);
	int out = fcntl(REPLY, F_DUPFD_CLOEXEC, FIRST_PRESERVED + MAX_PRESERVED); // what is preserved takes its place
	close(REQUEST);
	close(REPLY);
	write_begin(&results);
	write_begin(&warnings);
	int rc = f.errno_ ? -f.errno_ : host_run(&ops, &results, &warnings, &f);
	if (reply(out, rc, &results, &warnings, &f) < 0 && rc == 0)
		rc = -EPIPE;
	write_free(&results);
	write_free(&warnings);
	int code = rc < 0 ? 1 : foreground.pid > 0 ? relay_run(foreground.pid, foreground.master) : 0;
	free(body);
	return code;
}
