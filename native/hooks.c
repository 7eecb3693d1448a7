// Running hooks, see hooks.h. A hook may write as much as it likes and close whatever it likes: nobody waits for anything but its end.
#include "hooks.h"

#include "plan.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { KEPT_OUTPUT = 96, MAX_STATE = 256 << 10 };

// The beginning of what a hook wrote to one of its streams; the rest is read and dropped.
struct output {
	int fd;
	char text[KEPT_OUTPUT];
	size_t size;
};

struct run {
	pid_t pid;
	int pidfd, input;
	struct output out[2];
};

static int64_t now_in_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static char **strings_of(struct reader list, const char *first, const char *home)
{
	static char home_text[262];
	char **out = calloc((size_t)list.left + 3, sizeof *out);
	const char *s;
	unsigned i = 0;
	bool has_home = false;
	if (!out)
		return NULL;
	if (list.left == 0 && first)
		out[i++] = (char *)first;
	while (list.left > 0 && wire_str(&list, &s)) {
		has_home |= strncmp(s, "HOME=", 5) == 0;
		out[i++] = (char *)s;
	}
	if (home && *home && !has_home) {
		snprintf(home_text, sizeof home_text, "HOME=%s", home);
		out[i] = home_text;
	}
	return out;
}

_Noreturn static void become_hook(const struct hook *h, const char *home, int input, int out, int err)
{
	sigset_t none;
	char **argv = strings_of(h->argv, h->path, NULL), **env = strings_of(h->env, NULL, home);
	dup2(input, 0);
	dup2(out, 1);
	dup2(err, 2);
	close_range(3, ~0U, CLOSE_RANGE_CLOEXEC);
	for (int i = 1; i < NSIG; i++)
		signal(i, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	umask(022);
	if (argv && env)
		execve(h->path, argv, env);
	dprintf(2, "fork/exec %s: %s", h->path, strerror(errno));
	_exit(127);
}

// stdin is a socket pair: a state that does not fit into its buffer is written while the hook reads, and a hook that
// reads nothing harms nobody.
static int start_hook(struct run *r, const struct hook *h, const char *home, struct fault *f)
{
	int in[2], out[2] = {-1, -1}, err[2] = {-1, -1};
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, in) < 0)
		return fault_set(f, errno, "hook", h->path, NULL);
	int rc = pipe2(out, O_CLOEXEC) < 0 || pipe2(err, O_CLOEXEC) < 0 ? -errno : 0;
	if (rc == 0) {
		r->pid = fork();
		rc = r->pid < 0 ? -errno : 0;
		if (r->pid == 0)
			become_hook(h, home, in[1], out[1], err[1]);
	}
	close(in[1]);
	clean_fd(&out[1]);
	clean_fd(&err[1]);
	r->input = in[0];
	r->out[0] = (struct output){.fd = out[0]};
	r->out[1] = (struct output){.fd = err[0]};
	if (rc < 0)
		return fault_set(f, -rc, "hook", h->path, NULL);
	r->pidfd = pidfd_open(r->pid, 0);
	return r->pidfd < 0 ? fault_set(f, errno, "hook", h->path, NULL) : 0;
}

static void end_run(struct run *r)
{
	clean_fd(&r->pidfd);
	clean_fd(&r->input);
	clean_fd(&r->out[0].fd);
	clean_fd(&r->out[1].fd);
}

static void read_output(struct output *o)
{
	char text[4096];
	ssize_t n = read(o->fd, text, sizeof text);
	if (n <= 0) {
		clean_fd(&o->fd);
		o->fd = -1;
		return;
	}
	size_t room = sizeof o->text - 1 - o->size, part = (size_t)n < room ? (size_t)n : room;
	memcpy(o->text + o->size, text, part);
	o->size += part;
	o->text[o->size] = 0;
}

// Serves the hook's streams until it has ended; false when the time is up.
static bool attend(struct run *r, const char *state, size_t size, int64_t deadline)
{
	for (;;) {
		int64_t left = deadline < 0 ? -1 : deadline - now_in_ms();
		if (deadline >= 0 && left <= 0)
			return false;
		struct pollfd fds[] = {
			{.fd = r->pidfd, .events = POLLIN},
			{.fd = r->input, .events = POLLOUT},
			{.fd = r->out[0].fd, .events = POLLIN},
			{.fd = r->out[1].fd, .events = POLLIN},
		};
		if (poll(fds, 4, (int)left) < 0 && errno != EINTR)
			return true;
		if (fds[1].revents) {
			ssize_t n = send(r->input, state, size, MSG_NOSIGNAL | MSG_DONTWAIT);
			state += n > 0 ? n : 0;
			size -= n > 0 ? (size_t)n : 0;
			if (size == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
				clean_fd(&r->input); // end of file for the hook
				r->input = -1;
			}
		}
		for (int i = 0; i < 2; i++)
			if (fds[i + 2].revents)
				read_output(&r->out[i]);
		if (fds[0].revents && !fds[2].revents && !fds[3].revents)
			return true;
	}
}

static int report(const struct hook *h, const struct run *r, int status, struct fault *f)
{
	char text[sizeof f->text];
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	char how[64];
	if (WIFEXITED(status))
		snprintf(how, sizeof how, "exit status %d", WEXITSTATUS(status));
	else // "Bad system call", in Go's lower case
		snprintf(how, sizeof how, "signal: %c%s", tolower(strsignal(WTERMSIG(status))[0]), strsignal(WTERMSIG(status)) + 1);
	snprintf(text, sizeof text, "error running %.40s: %.40s, stdout: %.60s, stderr: %.60s", h->label, how, r->out[0].text, r->out[1].text);
	return fault_set(f, ECHILD, "hook", h->path, text);
}

static int run_hook(const struct hook *h, const char *state, size_t size, const char *home, struct fault *f)
{
	struct run r = {.pidfd = -1, .input = -1, .out = {{.fd = -1}, {.fd = -1}}};
	char text[sizeof f->text];
	int status = 0, rc = start_hook(&r, h, home, f);
	bool is_over = rc < 0 || attend(&r, state, size, h->timeout_ms > 0 ? now_in_ms() + h->timeout_ms : -1);
	if (!is_over || (rc < 0 && r.pid > 0))
		kill(r.pid, SIGKILL);
	if (r.pid > 0)
		while (waitpid(r.pid, &status, 0) < 0 && errno == EINTR)
			;
	if (rc == 0 && !is_over) {
		snprintf(text, sizeof text, "error running %s: hook ran past specified timeout of %.1fs", h->label, (double)h->timeout_ms / 1000);
		rc = fault_set(f, ETIMEDOUT, "hook", h->path, text);
	} else if (rc == 0) {
		rc = report(h, &r, status, f);
	}
	end_run(&r);
	return rc;
}

int hooks_run(struct reader *hooks, const char *head, pid_t pid, const char *tail, const char *home, struct fault *f)
{
	struct hook h;
	size_t size = strlen(head) + strlen(tail) + 16;
	if (size > MAX_STATE)
		return fault_set(f, E2BIG, "hook", "", "the state is too large");
	CLEAN_FREE char *state = malloc(size);
	if (!state)
		return fault_set(f, ENOMEM, "hook", "", NULL);
	size = (size_t)snprintf(state, size, "%s%d%s", head, (int)pid, tail);
	while (hooks->left > 0) {
		if (!hook_next(hooks, &h))
			return fault_set(f, EINVAL, "protocol", "hook", NULL);
		int rc = run_hook(&h, state, size, home, f);
		if (rc < 0)
			return rc;
	}
	return 0;
}
