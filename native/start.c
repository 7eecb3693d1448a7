// Starting a shim, on the agent's side: a detached process that is nobody's child executes keel again under the name of shim, takes the
// plan over a socket pair and reports over it. The handler waits; that is what handlers are for.
#include "hostops.h"
#include "plan.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LINK = 3, LIST_HEAD = 9, REPORT_VALUES = 4 };

static int program = -1;

void shim_program(int fd)
{
	program = fd;
}

_Noreturn static void become_shim(int link, const char *id)
{
	char *argv[] = {"keel", "shim", (char *)id, NULL}, *env[] = {NULL};
	sigset_t none;
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	for (int fd = 0; fd <= 2; fd++)
		dup2(null, fd);
	int self = fcntl(program, F_DUPFD_CLOEXEC, LINK + 1); // out of the way of the next line
	dup2(link, LINK);
	fcntl(LINK, F_SETFD, 0);
	close_range(LINK + 1, ~0U, CLOSE_RANGE_CLOEXEC);
	sigemptyset(&none);
	for (int i = 1; i < NSIG; i++)
		signal(i, SIG_DFL);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (chdir("/") == 0)
		syscall(SYS_execveat, self, "", argv, env, AT_EMPTY_PATH);
	_exit(127);
}

// Two forks and a session of its own: the agent's end, its signals and its terminal mean nothing to the shim.
static int launch(int link, const char *id, struct fault *f)
{
	if (program < 0)
		return fault_set(f, ENOEXEC, "shim", "", "there is no program to execute");
	pid_t pid = fork();
	if (pid < 0)
		return fault_set(f, errno, "fork", "", NULL);
	if (pid == 0) {
		setsid();
		pid = fork();
		if (pid == 0)
			become_shim(link, id);
		_exit(pid < 0 ? 1 : 0);
	}
	int status = 0;
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR) // ECHILD: the caller ignores SIGCHLD, then the report has to tell
			return 0;
	return status == 0 ? 0 : fault_set(f, EAGAIN, "fork", "", "cannot fork the shim");
}

// The plan as one frame, the descriptors of joined namespaces with its first byte.
static int send_plan(int link, const struct reader *plan, const struct plan *p, const int *regs, struct fault *f)
{
	uint8_t head[4 + LIST_HEAD];
	size_t size = (size_t)(plan->end - plan->at);
	uint32_t frame = (uint32_t)(size + LIST_HEAD), length = (uint32_t)(size + 4), fds = 0;
	memcpy(head, &frame, 4);
	head[4] = WIRE_LIST;
	memcpy(head + 5, &length, 4);
	memcpy(head + 9, &plan->left, 4);
	struct iovec part = {head, sizeof head};
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int) * MAX_JOINS)];
	} control = {0};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
	int *list = (int *)(void *)CMSG_DATA(&control.head);
	for (unsigned i = 0; i < p->join_count; i++)
		if (p->joins[i].reg >= 0) {
			if (regs[p->joins[i].reg] < 0)
				return fault_set(f, EBADF, "shim", "joins", "the register is empty");
			list[fds++] = regs[p->joins[i].reg];
		}
	if (fds > 0) {
		control.head.cmsg_level = SOL_SOCKET;
		control.head.cmsg_type = SCM_RIGHTS;
		control.head.cmsg_len = CMSG_LEN(sizeof(int) * fds);
		message.msg_control = &control;
		message.msg_controllen = CMSG_SPACE(sizeof(int) * fds);
	}
	ssize_t n;
	do
		n = sendmsg(link, &message, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	int rc = n == (ssize_t)sizeof head ? send_all(link, plan->at, size) : -EPIPE;
	return rc < 0 ? fault_set(f, -rc, "shim", p->id, NULL) : 0;
}

static int read_report(const uint8_t *body, size_t size, struct writer *result, struct fault *f)
{
	struct reader r, warnings;
	int64_t err = 0, shim = 0, first = 0, index = 0;
	const char *op = "", *path = "", *text = "";
	if (!wire_open(&r, body, size) || !wire_int(&r, &err))
		return fault_set(f, EPROTO, "shim", "", NULL);
	if (err != 0) {
		if (!wire_str(&r, &op) || !wire_str(&r, &path) || !wire_str(&r, &text) || !wire_int(&r, &index))
			return fault_set(f, EPROTO, "shim", "", NULL);
		fault_set(f, (int)err, op, path, text);
		f->index = (int)index;
		return -f->errno_;
	}
	if (r.left != REPORT_VALUES - 1 || !wire_list(&r, &warnings) || !wire_int(&r, &shim) || !wire_int(&r, &first))
		return fault_set(f, EPROTO, "shim", "", NULL);
	write_open(result);
	write_int(result, shim);
	write_int(result, first);
	write_open(result);
	const char *warning;
	while (warnings.left > 0 && wire_str(&warnings, &warning))
		write_str(result, warning);
	write_close(result);
	write_close(result);
	return 0;
}

int shim_start(struct reader *plan, const int regs[HOST_REGISTERS], struct writer *result, struct fault *f)
{
	struct plan p;
	struct reader values = *plan;
	int pair[2];
	// Checked here already: most mistakes need no process to be found.
	int rc = plan_decode(&values, &p, f);
	if (rc == 0 && p.flags & PLAN_LAUNCH)
		rc = fault_set(f, EINVAL, "protocol", "shim", "this plan is for a launch without a shim");
	if (rc < 0)
		return rc;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return fault_set(f, errno, "socketpair", "", NULL);
	CLEAN_FD int ours = pair[0];
	rc = launch(pair[1], p.id, f);
	close(pair[1]); // the shim's death is the end of file
	if (rc == 0)
		rc = send_plan(ours, plan, &p, regs, f);
	if (rc < 0 && rc != -EPIPE)
		return rc;
	uint8_t *body = NULL;
	size_t size = 0;
	rc = frame_recv(ours, &body, &size);
	if (rc <= 0)
		return fault_set(f, rc < 0 ? -rc : ECHILD, "shim", p.id, "the shim died before it reported");
	rc = read_report(body, size, result, f);
	clean_free(&body);
	char end;
	if (rc < 0) // until the shim is gone, and with it all that would keep cgroups and mounts busy
		while (recv(ours, &end, 1, 0) < 0 && errno == EINTR)
			;
	*plan = values;
	return rc;
}
