// The listener of a seccomp filter that notifies (seccomp_unotify(2)): it has to get from the container's process, which makes it, to
// a supervisor that listens on the host, whose socket that process no longer sees. So the shim fetches the descriptor and carries it
// there. While it does, the filter is in force and nobody answers it: the process uses write(2) and then read(2) only, and the planner
// refuses a filter that notifies of write (as runc does).
#include "container.h"

#include "shim.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

// The container's side: path and the parts of the message, NUL after each, behind the note.
int listener_announce(const struct container *c, int listener, const char *path, struct reader *parts, struct fault *f)
{
	size_t size = sizeof(struct note);
	CLEAN_FREE char *message = malloc(sizeof(struct note) + SCRATCH_SIZE);
	if (!message)
		return fault_set(f, ENOMEM, "seccompNotify", path, NULL);
	struct note note = {.kind = NOTE_LISTENER, .pid = listener};
	memcpy(message, &note, sizeof note);
	for (const char *text = path; text;) {
		size_t length = strlen(text) + 1;
		if (size + length > sizeof note + SCRATCH_SIZE)
			return fault_set(f, E2BIG, "seccompNotify", path, "the metadata of the listener is too long");
		memcpy(message + size, text, length);
		size += length;
		if (parts->left == 0 || !wire_str(parts, &text))
			text = NULL;
	}
	int err = 0;
	if (write(c->chan, message, size) != (ssize_t)size || read(c->chan, &err, sizeof err) != (ssize_t)sizeof err)
		return fault_set(f, EPIPE, "seccompNotify", path, "the shim is gone");
	if (err == 0)
		return 0;
	char text[200];
	snprintf(text, sizeof text, "failed to connect with seccomp agent %.100s: %s", path, strerror(err));
	return fault_set(f, err, "seccompNotify", path, text);
}

// Puts the parts together with the process's number between each two of them.
static size_t compose(char *out, size_t room, const char *parts, const char *end, pid_t pid)
{
	size_t size = 0;
	for (const char *part = parts; part < end; part += strlen(part) + 1) {
		int n = part == parts ? snprintf(out, room, "%s", part) : snprintf(out + size, room - size, "%d%s", (int)pid, part);
		if (n < 0 || (size_t)n >= room - size)
			return 0;
		size += (size_t)n;
	}
	return size;
}

static int send_listener(int socket, int listener, const char *text, size_t size)
{
	struct iovec part = {(void *)text, size};
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} control = {0};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control.room};
	control.head.cmsg_level = SOL_SOCKET;
	control.head.cmsg_type = SCM_RIGHTS;
	control.head.cmsg_len = CMSG_LEN(sizeof listener);
	memcpy(CMSG_DATA(&control.head), &listener, sizeof listener);
	ssize_t n = sendmsg(socket, &message, MSG_NOSIGNAL);
	return n < 0 ? errno : (size_t)n == size ? 0 : EMSGSIZE;
}

// Neither connecting nor sending waits: a supervisor that does not take it at once fails the start, not the container's output.
static int forward(const struct process *p, int number, const char *rest, size_t size)
{
	static char text[SCRATCH_SIZE + 256];
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	size_t length = size > 0 && rest[size - 1] == 0 ? strlen(rest) : SIZE_MAX;
	if (p->pid <= 0 || length == SIZE_MAX || length >= sizeof address.sun_path)
		return p->pid <= 0 ? ESRCH : ENAMETOOLONG;
	memcpy(address.sun_path, rest, length);
	size_t text_size = compose(text, sizeof text, rest + length + 1, rest + size, p->pid);
	CLEAN_FD int process = pidfd_open(p->pid, 0);
	CLEAN_FD int listener = process < 0 ? -1 : pidfd_getfd(process, number, 0);
	if (listener < 0 || text_size == 0)
		return text_size == 0 ? E2BIG : errno;
	CLEAN_FD int to = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (to < 0 || connect(to, (struct sockaddr *)&address, sizeof address) < 0)
		return errno;
	return send_listener(to, listener, text, text_size);
}

void listener_forward(const struct process *p, int number, const void *rest, size_t size)
{
	int err = forward(p, number, rest, size);
	send(p->chan.w.fd, &err, sizeof err, MSG_NOSIGNAL); // ignored: a process that is gone has nothing to be told
}
