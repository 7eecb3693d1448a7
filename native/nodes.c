// Devices, symlinks and directories that a plan puts into the root (mostly below /dev), by descriptor of the parent: an image whose
// /dev is a symlink to elsewhere gets its nodes below its own root (CVE-2026-41579's class).
#include "container.h"

#include "resolve.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

static int open_parent(struct container *c, const char *op, const char *path, char name[256], struct fault *f)
{
	if (c->root < 0)
		return fault_set(f, EINVAL, op, path, "must come after a root operation");
	return resolve_parent(c->root, path, true, name, f);
}

// Where mknod is refused (user namespaces, nested containers) the host's node of the same name is bound instead.
static int bind_device(struct container *c, const char *path, mode_t type, dev_t rdev, struct fault *f)
{
	struct stat st;
	if (c->is_pivoted)
		return fault_set(f, EPERM, "mknod", path, NULL);
	CLEAN_FD int tree = open_tree(AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	if (tree < 0 || fstat(tree, &st) < 0)
		return fault_set(f, errno, "mknod", path, NULL);
	if ((st.st_mode & S_IFMT) != type || st.st_rdev != rdev)
		return fault_set(f, EPERM, "mknod", path, "mknod is refused and the host's node is another device");
	CLEAN_FD int at = resolve_mkfile(c->root, path, 0644, f);
	if (at < 0)
		return at;
	// The inode is the host's: its mode, owner and times are not the container's to change. What the device takes and gives is
	// not a matter of the mount.
	return mount_attach(c, tree, at, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC, false, path, f);
}

int make_device(struct container *c, const char *path, const char *type, int64_t major_, int64_t minor_, int64_t mode, int64_t uid,
                int64_t gid, struct fault *f)
{
	char name[256];
	struct stat st;
	mode_t kind = *type == 'c' ? S_IFCHR : *type == 'b' ? S_IFBLK : *type == 'p' ? S_IFIFO : 0;
	if (kind == 0 || type[1] || major_ < 0 || major_ > UINT_MAX || minor_ < 0 || minor_ > UINT_MAX || mode & ~07777)
		return fault_set(f, EINVAL, "device", path, NULL);
	dev_t rdev = kind == S_IFIFO ? 0 : makedev((unsigned)major_, (unsigned)minor_);
	CLEAN_FD int dir = open_parent(c, "mknod", path, name, f);
	if (dir < 0)
		return dir;
	int rc = mknodat(dir, name, kind | (mode_t)mode, rdev);
	if (rc < 0 && errno == EEXIST) {
		if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && (st.st_mode & S_IFMT) == kind && st.st_rdev == rdev)
			rc = 0;
		else if (unlinkat(dir, name, 0) == 0)
			rc = mknodat(dir, name, kind | (mode_t)mode, rdev);
	}
	if (rc < 0)
		return errno == EPERM ? bind_device(c, path, kind, rdev, f) : fault_set(f, errno, "mknod", path, NULL);
	if ((uid || gid) && fchownat(dir, name, (uid_t)uid, (gid_t)gid, AT_SYMLINK_NOFOLLOW) < 0)
		return fault_set(f, errno, "chown", path, NULL);
	return 0;
}

int make_symlink(struct container *c, const char *target, const char *path, struct fault *f)
{
	char name[256], there[PATH_MAX];
	CLEAN_FD int dir = open_parent(c, "symlink", path, name, f);
	if (dir < 0)
		return dir;
	int rc = symlinkat(target, dir, name);
	if (rc < 0 && errno == EEXIST) {
		ssize_t n = readlinkat(dir, name, there, sizeof there);
		if (n >= 0 && (size_t)n == strlen(target) && memcmp(there, target, (size_t)n) == 0)
			return 0;
		if (unlinkat(dir, name, 0) == 0)
			rc = symlinkat(target, dir, name);
	}
	return rc < 0 ? fault_set(f, errno, "symlink", path, NULL) : 0;
}

// An existing directory stays as it is.
int make_directory(struct container *c, const char *path, int64_t mode, int64_t uid, int64_t gid, struct fault *f)
{
	char name[256];
	CLEAN_FD int dir = open_parent(c, "mkdir", path, name, f);
	if (dir < 0)
		return dir;
	if (mkdirat(dir, name, (mode_t)mode & 07777) < 0) {
		struct stat st;
		int err = errno;
		if (err == EEXIST && fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode))
			return 0;
		return fault_set(f, err, "mkdir", path, NULL);
	}
	// mkdir(2) ignores the set-id and, for some file systems, the sticky bits.
	if ((mode & 07000) && fchmodat(dir, name, (mode_t)mode & 07777, 0) < 0)
		return fault_set(f, errno, "chmod", path, NULL);
	if ((uid || gid) && fchownat(dir, name, (uid_t)uid, (gid_t)gid, AT_SYMLINK_NOFOLLOW) < 0)
		return fault_set(f, errno, "chown", path, NULL);
	return 0;
}
