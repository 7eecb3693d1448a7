// The part of a start that needs the host's rights although the container has a user namespace: mounting its layers, binding what its root
// may not even look at, making devices. A process of its own does it: it enters all namespaces of the container's first process but
// the user namespace, runs the operations there as the host's root with the files' owner being the container's, hands over the
// root, and ends before the first process goes on. Nobody runs in the container meanwhile.
#include "outside.h"

#include "shim.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static int send_fd(int sock, int fd)
{
	struct iovec part = {"", 1};
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} control = {.head = {.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof fd)}};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control.room};
	memcpy(CMSG_DATA(&control.head), &fd, sizeof fd);
	ssize_t n;
	do
		n = sendmsg(sock, &message, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : 0;
}

// The descriptor, or -1 when the other side has ended without sending one.
static int recv_fd(int sock)
{
	char byte;
	int fd = -1;
	struct iovec part = {&byte, 1};
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} control;
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
	ssize_t n;
	do
		n = recvmsg(sock, &message, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	struct cmsghdr *head = n == 1 ? CMSG_FIRSTHDR(&message) : NULL;
	if (head && head->cmsg_type == SCM_RIGHTS && head->cmsg_len == CMSG_LEN(sizeof fd))
		memcpy(&fd, CMSG_DATA(head), sizeof fd);
	return fd;
}

// What is made belongs to the container's root. Changing the owner takes file capabilities away; they are taken back.
static int own_files_as(uid_t uid, gid_t gid, struct fault *f)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct caps[2];
	setfsgid(gid);
	setfsuid(uid);
	if ((uid_t)setfsuid((uid_t)-1) != uid || (gid_t)setfsgid((gid_t)-1) != gid)
		return fault_set(f, EPERM, "setfsuid", "", NULL);
	if (syscall(SYS_capget, &head, caps) < 0)
		return fault_set(f, errno, "capget", "", NULL);
	for (int i = 0; i < 2; i++)
		caps[i].effective = caps[i].permitted;
	return syscall(SYS_capset, &head, caps) < 0 ? fault_set(f, errno, "capset", "", NULL) : 0;
}

static int run_outside(struct container *c, struct fault *f)
{
	struct plan *plan = &shim.plan;
	c->dev_null = open("/dev/null", O_PATH | O_CLOEXEC | O_NOFOLLOW);
	int rc = own_files_as((uid_t)plan->root_uid, (gid_t)plan->root_gid, f);
	if (rc == 0)
		rc = container_run_part(c, &plan->outside, f);
	if (rc == 0 && c->root < 0)
		rc = fault_set(f, EINVAL, "protocol", "outside", "there is no root");
	return rc;
}

_Noreturn static void fail(const struct container *c, const struct fault *f)
{
	container_note(c, NOTE_FAULT, f, -1);
	_exit(1);
}

_Noreturn static void outside_main(struct outside *o, struct container *c)
{
	struct fault f = {0};
	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	close(o->near);
	int pidfd = recv_fd(o->far);
	if (pidfd < 0) // there is no first process
		_exit(1);
	if (setns(pidfd, (int)(uint32_t)(shim.namespaces & ~(uint64_t)CLONE_NEWUSER)) < 0) {
		fault_set(&f, errno, "setns", "", errno == ESRCH ? "the container's first process is gone" : NULL);
		fail(c, &f);
	}
	close(pidfd);
	pid_t pid = fork(); // only a child is in the pid namespace, which a procfs is of
	if (pid != 0) {
		int status = 0;
		close(o->far);
		while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
			;
		if (pid < 0 || WIFSIGNALED(status)) {
			fault_set(&f, pid < 0 ? errno : ECHILD, "fork", "outside", pid < 0 ? NULL : "the process that makes the mounts was killed");
			fail(c, &f);
		}
		_exit(0);
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	if (run_outside(c, &f) < 0)
		fail(c, &f);
	_exit(send_fd(o->far, c->root) < 0);
}

int outside_start(struct outside *o, struct container *c, struct fault *f)
{
	int pair[2];
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return fault_set(f, errno, "socketpair", "", NULL);
	*o = (struct outside){.near = pair[0], .far = pair[1]};
	o->pid = fork();
	if (o->pid == 0)
		outside_main(o, c);
	close(pair[1]);
	return o->pid < 0 ? fault_set(f, errno, "fork", "", NULL) : 0;
}

void outside_go(struct outside *o, int pidfd)
{
	send_fd(o->near, pidfd); // ignored: it has told why it ended
	close(o->near);
	while (waitpid(o->pid, NULL, 0) < 0 && errno == EINTR)
		;
}

int outside_take_root(struct outside *o)
{
	int root = recv_fd(o->near);
	// The end of this process, the first of its pid namespace, would kill the other one, and that count as a failure: it ends first.
	char end;
	while (root >= 0 && read(o->near, &end, sizeof end) < 0 && errno == EINTR)
		;
	close(o->near);
	return root;
}
