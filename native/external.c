// Containers that an external OCI runtime makes: what the step between clone and the process does instead of becoming the process
// itself. It is in a mount namespace of its own, in which the container's root and whatever else the bundle needs is mounted (so that
// nothing of it can be left behind), calls the runtime, whose working directory is the bundle, and tells the shim, to which the process
// falls as a child when the runtime has ended (PR_SET_CHILD_SUBREAPER).
#include "container.h"

#include "program.h"
#include "resolve.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <termios.h>
#include <unistd.h>

static const char pid_file[] = "pid", terminal_socket[] = "tty"; // in the bundle

static int bind_netns(struct container *c, const char *path, struct fault *f)
{
	if (c->netns < 0)
		return fault_set(f, EINVAL, "bundle", path, "no network namespace is joined");
	CLEAN_FD int tree = open_tree(c->netns, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);
	if (tree < 0)
		return fault_set(f, errno, "open_tree", path, NULL);
	CLEAN_FD int at = resolve_mkfile(c->root, path, 0600, f);
	return at < 0 ? at : mount_over(tree, at, path, f);
}

int bundle_open(struct container *c, const char *dir, const char *netns, struct fault *f)
{
	int fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fchdir(fd) < 0)
		return fault_set(f, errno, "bundle", dir, NULL);
	clean_fd(&c->root);
	c->root = fd;
	return netns[0] ? bind_netns(c, netns, f) : 0;
}

// Calls the runtime with our own stdio, which is the container's, and waits.
static int call(const char *op, struct reader *argv_list, struct reader *env_list, struct fault *f)
{
	CLEAN_FREE char **argv = program_strings(argv_list);
	CLEAN_FREE char **env = program_strings(env_list);
	if (!argv || !env)
		return fault_set(f, ENOMEM, op, "", NULL);
	if (!argv[0])
		return fault_set(f, EINVAL, op, "", "no runtime");
	pid_t pid = program_start(argv, env, (int[]){0, 1, 2});
	if (pid < 0)
		return fault_set(f, -pid, op, argv[0], NULL);
	int code = program_wait(pid);
	if (code == 0)
		return 0;
	char text[] = "exit status 000";
	for (int i = 0, left = code; i < 3; i++, left /= 10)
		text[sizeof text - 2 - i] = (char)('0' + left % 10);
	return fault_set(f, EREMOTEIO, op, argv[0], text); // its log says why
}

static int listen_for_terminal(const char *op, struct fault *f)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	memcpy(address.sun_path, terminal_socket, sizeof terminal_socket);
	unlink(terminal_socket);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) < 0 || listen(fd, 1) < 0) {
		int err = errno;
		clean_fd(&fd);
		return fault_set(f, err, op, terminal_socket, NULL);
	}
	return fd;
}

// The runtime has sent it before it ended: nothing here waits.
static int receive_terminal(int listener)
{
	char byte[256]; // the name of the terminal
	struct iovec part = {byte, sizeof byte};
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} control;
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
	CLEAN_FD int peer = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (peer < 0 || recvmsg(peer, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT) < 0)
		return -1;
	struct cmsghdr *head = CMSG_FIRSTHDR(&message);
	int fd = -1;
	if (head && head->cmsg_type == SCM_RIGHTS && head->cmsg_len == CMSG_LEN(sizeof fd))
		memcpy(&fd, CMSG_DATA(head), sizeof fd);
	return fd;
}

static int pass_terminal(const struct container *c, const char *op, int listener, struct fault *f)
{
	struct winsize size = {.ws_row = (unsigned short)c->rows, .ws_col = (unsigned short)c->columns};
	CLEAN_FD int terminal = receive_terminal(listener);
	if (terminal < 0 || !isatty(terminal))
		return fault_set(f, ENOTTY, op, terminal_socket, "the runtime has sent no terminal");
	if (c->rows && c->columns)
		ioctl(terminal, TIOCSWINSZ, &size); // ignored: cannot fail on a pty, and a size is not worth a start
	container_note(c, NOTE_PTY, NULL, terminal);
	return 0;
}

static pid_t read_pid(const char *op, struct fault *f)
{
	char text[24];
	CLEAN_FD int fd = open(pid_file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
	if (n < 0)
		return fault_set(f, errno, op, pid_file, NULL);
	text[n] = 0;
	long pid = strtol(text, NULL, 10);
	return pid > 0 && pid <= 1 << 22 ? (pid_t)pid : fault_set(f, EPROTO, op, pid_file, "no process id");
}

int runtime_create(struct container *c, const char *op, struct reader *argv, struct reader *env, struct fault *f)
{
	CLEAN_FD int listener = -1;
	unlink(pid_file);
	if (c->is_tty && (listener = listen_for_terminal(op, f)) < 0)
		return listener;
	int rc = call(op, argv, env, f);
	pid_t pid = rc < 0 ? rc : read_pid(op, f);
	if (pid < 0)
		return pid;
	container_note_pid(c, pid); // first: whatever fails from now on, the shim knows whom to end
	return c->is_tty ? pass_terminal(c, op, listener, f) : 0;
}

// The process runs, and we are done.
static int finish(const struct container *c, const char *op, struct fault *f)
{
	if (!container_note(c, NOTE_EXEC, NULL, -1))
		return fault_set(f, EPIPE, op, "", "the shim is gone");
	_exit(0);
}

int runtime_start(struct container *c, struct reader *argv, struct reader *env, struct fault *f)
{
	// A restored container runs already.
	int rc = argv->left == 0 ? 0 : call("runtimeStart", argv, env, f);
	return rc < 0 ? rc : finish(c, "runtimeStart", f);
}

int runtime_exec(struct container *c, struct reader *argv, struct reader *env, struct fault *f)
{
	int rc = runtime_create(c, "runtimeExec", argv, env, f);
	return rc < 0 ? rc : finish(c, "runtimeExec", f);
}
