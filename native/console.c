// The container's terminal: a pty of its own devpts. The master goes to the shim, the slave becomes stdio, the controlling terminal
// and, for the first process, /dev/console.
#include "container.h"

#include "resolve.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <termios.h>
#include <unistd.h>

// Opens the multiplexer and makes sure that it is one: what an image has below /dev/pts is its own business.
static int open_master(struct container *c, struct fault *f)
{
	struct stat st;
	struct statfs fs;
	int fd = resolve_open(c->root, "/dev/pts/ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK, 0, f);
	if (fd < 0)
		return fd;
	if (fstat(fd, &st) == 0 && fstatfs(fd, &fs) == 0 && S_ISCHR(st.st_mode) && st.st_rdev == makedev(5, 2) &&
	    fs.f_type == DEVPTS_SUPER_MAGIC)
		return fd;
	close(fd);
	return fault_set(f, ENODEV, "console", "/dev/pts/ptmx", "not a terminal multiplexer");
}

static int bind_console(struct container *c, int slave, struct fault *f)
{
	if (c->is_pivoted)
		return fault_set(f, EINVAL, "console", "/dev/console", "must come before pivot");
	// From the descriptor, not from /dev/pts/N, which could have become a symlink (CVE-2025-52565).
	CLEAN_FD int tree = open_tree(slave, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);
	if (tree < 0)
		return fault_set(f, errno, "open_tree", "/dev/console", NULL);
	CLEAN_FD int at = resolve_mkfile(c->root, "/dev/console", 0666, f);
	return at < 0 ? at : mount_over(tree, at, "/dev/console", f);
}

// compat: who does not show the output on a terminal gets it without carriage returns.
void console_clear_returns(int master)
{
	struct termios t;
	if (tcgetattr(master, &t) == 0) {
		t.c_oflag &= ~(tcflag_t)ONLCR;
		tcsetattr(master, TCSANOW, &t);
	}
}

int console_open(struct container *c, struct fault *f)
{
	int unlock = 0;
	if (c->root < 0)
		return fault_set(f, EINVAL, "console", "", "must come after a root operation");
	CLEAN_FD int master = open_master(c, f);
	if (master < 0)
		return master;
	if (ioctl(master, TIOCSPTLCK, &unlock) < 0)
		return fault_set(f, errno, "console", "TIOCSPTLCK", NULL);
	// Asking the master for its other end needs no path (Linux 4.13).
	CLEAN_FD int slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (slave < 0)
		return fault_set(f, errno, "console", "TIOCGPTPEER", NULL);
	struct winsize size = {.ws_row = (unsigned short)c->rows, .ws_col = (unsigned short)c->columns};
	if (c->rows && c->columns)
		ioctl(master, TIOCSWINSZ, &size); // ignored: cannot fail on a pty, and a size is not worth a start
	if (!c->is_exec) {
		int rc = bind_console(c, slave, f);
		if (rc < 0)
			return rc;
	}
	if (c->is_relayed) // here: the program must not be faster
		console_clear_returns(master);
	container_note(c, NOTE_PTY, NULL, master);
	if (ioctl(slave, TIOCSCTTY, 0) < 0)
		return fault_set(f, errno, "console", "TIOCSCTTY", NULL);
	for (int fd = 0; fd <= 2; fd++)
		if (dup2(slave, fd) < 0)
			return fault_set(f, errno, "console", "dup2", NULL);
	return 0;
}
