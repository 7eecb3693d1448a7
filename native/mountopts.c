// Mounts that exist already: attributes, propagation, remounts; a tmpfs that begins with what it covers; and the way into the root for
// where pivot_root(2) cannot be (a host whose root is its initramfs).
#include "container.h"

#include "resolve.h"
#include "rootmount.h"
#include "tree.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

// What is mounted at `path`.
static int open_mounted(struct container *c, const char *op, const char *path, struct fault *f)
{
	int rc = host_view(c, op, path, f);
	return rc < 0 ? rc : resolve_open(c->root, path, O_PATH, 0, f);
}

int mount_attributes(struct container *c, const char *path, int64_t set, int64_t clear, bool recursive, struct fault *f)
{
	CLEAN_FD int at = open_mounted(c, "mountAttributes", path, f);
	if (at < 0)
		return at;
	struct mount_attr want = {.attr_set = (uint64_t)set, .attr_clr = (uint64_t)clear};
	if (mount_setattr(at, "", AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0), &want, sizeof want) == 0)
		return 0;
	if (errno == ENOSYS && !recursive && clear == 0)
		return remount_attributes(c, at, want.attr_set, path, f);
	return fault_set(f, errno, "mount_setattr", path, NULL);
}

int mount_propagation(struct container *c, const char *path, int64_t flags, struct fault *f)
{
	CLEAN_FD int at = open_mounted(c, "mountPropagation", path, f);
	if (at < 0)
		return at;
	if (mount(NULL, fd_path(at).text, NULL, (unsigned long)flags, NULL) < 0)
		return fault_set(f, errno, "mountPropagation", path, NULL);
	return 0;
}

// Flags that a less privileged namespace may not take away stay where they are: it is asked again with them.
int mount_remount(struct container *c, const char *path, int64_t flags, const char *data, struct fault *f)
{
	const unsigned long kept = MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_NOATIME | MS_NODIRATIME; // statfs has the same bits
	struct statfs fs;
	CLEAN_FD int at = open_mounted(c, "remount", path, f);
	if (at < 0)
		return at;
	struct fd_path name = fd_path(at);
	unsigned long wanted = (unsigned long)flags | MS_REMOUNT;
	if (mount(NULL, name.text, NULL, wanted, data[0] ? data : NULL) == 0)
		return 0;
	int err = errno;
	if (err == EPERM && fstatfs(at, &fs) == 0 &&
	    mount(NULL, name.text, NULL, wanted | ((unsigned long)fs.f_flags & kept), data[0] ? data : NULL) == 0)
		return 0;
	return fault_set(f, err, "remount", path, NULL);
}

int mount_copy_up(struct container *c, const char *source, const char *dest, int64_t flags, const char *data, struct fault *f)
{
	int rc = host_view(c, "mount", dest, f);
	if (rc < 0)
		return rc;
	CLEAN_FD int from = resolve_mkdirs(c->root, dest, 0755, f);
	if (from < 0)
		return from;
	rc = mount_new(c, "tmpfs", source, dest, flags & ~(int64_t)MS_RDONLY, data, f);
	if (rc < 0)
		return rc;
	CLEAN_FD int to = resolve_open(c->root, dest, O_PATH | O_DIRECTORY, 0, f);
	if (to < 0)
		return to;
	const struct tree_copy copy = {.root = to, .uid = -1, .gid = -1, .mode = -1};
	rc = tree_copy(&copy, from, ".", to, ".", ".", f);
	return rc < 0 || !(flags & MS_RDONLY) ? rc : mount_attributes(c, dest, MOUNT_ATTR_RDONLY, 0, false, f);
}

// Undoes mountinfo's escapes (\040 for a blank) in place.
static void unescape(char *text)
{
	char *to = text;
	for (; *text; text++)
		if (*text == '\\' && text[1] && text[2] && text[3]) {
			*to++ = (char)((text[1] - '0') * 64 + (text[2] - '0') * 8 + (text[3] - '0'));
			text += 3;
		} else {
			*to++ = *text;
		}
	*to = 0;
}

// A procfs or sysfs of the host's that stays in the namespace would let a process with CAP_SYS_ADMIN in a user namespace of its own
// mount new ones that are not masked (the kernel asks for a whole one to be there already).
static int hide(const char *at, struct fault *f)
{
	if (mount(NULL, at, NULL, MS_SLAVE | MS_REC, NULL) < 0 && errno != EINVAL && errno != ENOENT)
		return fault_set(f, errno, "moveRoot", at, NULL);
	if (umount2(at, MNT_DETACH) == 0 || errno == EINVAL || errno == ENOENT)
		return 0;
	if (mount("tmpfs", at, "tmpfs", 0, "size=4k") < 0)
		return fault_set(f, errno, "moveRoot", at, NULL);
	return 0;
}

static int hide_kernel_files(const struct container *c, const char *root, struct fault *f)
{
	size_t root_size = strlen(root), room = 0;
	CLEAN_FREE char *line = NULL;
	int fd = openat(c->host_proc, "self/mountinfo", O_RDONLY | O_CLOEXEC), rc = 0;
	FILE *list = fd < 0 ? NULL : fdopen(fd, "re");
	if (!list)
		return fault_set(f, errno, "moveRoot", "mountinfo", NULL);
	while (rc == 0 && getline(&line, &room, list) > 0) {
		char at[PATH_MAX], type[32];
		if (sscanf(line, "%*s %*s %*s %*s %4095s", at) != 1)
			continue;
		const char *tail = strstr(line, " - ");
		if (!tail || sscanf(tail, " - %31s", type) != 1 || (strcmp(type, "proc") != 0 && strcmp(type, "sysfs") != 0))
			continue;
		unescape(at);
		if (strncmp(at, root, root_size) != 0 || (at[root_size] != '/' && at[root_size] != 0))
			rc = hide(at, f);
	}
	fclose(list);
	return rc;
}

int root_move(struct container *c, struct fault *f)
{
	char root[PATH_MAX];
	int rc = host_view(c, "moveRoot", "/", f);
	if (rc < 0)
		return rc;
	ssize_t size = readlink(fd_path(c->root).text, root, sizeof root - 1);
	if (size < 0)
		return fault_set(f, errno, "moveRoot", "/", NULL);
	root[size] = 0;
	rc = hide_kernel_files(c, root, f);
	if (rc < 0)
		return rc;
	if (fchdir(c->root) < 0 || mount(".", "/", NULL, MS_MOVE, NULL) < 0 || chroot(".") < 0 || chdir("/") < 0)
		return fault_set(f, errno, "moveRoot", root, NULL);
	root_is_entered(c);
	return 0;
}
