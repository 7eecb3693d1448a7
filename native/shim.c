// The shim's life: take the plan, listen, start the container's first process, serve until it and its output are gone, leave exit.json, run the
// plan's clean-up, tell whoever listens, end. Nothing in here waits for a daemon.
//
//   state      entered by                             left by
//   starting   clone3                                 barrier, exec, failure
//   created    the barrier                            START, a signal
//   running    execve                                 exit of the first process
//   exited     waitpid                                end of its output, or one second
//   over       output delivered; exit.json, events    last byte to the last client
#include "shim.h"

#include "hostops.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h> // renameat
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { LINK = 3, FRAME_HEAD = 4, BACKLOG = 64 };

struct shim shim = {.state_dir = -1, .report = -1, .init_pidfd = -1, .start_fifo = -1, .epoll = -1};
struct jsonlog shim_log = {.fd = -1};
uint8_t shim_scratch[SCRATCH_SIZE];

int shim_main(int argc, char **argv);

// Takes the descriptors that came with the first byte, in the order of the plan's joins that name a register.
static ssize_t recv_head(uint8_t *head, size_t size, int fds[MAX_JOINS], unsigned *count)
{
	struct iovec part = {head, size};
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int) * MAX_JOINS)];
	} control;
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
	ssize_t n;
	do
		n = recvmsg(LINK, &message, MSG_CMSG_CLOEXEC | MSG_WAITALL);
	while (n < 0 && errno == EINTR);
	struct cmsghdr *c = n > 0 ? CMSG_FIRSTHDR(&message) : NULL;
	if (c && c->cmsg_type == SCM_RIGHTS) {
		*count = (unsigned)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
		memcpy(fds, CMSG_DATA(c), *count * sizeof(int));
	}
	return n;
}

// The plan lives in pages of its own, so that those of the operations can be given back once they have run.
static int receive_plan(struct fault *f)
{
	uint32_t size = 0;
	int fds[MAX_JOINS];
	unsigned count = 0, next = 0;
	struct reader values;
	if (recv_head((uint8_t *)&size, sizeof size, fds, &count) != sizeof size || size > WIRE_MAX_FRAME)
		return fault_set(f, EPROTO, "shim", "", "no plan");
	shim.plan_frame = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (shim.plan_frame == MAP_FAILED)
		return fault_set(f, ENOMEM, "shim", "", NULL);
	shim.plan_size = size;
	for (size_t got = 0; got < size;) {
		ssize_t n = recv(LINK, shim.plan_frame + got, size - got, 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return fault_set(f, EPROTO, "shim", "", "the plan ends early");
		got += (size_t)n;
	}
	if (!wire_open(&values, shim.plan_frame, size))
		return fault_set(f, EPROTO, "shim", "", "malformed plan");
	int rc = plan_decode(&values, &shim.plan, f);
	if (rc < 0)
		return rc;
	for (unsigned i = 0; i < shim.plan.join_count; i++)
		if (shim.plan.joins[i].reg >= 0) {
			if (next == count)
				return fault_set(f, EBADF, "shim", "joins", NULL);
			shim.plan.joins[i].fd = fds[next++];
		}
	return 0;
}

static void forget_operations(void)
{
	const uintptr_t page = 4096;
	uintptr_t from = ((uintptr_t)shim.plan.ops.at + page - 1) & ~(page - 1), to = (uintptr_t)shim.plan.ops.end & ~(page - 1);
	if (from < to)
		madvise((void *)from, to - from, MADV_DONTNEED);
}

// Binds through the directory's descriptor: sun_path has room for 107 bytes, state directories may be longer.
static int open_socket(struct fault *f)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "/proc/self/fd/"};
	char *at = address.sun_path + strlen(address.sun_path);
	shim.state_dir = open(shim.plan.state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (shim.state_dir < 0)
		return fault_set(f, errno, "open", shim.plan.state_dir, NULL);
	if (shim.state_dir >= 10)
		*at++ = (char)('0' + shim.state_dir / 10 % 10);
	*at++ = (char)('0' + shim.state_dir % 10);
	memcpy(at, "/shim.sock", sizeof "/shim.sock");
	unlinkat(shim.state_dir, "shim.sock", 0); // of a shim that was killed
	shim.listener.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	shim.listener.on = listener_on;
	mode_t old = umask(0177);
	int rc = bind(shim.listener.fd, (struct sockaddr *)&address, sizeof address);
	umask(old);
	if (rc < 0 || listen(shim.listener.fd, BACKLOG) < 0)
		return fault_set(f, errno, "bind", shim.plan.state_dir, NULL);
	return watch_set(&shim.listener, EPOLLIN) ? 0 : fault_set(f, errno, "epoll_ctl", "", NULL);
}

static void children_on(struct watch *w, uint32_t events)
{
	struct signalfd_siginfo info;
	(void)events;
	while (read(w->fd, &info, sizeof info) > 0)
		; // one note may stand for several children
	process_reap();
}

// Signals to the shim mean nothing: it ends when the container has ended. SIGKILL takes the container along (spawn.c).
static int open_signals(struct fault *f)
{
	static const int ignored[] = {SIGHUP, SIGINT, SIGQUIT, SIGPIPE, SIGTERM, SIGUSR1, SIGUSR2, SIGALRM, SIGXFSZ, SIGTSTP, SIGTTIN, SIGTTOU};
	sigset_t child;
	for (size_t i = 0; i < sizeof ignored / sizeof ignored[0]; i++)
		signal(ignored[i], SIG_IGN);
	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	sigprocmask(SIG_BLOCK, &child, NULL);
	shim.children.fd = signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK);
	shim.children.on = children_on;
	return watch_set(&shim.children, EPOLLIN) ? 0 : fault_set(f, errno, "signalfd", "", NULL);
}

static int open_log(struct fault *f)
{
	const struct plan *p = &shim.plan;
	if (!p->has_log)
		return 0;
	int rc = jsonlog_open(&shim_log, &p->log);
	return rc < 0 ? fault_set(f, -rc, "open", p->log.path, NULL) : 0;
}

static int start(struct fault *f)
{
	int rc = receive_plan(f);
	if (rc == 0 && shim.plan.is_external) // processes that the runtime has made are to be ours when it ends
		prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	if (rc == 0)
		rc = loop_open(f);
	if (rc == 0)
		rc = open_signals(f);
	if (rc == 0)
		rc = open_socket(f);
	if (rc == 0)
		rc = open_log(f);
	if (rc < 0)
		return rc;
	struct process *p = &shim.container;
	process_init(p, "", shim.plan.flags);
	p->closes_stdin = shim.plan.flags & PLAN_STDIN_ONCE;
	rc = spawn_container(p, f);
	if (rc == 0)
		watch_set(&p->chan.w, EPOLLIN);
	return rc;
}

void shim_report(void)
{
	struct process *p = &shim.container;
	struct writer w = {0};
	if (shim.report < 0 || (p->pid == 0 && !p->has_fault))
		return;
	if (p->has_fault) {
		if (!shim.is_failed_start) // stays open: its end of file says that shim and container are gone
			frame_fault(shim.report, &p->fault);
		shim.is_failed_start = true;
		return;
	}
	write_begin(&w);
	write_int(&w, 0);
	write_warnings(&w, p);
	write_int(&w, getpid());
	write_int(&w, p->pid);
	frame_send(shim.report, &w); // ignored: a daemon that is gone finds us later
	write_free(&w);
	close(shim.report);
	shim.report = -1;
	forget_operations();
}

// True when the kernel counted an OOM kill: a line "oom_kill N" with N > 0, in version 1's memory.oom_control as in version 2's
// memory.events.
static bool read_oom(void)
{
	char text[1024] = "\n";
	if (!shim.plan.oom_file[0])
		return false;
	CLEAN_FD int fd = open(shim.plan.oom_file, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text + 1, sizeof text - 2);
	if (n <= 0)
		return false;
	text[n + 1] = 0;
	const char *line = strstr(text, "\noom_kill ");
	return line && line[10] >= '1' && line[10] <= '9';
}

static char *put_text(char *at, const char *text)
{
	size_t size = strlen(text);
	memcpy(at, text, size);
	return at + size;
}

static char *put_number(char *at, const char *key, int64_t value)
{
	char digits[24], *d = digits + sizeof digits;
	*--d = 0;
	do
		*--d = (char)('0' + value % 10);
	while (value /= 10);
	return put_text(put_text(at, key), d);
}

// For a daemon that was not there: written before anybody is told, complete or not at all.
static void write_exit_file(void)
{
	char text[512], *at = text;
	const struct process *p = &shim.container;
	at = put_number(at, "{\"pid\":", p->pid);
	at = put_number(at, ",\"exitCode\":", p->exit_code);
	at = put_number(at, ",\"signal\":", p->signal);
	at = put_text(at, shim.oom_killed ? ",\"oomKilled\":true" : ",\"oomKilled\":false");
	at = put_number(at, ",\"startedAtNs\":", p->started_at);
	at = put_number(at, ",\"finishedAtNs\":", p->finished_at);
	at = put_text(at, "}\n");
	CLEAN_FD int fd = openat(shim.state_dir, "exit.json.tmp", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd >= 0 && write(fd, text, (size_t)(at - text)) == at - text)
		renameat(shim.state_dir, "exit.json.tmp", shim.state_dir, "exit.json");
	// ignored: a full disk; the event still tells, and a daemon that finds neither file nor shim reports it as unknown
}

static bool everything_over(void)
{
	if (shim.container.phase != PHASE_OVER || shim.container.step)
		return false;
	for (const struct process *p = shim.execs; p; p = p->next)
		if (p->phase != PHASE_OVER)
			return false;
	return true;
}

static void finish(void)
{
	struct writer w;
	shim.is_finished = true;
	jsonlog_close(&shim_log);
	if (shim.is_failed_start)
		return;
	shim.oom_killed = read_oom();
	write_exit_file();
	host_run_all(&shim.plan.exit_ops);
	for (struct process *p = shim.execs; p; p = p->next)
		exec_event(p);
	write_exit_event(&w);
	clients_event(&w, SIZE_MAX);
}

static void check_log(void)
{
	if (shim_log.rotations != shim.log_rotations) {
		shim.log_rotations = shim_log.rotations;
		rotation_event();
	}
	if (shim_log.error == shim.log_error)
		return;
	shim.log_error = shim_log.error;
	if (shim.log_error)
		process_warn(&shim.container, "the log cannot be written, output is lost");
}

static void after_round(void)
{
	int64_t now = now_ms();
	process_check_end(&shim.container, now);
	for (struct process *p = shim.execs; p; p = p->next)
		process_check_end(p, now);
	check_log();
	if (shim.container.phase >= PHASE_EXITED)
		dns_close();
	clients_sweep(now);
	health_tick(now);
	if (!shim.is_finished && everything_over())
		finish();
}

static int sooner(int timeout, int64_t in_ms)
{
	int wanted = in_ms < 0 ? 0 : (int)in_ms + 1;
	return timeout < 0 || wanted < timeout ? wanted : timeout;
}

// ms until something is due although nothing happens, or -1.
static int next_deadline(void)
{
	int64_t now = now_ms();
	int timeout = loop_buffer_timeout(now);
	int until_check = health_timeout(now);
	if (until_check >= 0)
		timeout = sooner(timeout, until_check);
	if (shim.container.phase == PHASE_EXITED)
		timeout = sooner(timeout, shim.container.drain_until - now);
	for (const struct process *p = shim.execs; p; p = p->next)
		if (p->phase == PHASE_EXITED)
			timeout = sooner(timeout, p->drain_until - now);
	for (const struct client *c = shim.clients; c; c = c->next)
		if (client_is_stuck(c))
			timeout = sooner(timeout, c->progress_at + CLIENT_PATIENCE_MS - now);
	return timeout;
}

// After the end only what waits for clients keeps us.
static bool has_undelivered(void)
{
	for (const struct client *c = shim.clients; c; c = c->next)
		if (client_waiting(c) > 0 || c->kind == CLIENT_STREAM)
			return true;
	return false;
}

static void supervise(void)
{
	do {
		loop_round(next_deadline());
		after_round();
	} while (!shim.is_finished || has_undelivered());
}

int shim_main(int argc, char **argv)
{
	struct fault f = {0};
	(void)argc;
	(void)argv;
	prctl(PR_SET_NAME, "keel-shim", 0, 0, 0);
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0); // orphans are init's: the container's own, or the host's
	fcntl(LINK, F_SETFD, FD_CLOEXEC);
	shim.report = LINK;
	shim.listener.fd = shim.children.fd = -1;
	if (start(&f) < 0) {
		frame_fault(shim.report, &f);
		if (shim.state_dir >= 0)
			unlinkat(shim.state_dir, "shim.sock", 0);
		return 1;
	}
	supervise();
	unlinkat(shim.state_dir, "shim.sock", 0);
	return 0;
}
