// A process from its first note to its last byte: what the child reports between clone and exec, its exit, and the end of its output.
#include "shim.h"

#include "container.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { EXIT_NOT_FOUND = 127, EXIT_NOT_EXECUTABLE = 126, EXIT_NOT_STARTED = 128 };

static void chan_on(struct watch *w, uint32_t events);

void process_init(struct process *p, const char *id, unsigned flags)
{
	memset(p, 0, sizeof *p);
	memcpy(p->id, id, strlen(id) + 1);
	p->is_tty = flags & PLAN_TTY;
	p->has_stdin = flags & PLAN_STDIN;
	p->chan = (struct channel){{.fd = -1, .on = chan_on}, p};
	p->in = (struct sink){.w = {.fd = -1, .on = sink_on}, .process = p};
	for (unsigned i = 0; i < 2; i++)
		p->out[i] = (struct source){{.fd = -1, .on = source_on}, p, i};
}

void process_release(struct process *p)
{
	watch_close(&p->chan.w);
	watch_close(&p->in.w);
	for (int i = 0; i < 2; i++)
		watch_close(&p->out[i].w);
	free(p->in.data);
	for (unsigned i = 0; i < p->warning_count; i++)
		free(p->warnings[i]);
	p->warning_count = 0;
}

void process_warn(struct process *p, const char *text)
{
	if (p->warning_count == MAX_WARNINGS)
		return;
	char *copy = strdup(text);
	if (copy)
		p->warnings[p->warning_count++] = copy;
}

void write_warnings(struct writer *w, struct process *p)
{
	write_open(w);
	for (unsigned i = 0; i < p->warning_count; i++) {
		write_str(w, p->warnings[i]);
		free(p->warnings[i]);
	}
	write_close(w);
	p->warning_count = 0;
}

static void keep_warning(struct process *p, const struct fault *f)
{
	char text[sizeof f->op + sizeof f->path + sizeof f->text + 8];
	size_t at = 0;
	const char *parts[] = {f->op, f->path[0] ? " " : "", f->path, ": ", f->text};
	for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
		memcpy(text + at, parts[i], strlen(parts[i]));
		at += strlen(parts[i]);
	}
	text[at] = 0;
	process_warn(p, text);
}

static void take_terminal(struct process *p, int master)
{
	if (master < 0 || p->out[0].w.fd >= 0)
		return;
	fcntl(master, F_SETFL, O_RDWR | O_NONBLOCK);
	p->out[0].w.fd = master;
	if (p->has_stdin) // a descriptor of its own, because reading and writing are watched apart
		p->in.w.fd = fcntl(master, F_DUPFD_CLOEXEC, 3);
}

// What a process may say from now on is delivered: nothing is read before somebody had the chance to attach.
static void open_output(struct process *p)
{
	for (int i = 0; i < 2; i++)
		if (p->out[i].w.fd >= 0)
			watch_set(&p->out[i].w, EPOLLIN);
}

static int start_failure_code(const struct fault *f)
{
	if (strcmp(f->op, "exec") != 0)
		return EXIT_NOT_STARTED;
	return f->errno_ == ENOENT ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE;
}

static void ended(struct process *p, int status);

// The channel is at its end: exec succeeded, or the process died without a word.
static void settle(struct process *p)
{
	watch_close(&p->chan.w);
	if (!p->has_fault && !p->will_exec) {
		p->has_fault = true;
		fault_set(&p->fault, ECHILD, "shim", "", "the process was killed before it could start");
	}
	if (p->has_fault) {
		p->exit_code = start_failure_code(&p->fault);
		if (p->pid > 0 && !p->is_reaped && shim.plan.is_external) // made by its runtime, which could not start it
			kill(p->pid, SIGKILL);
	} else {
		p->phase = PHASE_RUNNING;
		p->started_at = now_ns();
		open_output(p);
	}
	if (p == &shim.container) {
		shim_report();
		if (p->phase == PHASE_RUNNING)
			health_begin();
	} else if (p->is_probe) {
		health_started();
	}
	verbs_started(p);
	if (p->is_reaped)
		ended(p, p->status);
}

static void adopt(struct process *p, pid_t pid);

// A process that its runtime has made may end before or after its step has come to the barrier: then that waits there for nothing.
static void tell_step(const struct process *p)
{
	if (shim.plan.is_external && p->is_reaped && p->phase == PHASE_CREATED && !p->is_released)
		shutdown(p->chan.w.fd, SHUT_RDWR);
}

// `rest` bytes of the message came behind the note, they are in shim_scratch.
static void take_note(struct process *p, const struct note *note, int fd, size_t rest)
{
	switch (note->kind) {
	case NOTE_PID:
		adopt(p, note->pid);
		break;
	case NOTE_WARNING:
		keep_warning(p, &note->fault);
		break;
	case NOTE_PTY:
		take_terminal(p, fd);
		return; // keeps the descriptor
	case NOTE_LISTENER:
		listener_forward(p, note->pid, shim_scratch, rest);
		break;
	case NOTE_BARRIER:
		p->phase = PHASE_CREATED;
		shim_report();
		tell_step(p);
		break;
	case NOTE_EXEC:
		p->will_exec = true;
		break;
	case NOTE_FAULT:
		p->has_fault = true;
		p->fault = note->fault;
		break;
	}
	if (fd >= 0)
		close(fd);
}

static void read_notes(struct process *p)
{
	while (p->chan.w.fd >= 0) {
		struct note note;
		int fd;
		ssize_t rest = container_take_note(p->chan.w.fd, MSG_DONTWAIT, &note, &fd, (struct iovec){shim_scratch, SCRATCH_SIZE});
		if (rest == NOTE_END)
			settle(p);
		if (rest < 0)
			return;
		take_note(p, &note, fd, (size_t)rest);
	}
}

static void chan_on(struct watch *w, uint32_t events)
{
	(void)events;
	read_notes(((struct channel *)w)->process);
}

static void ended(struct process *p, int status)
{
	if (p->chan.w.fd >= 0) { // whether it had started is not known yet
		p->is_reaped = true;
		p->status = status;
		tell_step(p);
		return;
	}
	p->finished_at = now_ns();
	bool was_killed = p->has_fault && p->fault.errno_ == ECHILD && WIFSIGNALED(status);
	if (!p->has_fault || was_killed) {
		p->signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
		p->exit_code = p->signal ? 128 + p->signal : WEXITSTATUS(status);
	}
	p->phase = PHASE_EXITED;
	p->drain_until = now_ms() + DRAIN_MS;
	if (p->has_fault) // it never ran: there is nothing to wait for
		p->drain_until = 0;
	p->in.is_ending = true;
	if (p == &shim.container && !(shim.plan.clone_flags & CLONE_NEWPID))
		process_signal(SIGKILL, true); // no pid namespace takes the others along
	process_resume(p);
}

// The process that matters is known now; it may have ended already.
static void adopt(struct process *p, pid_t pid)
{
	p->pid = pid;
	if (p == &shim.container)
		shim.init_pidfd = pidfd_open(pid, 0); // our own child: the number cannot have been used again
	if (p->phase == PHASE_CREATED)
		shim_report();
	for (unsigned i = 0; i < shim.early_count; i++)
		if (shim.early[i].pid == pid) {
			ended(p, shim.early[i].status);
			shim.early[i] = shim.early[--shim.early_count];
			return;
		}
}

static struct process *find_process(pid_t pid)
{
	if (shim.container.pid == pid)
		return &shim.container;
	for (struct process *p = shim.execs; p; p = p->next)
		if (p->pid == pid)
			return p;
	return NULL;
}

static bool take_step(struct process *p, pid_t pid)
{
	if (p->step != pid)
		return false;
	p->step = 0;
	return true;
}

// An external runtime leaves others behind than those it has been called for, and orphans of a container without a pid namespace of
// its own fall to us: only while somebody's number is awaited may an unknown one be his.
static void forget_strangers(void)
{
	for (const struct process *p = &shim.container; p; p = p == &shim.container ? shim.execs : p->next)
		if (p->pid == 0 && p->chan.w.fd >= 0)
			return;
	shim.early_count = 0;
}

void process_reap(void)
{
	int status;
	pid_t pid;
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		bool is_step = take_step(&shim.container, pid);
		for (struct process *p = shim.execs; p; p = p->next) {
			is_step |= take_step(p, pid);
			read_notes(p); // what it said comes before its end
		}
		read_notes(&shim.container);
		struct process *p = find_process(pid);
		if (p && p->phase < PHASE_EXITED)
			ended(p, status);
		else if (!is_step && shim.early_count < sizeof shim.early / sizeof shim.early[0]) {
			shim.early[shim.early_count].pid = pid;
			shim.early[shim.early_count++].status = status;
		}
	}
	if (shim.plan.is_external)
		forget_strangers();
	// A step that died without a child to show for itself is the end of its process.
	for (struct process *p = &shim.container; p; p = p == &shim.container ? shim.execs : p->next)
		if (p->pid == 0 && p->step == 0 && p->phase == PHASE_STARTING)
			ended(p, 0);
}

// Everyone in the container's pid namespace, by a helper that enters it: kill(-1) cannot miss a process that forks meanwhile. It spares
// the namespace's first process, which is signalled from here.
static int signal_namespace(int signo)
{
	pid_t helper = fork();
	if (helper < 0)
		return -errno;
	if (helper == 0) {
		if (setns(shim.init_pidfd, CLONE_NEWPID) < 0)
			_exit(1);
		pid_t inner = fork();
		if (inner == 0)
			_exit(kill(-1, signo) < 0 && errno != ESRCH);
		if (inner > 0)
			waitpid(inner, NULL, 0);
		_exit(0);
	}
	waitpid(helper, NULL, 0);
	return 0;
}

int process_signal(int signo, bool all)
{
	pid_t pid = shim.container.pid;
	bool is_alive = pid > 0 && shim.container.phase < PHASE_EXITED;
	if (all && !(shim.plan.clone_flags & CLONE_NEWPID))
		members_signal(signo);
	else if (all && signo != 0 && signo != SIGKILL && is_alive)
		signal_namespace(signo);
	if (!is_alive)
		return all ? 0 : -ESRCH;
	return kill(pid, signo) < 0 ? -errno : 0; // our own child, not reaped: nobody else has this number
}

void process_check_end(struct process *p, int64_t now)
{
	if (p->phase != PHASE_EXITED)
		return;
	if (!process_is_silent(p) && now < p->drain_until)
		return;
	process_end_output(p);
	watch_close(&p->in.w);
	p->phase = PHASE_OVER;
}
