// See self.h. The ways differ in what could undo them: an overlay without an upper layer cannot be written to whatever becomes of its
// mount, a read-only mount could be made writable by who holds it and may change mounts, a copy is safe and costs its size.
#include "self.h"

#include "fault.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

enum { EXECUTABLE = 0x10 }; // MFD_EXEC (Linux 6.3), not in every libc yet

#define OWN "/proc/self/exe"
#define INITIAL_USER_NAMESPACE 0xEFFFFFFDU // the number of its file, the same everywhere

// The directory of our own program, and its name in there.
static int open_directory(char name[NAME_MAX + 1])
{
	char path[PATH_MAX];
	ssize_t n = readlink(OWN, path, sizeof path - 1);
	char *slash = n > 0 ? memrchr(path, '/', (size_t)n) : NULL;
	if (!slash || path + n - slash > NAME_MAX)
		return -1;
	path[n] = 0;
	strcpy(name, slash + 1);
	slash[slash == path] = 0; // "/" stays
	return open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

// A mount that is attached nowhere. The directory is named by its descriptor: its path may have characters that are the option's own.
static int mount_overlay(int directory)
{
	char layers[64];
	// Without an upper layer there have to be two lower ones. /dev is always there, and nothing is looked for in it; an empty file
	// system of our own would take twice the time, and one that is attached nowhere is a layer to newer kernels only.
	snprintf(layers, sizeof layers, "/proc/self/fd/%d:/dev", directory);
	CLEAN_FD int context = fsopen("overlay", FSOPEN_CLOEXEC);
	if (context < 0 || fsconfig(context, FSCONFIG_SET_STRING, "lowerdir", layers, 0) < 0 ||
	    fsconfig(context, FSCONFIG_SET_STRING, "xino", "off", 0) < 0 || // files keep their numbers
	    fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return -1;
	return fsmount(context, FSMOUNT_CLOEXEC, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
}

// The path may lead elsewhere by now, and the program may be gone from it.
static bool is_own(int fd)
{
	struct stat own, found;
	return stat(OWN, &own) == 0 && fstat(fd, &found) == 0 && found.st_ino == own.st_ino && found.st_size == own.st_size &&
	       found.st_ctim.tv_sec == own.st_ctim.tv_sec && found.st_ctim.tv_nsec == own.st_ctim.tv_nsec;
}

// In other user namespaces mounts are locked to one another, and the kernel makes no layer of them but a line in its log, each time.
static bool is_host(void)
{
	struct stat st;
	return stat("/proc/self/ns/user", &st) == 0 && st.st_ino == INITIAL_USER_NAMESPACE;
}

// Fails in a file without a directory, on a file system that cannot be a layer, and for who may not mount.
static int in_overlay(void)
{
	char name[NAME_MAX + 1];
	CLEAN_FD int directory = is_host() ? open_directory(name) : -1;
	CLEAN_FD int overlay = directory < 0 ? -1 : mount_overlay(directory);
	CLEAN_FD int fd = overlay < 0 ? -1 : openat(overlay, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	return fd >= 0 && is_own(fd) ? fcntl(fd, F_DUPFD_CLOEXEC, 0) : -1;
}

// A mount of the file alone, attached nowhere.
static int in_mount(void)
{
	struct mount_attr attr = {.attr_set = MOUNT_ATTR_RDONLY};
	CLEAN_FD int fd = open_tree(AT_FDCWD, OWN, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	return fd >= 0 && mount_setattr(fd, "", AT_EMPTY_PATH, &attr, sizeof attr) == 0 ? fcntl(fd, F_DUPFD_CLOEXEC, 0) : -1;
}

// A sealed copy, for who may not mount: an ordinary user owns the file that it would protect.
static int in_copy(void)
{
	struct stat st;
	CLEAN_FD int own = open(OWN, O_RDONLY | O_CLOEXEC);
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

// Not sealed: the running program is protected by ETXTBSY as long as it runs.
static int in_place(void)
{
	return open(OWN, O_PATH | O_CLOEXEC);
}

const struct self_way self_ways[] = {{"overlay", in_overlay}, {"mount", in_mount}, {"copy", in_copy}, {"none", in_place}, {NULL, NULL}};

int self_open(const char **name)
{
	int fd = -1;
	for (const struct self_way *way = self_ways; fd < 0 && way->name; way++) {
		fd = way->open();
		*name = way->name;
	}
	return fd;
}
