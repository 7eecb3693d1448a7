// The agent, see agent.h. It only accepts and reaps; a handler serves one connection and may block as long as it likes. Both end
// with the daemon: the agent at the end of file on descriptor 0, the handlers by their parent-death signal. Shims are
// nobody's children and stay.
#include "agent.h"

#include "fault.h"
#include "fsops.h"
#include "hostops.h"
#include "self.h"
#include "watch.h"
#include "wire.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

// Descriptors of a handler; the agent's own are above.
enum { HANDLER_SOCKET = 3, HANDLER_SELF = 4, FIRST_OF_AGENT = 5 };
enum { VERB_HELLO = 1, VERB_RUN = 2, VERB_ROOT = 3, VERB_FS = 4, VERB_WATCH = 5 };

// One connection's state in its handler.
struct handler {
	int sock;
	struct fs_session *session; // after ROOT
	struct writer results, warnings, reply; // kept between requests for their memory
};

static int reply_values(struct handler *h, bool has_results)
{
	write_begin(&h->reply);
	write_int(&h->reply, 0);
	write_nested(&h->reply, &h->warnings);
	if (has_results)
		write_nested(&h->reply, &h->results);
	return frame_send(h->sock, &h->reply);
}

// Sends the outcome of a request. A result too large for a frame is a failure of the request, not of the connection.
static int reply_outcome(struct handler *h, int rc, struct fault *f, bool has_results)
{
	if (rc == 0) {
		rc = reply_values(h, has_results);
		if (rc != -EMSGSIZE)
			return rc;
		fault_set(f, EMSGSIZE, "protocol", "", "the result is larger than a message");
	}
	return frame_fault(h->sock, f);
}

static int serve_hello(struct handler *h, struct reader *request, struct fault *f)
{
	if (!wire_done(request))
		return frame_fault(h->sock, (fault_set(f, EINVAL, "protocol", "", "HELLO takes nothing"), f));
	write_begin(&h->reply);
	write_int(&h->reply, 0);
	write_nested(&h->reply, &h->warnings);
	write_int(&h->reply, getpid());
	return frame_send(h->sock, &h->reply);
}

static int serve_run(struct handler *h, struct reader *request, struct fault *f)
{
	struct reader ops;
	int rc;
	if (!wire_list(request, &ops) || !wire_done(request))
		rc = fault_set(f, EINVAL, "protocol", "", "RUN takes one list of operations");
	else if (h->session)
		rc = fault_set(f, EINVAL, "protocol", "", "RUN on the connection of a file session");
	else
		rc = host_run(&ops, &h->results, &h->warnings, f);
	return reply_outcome(h, rc, f, true);
}

static int serve_root(struct handler *h, struct reader *request, struct fault *f)
{
	int rc;
	if (h->session)
		rc = fault_set(f, EINVAL, "protocol", "", "this connection has a root already");
	else
		rc = fs_session_open(&h->session, request, f);
	return reply_outcome(h, rc, f, false);
}

static int serve_fs(struct handler *h, struct reader *request, struct fault *f)
{
	int64_t wants_reply = 1;
	struct reader ops;
	if (!wire_int(request, &wants_reply) || !wire_list(request, &ops) || !wire_done(request))
		return frame_fault(h->sock, (fault_set(f, EINVAL, "protocol", "", "FS takes an integer and a list"), f));
	if (!h->session)
		return frame_fault(h->sock, (fault_set(f, EINVAL, "protocol", "", "FS without a ROOT"), f));
	if (!wants_reply) {
		fs_session_run(h->session, &ops, &h->results, -1);
		return 0;
	}
	if (fs_is_export(ops))
		return fs_session_export(h->session, &ops, h->sock);
	int rc = fs_session_run(h->session, &ops, &h->results, h->sock);
	if (rc < 0)
		fs_session_fault(h->session, f);
	return reply_outcome(h, rc, f, true);
}

static int serve(struct handler *h, const uint8_t *body, size_t size)
{
	struct fault f = {0};
	struct reader request;
	int64_t verb = 0;
	write_begin(&h->results);
	write_begin(&h->warnings);
	if (wire_open(&request, body, size))
		wire_int(&request, &verb);
	switch (verb) {
	case VERB_HELLO: return serve_hello(h, &request, &f);
	case VERB_RUN: return serve_run(h, &request, &f);
	case VERB_ROOT: return serve_root(h, &request, &f);
	case VERB_FS: return serve_fs(h, &request, &f);
	case VERB_WATCH: return watch_serve(h->sock, &request, &f);
	default:
		fault_set(&f, EINVAL, "protocol", "", "malformed message or unknown verb");
		return frame_fault(h->sock, &f);
	}
}

static int handle(int sock)
{
	struct handler h = {.sock = sock};
	host_cancel_on_hangup(sock);
	for (;;) {
		CLEAN_FREE uint8_t *body = NULL;
		size_t size = 0;
		int rc = frame_recv(sock, &body, &size);
		if (rc > 0)
			rc = serve(&h, body, size);
		else if (rc == 0)
			rc = 1; // end of file
		if (rc == -EMSGSIZE) {
			struct fault f;
			fault_set(&f, EMSGSIZE, "protocol", "", "a message longer than 16 MiB");
			frame_fault(sock, &f); // the connection is out of step now and ends
		}
		if (rc != 0)
			break;
	}
	// Before the socket is closed: whoever waits for the end of the connection may rely on the mount being gone.
	fs_session_close(h.session);
	write_free(&h.results);
	write_free(&h.warnings);
	write_free(&h.reply);
	close(sock);
	return 0;
}

// Turns the forked child into a handler. Never returns.
static _Noreturn void become_handler(int sock, int self, pid_t agent)
{
	// SIGKILL: a handler may be inside any system call, and nobody is left to whom it could report.
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != agent)
		_exit(1); // the agent died before the line above
	prctl(PR_SET_NAME, "keel-handler");
	sigset_t none;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL); // an ignored signal would stay ignored in containers
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null < 0 || dup2(null, STDIN_FILENO) < 0)
		_exit(1);
	if (sock != HANDLER_SOCKET && dup3(sock, HANDLER_SOCKET, O_CLOEXEC) < 0)
		_exit(1);
	if (dup3(self, HANDLER_SELF, O_CLOEXEC) < 0)
		_exit(1);
	// Nothing else of the agent's is left besides stdio: not its listening socket, not its end of the daemon's pipe.
	close_range(HANDLER_SELF + 1, ~0U, 0);
	shim_program(HANDLER_SELF);
	_exit(handle(HANDLER_SOCKET));
}

static void accept_one(int listener, int self, pid_t agent)
{
	CLEAN_FD int sock = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	if (sock < 0)
		return; // whoever called hung up, or we are short of something: the next one may work
	struct ucred peer;
	socklen_t size = sizeof peer;
	if (getsockopt(sock, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0 || peer.uid != geteuid())
		return;
	pid_t child = fork();
	if (child == 0)
		become_handler(sock, self, agent);
	if (child < 0)
		perror("keel: fork");
}

static void reap(int signals)
{
	struct signalfd_siginfo info;
	if (read(signals, &info, sizeof info) < 0)
		return;
	int status;
	for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;)
		if (WIFSIGNALED(status))
			fprintf(stderr, "keel: handler %d was killed by signal %d\n", (int)pid, WTERMSIG(status));
}

// Binds and listens. The socket's directory is opened first, so that its path may be longer than sun_path.
static int listen_at(const char *path)
{
	const char *slash = strrchr(path, '/');
	CLEAN_FREE char *dir_path = slash ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");
	const char *name = slash ? slash + 1 : path;
	CLEAN_FD int dir = dir_path ? open(dir_path, O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
	if (dir < 0)
		return -errno;
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int n = snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/%s", dir, name);
	if (n < 0 || (size_t)n >= sizeof address.sun_path)
		return -ENAMETOOLONG;
	if (unlinkat(dir, name, 0) < 0 && errno != ENOENT) // left behind by an agent that was killed
		return -errno;
	int sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (sock < 0)
		return -errno;
	mode_t mask = umask(0177); // the socket is born 0600
	int rc = bind(sock, (struct sockaddr *)&address, sizeof address) < 0 || listen(sock, 128) < 0 ? -errno : 0;
	umask(mask);
	if (rc < 0)
		close(sock);
	return rc < 0 ? rc : sock;
}

// Tells whoever started us that we listen, and lets go of descriptor 1.
static int say_ready(void)
{
	if (write(STDOUT_FILENO, "ready\n", 6) < 0 && errno != EPIPE)
		return -errno;
	CLEAN_FD int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	return null < 0 || dup2(null, STDOUT_FILENO) < 0 ? -errno : 0;
}

// For all shims, and opened once: an overlay takes 0.12 ms, which every container would pay. Who asks for one meanwhile waits at the socket.
static int open_self(void)
{
	const char *way;
	CLEAN_FD int self = self_open(&way);
	return self < 0 ? -errno : fcntl(self, F_DUPFD_CLOEXEC, FIRST_OF_AGENT);
}

static int agent_loop(int listener, int signals)
{
	pid_t agent = getpid();
	CLEAN_FD int self = open_self();
	if (self < 0)
		return self;
	struct pollfd fds[] = {
		{.fd = STDIN_FILENO, .events = POLLIN},
		{.fd = listener, .events = POLLIN},
		{.fd = signals, .events = POLLIN},
	};
	for (;;) {
		if (poll(fds, 3, -1) < 0) {
			if (errno == EINTR)
				continue;
			return -errno;
		}
		char ignored[256];
		if (fds[0].revents && read(STDIN_FILENO, ignored, sizeof ignored) <= 0 && errno != EINTR && errno != EAGAIN)
			return 0; // the daemon is gone
		if (fds[1].revents)
			accept_one(listener, self, agent);
		if (fds[2].revents)
			reap(signals);
	}
}

int agent_main(const char *socket_path)
{
	prctl(PR_SET_NAME, "keel-agent");
	prctl(PR_SET_DUMPABLE, 0); // no ptrace, no core file with other people's data
	close_range(3, ~0U, 0);
	setsid(); // Ctrl-C in the daemon's terminal is for the daemon; EPERM means that we lead a session already
	for (int signo = 1; signo < NSIG; signo++)
		signal(signo, SIG_DFL); // whatever our parent's runtime ignores, containers shall not inherit
	signal(SIGPIPE, SIG_IGN);
	umask(0); // modes in plans mean what they say
	sigset_t child;
	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	sigprocmask(SIG_BLOCK, &child, NULL);
	int signals = signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK);
	int listener = listen_at(socket_path);
	if (listener < 0 || signals < 0) {
		fprintf(stderr, "keel: cannot listen on %s: %s\n", socket_path, strerror(listener < 0 ? -listener : errno));
		return 1;
	}
	int rc = say_ready();
	if (rc == 0)
		rc = agent_loop(listener, signals);
	if (rc < 0)
		fprintf(stderr, "keel: agent: %s\n", strerror(-rc));
	unlink(socket_path);
	return rc < 0;
}
