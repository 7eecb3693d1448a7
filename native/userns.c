// User namespaces, see userns.h. A namespace is made by a child that does nothing else and is kept by its descriptor; who makes it
// stays outside, because nobody comes back from a user namespace.
#include "userns.h"

#include "netns.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MAX_TOOL_ARGS = 3 * 340 + 2 }; // the kernel's limit of lines

static int proc_path(char *path, size_t room, pid_t pid, const char *name)
{
	int n = snprintf(path, room, "/proc/%d/%s", (int)pid, name);
	return n < 0 || (size_t)n >= room ? -ENAMETOOLONG : 0;
}

static int write_proc(pid_t pid, const char *name, const char *text)
{
	char path[64];
	proc_path(path, sizeof path, pid, name);
	CLEAN_FD int fd = open(path, O_WRONLY | O_CLOEXEC);
	// One write: the kernel takes a map whole or not at all.
	return fd < 0 || write(fd, text, strlen(text)) < 0 ? -errno : 0;
}

static int wait_for(pid_t pid)
{
	int status = 0;
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -EINTR;
}

// Runs `tool pid inside outside count…`. What it complains about goes to the log, its standard error.
static int run_tool(const char *tool, pid_t pid, const char *map, struct fault *f)
{
	char number[16], *argv[MAX_TOOL_ARGS + 1] = {(char *)tool, number};
	CLEAN_FREE char *copy = strdup(map);
	size_t count = 2;
	if (!copy)
		return fault_set(f, ENOMEM, "usernsNew", tool, NULL);
	snprintf(number, sizeof number, "%d", (int)pid);
	for (char *rest = copy, *word; count < MAX_TOOL_ARGS && (word = strtok_r(rest, " \n", &rest));)
		argv[count++] = word;
	pid_t child = fork();
	if (child < 0)
		return fault_set(f, errno, "fork", tool, NULL);
	if (child == 0) {
		execv(tool, argv);
		_exit(127);
	}
	int status = wait_for(child);
	if (status == 0)
		return 0;
	return fault_set(f, EPERM, "usernsNew", tool,
	                 status == 127 ? "cannot be executed" : "refused the map: is the range this user's in /etc/subuid and /etc/subgid?");
}

// Without privilege in the outer namespace a process maps its own group only, and has to give up setgroups(2) first, by which
// a member of a group that something is denied to could leave it (CVE-2014-8989).
static int write_gids(pid_t pid, const char *gids)
{
	int rc = write_proc(pid, "gid_map", gids);
	if (rc != -EPERM || write_proc(pid, "setgroups", "deny") < 0)
		return rc;
	return write_proc(pid, "gid_map", gids);
}

int userns_write_maps(pid_t pid, const struct id_maps *maps, struct fault *f)
{
	int rc = maps->gid_tool[0] ? run_tool(maps->gid_tool, pid, maps->gids, f) : write_gids(pid, maps->gids);
	if (rc < 0)
		return maps->gid_tool[0] ? rc : fault_set(f, -rc, "write", "gid_map", NULL);
	rc = maps->uid_tool[0] ? run_tool(maps->uid_tool, pid, maps->uids, f) : write_proc(pid, "uid_map", maps->uids);
	return rc < 0 && !maps->uid_tool[0] ? fault_set(f, -rc, "write", "uid_map", NULL) : rc;
}

// A child that makes namespaces and waits to be looked at. It ends when its socket does.
struct maker {
	pid_t pid, number; // number: under which /proc has it, which may be another pid namespace's
	int sock;
};

struct made {
	int err;
	pid_t number;
};

static pid_t own_number(void)
{
	char text[16] = "";
	return readlink("/proc/self", text, sizeof text - 1) < 0 ? getpid() : (pid_t)atoi(text);
}

_Noreturn static void make_and_wait(int sock, int userns, int flags)
{
	int err = 0;
	char end;
	pid_t number = own_number();
	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	if (geteuid() != 0) // the files in /proc that take the maps are root's while we are not dumpable
		prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
	if (userns >= 0 && setns(userns, CLONE_NEWUSER) < 0)
		err = errno;
	else if (unshare(flags) < 0)
		err = errno;
	else if (flags & CLONE_NEWNET)
		err = -netns_raise_loopback();
	struct made made = {err, number};
	if (write(sock, &made, sizeof made) == (ssize_t)sizeof made)
		while (read(sock, &end, 1) < 0 && errno == EINTR)
			;
	_exit(0);
}

static void maker_end(struct maker *m)
{
	clean_fd(&m->sock);
	wait_for(m->pid);
}

static int maker_start(struct maker *m, int userns, int flags, struct fault *f)
{
	int pair[2];
	struct made made = {.err = EPIPE};
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return fault_set(f, errno, "socketpair", "", NULL);
	m->pid = fork();
	if (m->pid == 0) {
		close(pair[0]);
		make_and_wait(pair[1], userns, flags);
	}
	close(pair[1]);
	m->sock = pair[0];
	if (m->pid < 0) {
		close(pair[0]);
		return fault_set(f, errno, "fork", "", NULL);
	}
	ssize_t n;
	do
		n = read(m->sock, &made, sizeof made);
	while (n < 0 && errno == EINTR);
	m->number = made.number;
	if (n == (ssize_t)sizeof made && made.err == 0)
		return 0;
	int err = made.err;
	maker_end(m);
	if ((flags & CLONE_NEWUSER) && (err == ENOSPC || err == EUSERS || err == EPERM))
		return fault_set(f, err, "unshare", "user", "user namespaces are not allowed here: look at /proc/sys/user/max_user_namespaces");
	return fault_set(f, err, "unshare", flags & CLONE_NEWNET ? "net" : "user", NULL);
}

static int open_made(pid_t pid, const char *name, struct fault *f)
{
	char path[64];
	proc_path(path, sizeof path, pid, name);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? fault_set(f, errno, "open", path, NULL) : fd;
}

int userns_new(const struct id_maps *maps, struct fault *f)
{
	struct maker m;
	int rc = maker_start(&m, -1, CLONE_NEWUSER, f);
	if (rc < 0)
		return rc;
	rc = userns_write_maps(m.number, maps, f);
	int fd = rc < 0 ? rc : open_made(m.number, "ns/user", f);
	maker_end(&m);
	return fd;
}

int userns_open(const char *path, struct fault *f)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return fault_set(f, errno, "open", path, NULL);
	if (ioctl(fd, NS_GET_NSTYPE) == CLONE_NEWUSER)
		return fd;
	close(fd);
	return fault_set(f, EINVAL, "usernsOpen", path, "not a user namespace");
}

static int read_map(pid_t pid, const char *name, char text[USERNS_MAP_SIZE], struct fault *f)
{
	char path[64];
	size_t size = 0;
	ssize_t n = 1;
	proc_path(path, sizeof path, pid, name);
	CLEAN_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
	while (fd >= 0 && n > 0 && size < USERNS_MAP_SIZE - 1) {
		n = read(fd, text + size, USERNS_MAP_SIZE - 1 - size);
		size += n > 0 ? (size_t)n : 0;
	}
	text[size] = 0;
	return fd < 0 || n < 0 ? fault_set(f, errno, "read", path, NULL) : 0;
}

// Maps are read of a process that is in the namespace; nobody else may be: a mount keeps it, too.
int userns_read_maps(const char *path, char *uids, char *gids, struct fault *f)
{
	struct maker m;
	CLEAN_FD int userns = userns_open(path, f);
	int rc = userns < 0 ? userns : maker_start(&m, userns, 0, f);
	if (rc < 0)
		return rc;
	rc = read_map(m.number, "uid_map", uids, f);
	if (rc == 0)
		rc = read_map(m.number, "gid_map", gids, f);
	maker_end(&m);
	return rc;
}

int userns_new_net(int userns, struct fault *f)
{
	struct maker m;
	int rc = maker_start(&m, userns, CLONE_NEWNET, f);
	if (rc < 0)
		return rc;
	int fd = open_made(m.number, "ns/net", f);
	maker_end(&m);
	return fd;
}

int userns_become_root(struct fault *f)
{
	// EPERM: the namespace was made without the right to give groups up, and has none but its own to give.
	if (setgroups(0, NULL) < 0 && errno != EPERM)
		return fault_set(f, errno, "setgroups", "", NULL);
	if (setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0)
		return fault_set(f, errno, "setresuid", "0", errno == EINVAL ? "the user namespace has no root: map the id 0" : NULL);
	return 0;
}

int idmap_set(int tree, const char *uids, const char *gids, bool recursive, struct fault *f)
{
	CLEAN_FD int userns = userns_new(&(struct id_maps){uids, gids, "", ""}, f);
	if (userns < 0)
		return userns;
	struct mount_attr attr = {.attr_set = MOUNT_ATTR_IDMAP, .userns_fd = (uint64_t)userns};
	if (mount_setattr(tree, "", AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0), &attr, sizeof attr) == 0)
		return 0;
	const char *why = errno == EINVAL || errno == ENOSYS ? "this kernel or file system has no id-mapped mounts"
	                  : errno == EPERM ? "only the host's root may map ids, and only once: not a rootless daemon, nor what is id-mapped already"
	                                   : NULL;
	return fault_set(f, errno, "mount_setattr", "idmap", why);
}

int idmap_cover(const char *path, const char *uids, const char *gids, struct fault *f)
{
	CLEAN_FD int tree = open_tree(AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	if (tree < 0)
		return fault_set(f, errno, "open_tree", path, NULL);
	int rc = idmap_set(tree, uids, gids, false, f);
	if (rc < 0)
		return rc;
	if (move_mount(tree, "", AT_FDCWD, path, MOVE_MOUNT_F_EMPTY_PATH) < 0)
		return fault_set(f, errno, "mount", path, NULL);
	return 0;
}
