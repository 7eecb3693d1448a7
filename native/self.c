// Our own program in a form that nobody can open for writing. Whatever a container makes of /proc/PID/exe of a process that still
// runs keel, the program on disk stays what it is (CVE-2019-5736).
#include "launch.h"

#include "fault.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

enum { EXECUTABLE = 0x10 }; // MFD_EXEC (Linux 6.3), not in every libc yet

// A sealed copy, for who may not mount: an ordinary user owns the file that it would protect.
static int copy_self(void)
{
	struct stat st;
	CLEAN_FD int own = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	if (own < 0 || fstat(own, &st) < 0)
		return -1;
	int copy = memfd_create("keel", MFD_CLOEXEC | MFD_ALLOW_SEALING | EXECUTABLE);
	if (copy < 0 && errno == EINVAL)
		copy = memfd_create("keel", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	for (off_t done = 0; copy >= 0 && done < st.st_size;)
		if (sendfile(copy, own, &done, (size_t)(st.st_size - done)) <= 0)
			break;
	if (copy >= 0 && (lseek(copy, 0, SEEK_END) != st.st_size ||
	                  fcntl(copy, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) < 0)) {
		close(copy);
		return -1;
	}
	return copy;
}

// A read-only mount that is attached nowhere is cheaper than a copy, and its pages stay shared.
int self_open(void)
{
	struct mount_attr attr = {.attr_set = MOUNT_ATTR_RDONLY};
	int fd = open_tree(AT_FDCWD, "/proc/self/exe", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	if (fd >= 0 && mount_setattr(fd, "", AT_EMPTY_PATH, &attr, sizeof attr) == 0)
		return fd;
	clean_fd(&fd);
	fd = copy_self();
	// Without either the running program is protected by ETXTBSY as long as it runs.
	return fd >= 0 ? fd : open("/proc/self/exe", O_PATH | O_CLOEXEC);
}
