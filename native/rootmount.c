// The container's file systems: its root, what is mounted in it, what is hidden, and the pivot. Host paths (layers, bind sources) are
// trusted and opened in the host's view, which lasts until pivot. Paths in the root belong to the image: they are resolved
// once, below the root (resolve.h), and everything is attached to that descriptor, never to a path that could change
// between the look and the mount (the class of CVE-2019-19921, CVE-2021-30465, CVE-2024-45310, CVE-2025-31133).
#include "container.h"

#include "resolve.h"
#include "rootmount.h"
#include "userns.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

enum { OPTION_PAGE = 4096, CLONE_TREE = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC };

struct fd_path fd_path(int fd)
{
	struct fd_path p;
	char digits[12], *at = digits + sizeof digits;
	*--at = 0;
	do
		*--at = (char)('0' + fd % 10);
	while (fd /= 10);
	memcpy(p.text, "/proc/self/fd/", 14);
	memcpy(p.text + 14, at, strlen(at) + 1);
	return p;
}

int host_view(const struct container *c, const char *op, const char *path, struct fault *f)
{
	if (c->is_pivoted)
		return fault_set(f, EINVAL, op, path, "must come before pivot");
	if (c->root < 0)
		return fault_set(f, EINVAL, op, path, "must come after a root operation");
	return 0;
}

static int mismatch(const char *path, struct fault *f)
{
	return fault_set(f, ENOTDIR, "mount", path,
	                 "not a directory: Are you trying to mount a directory onto a file (or vice-versa)? "
	                 "Check if the specified host path exists and is the expected type");
}

int mount_over(int tree, int dest, const char *path, struct fault *f)
{
	if (move_mount(tree, "", dest, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) == 0)
		return 0;
	int err = errno;
	struct stat what, where;
	if (fstat(tree, &what) == 0 && fstat(dest, &where) == 0 && S_ISDIR(what.st_mode) != S_ISDIR(where.st_mode))
		return mismatch(path, f);
	return fault_set(f, err, "mount", path, NULL);
}

// Remounts an attached tree the old way, for kernels before 5.12. Flags it has already must be repeated, or they would go.
int remount_attributes(const struct container *c, int tree, uint64_t attr, const char *path, struct fault *f)
{
	struct statfs fs;
	if (c->is_pivoted || fstatfs(tree, &fs) < 0)
		return fault_set(f, ENOSYS, "mount_setattr", path, NULL);
	// statfs and mount(2) agree on these bits; relatime is where they differ.
	unsigned long flags = (unsigned long)fs.f_flags & (MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_NOATIME | MS_NODIRATIME);
	flags |= attr & MOUNT_ATTR_RDONLY ? MS_RDONLY : 0;
	flags |= attr & MOUNT_ATTR_NOSUID ? MS_NOSUID : 0;
	flags |= attr & MOUNT_ATTR_NODEV ? MS_NODEV : 0;
	flags |= attr & MOUNT_ATTR_NOEXEC ? MS_NOEXEC : 0;
	flags |= attr & MOUNT_ATTR_NOATIME ? MS_NOATIME : 0;
	struct fd_path at = fd_path(tree);
	if (mount(NULL, at.text, NULL, MS_REMOUNT | MS_BIND | flags, NULL) < 0)
		return fault_set(f, errno, "mount", path, NULL);
	return 0;
}

// Sets attributes on a tree. 1: this kernel cannot, do it by remount after it is attached.
static int set_attributes(int tree, uint64_t attr, bool recursive, const char *path, struct fault *f)
{
	struct mount_attr want = {.attr_set = attr};
	if (attr == 0)
		return 0;
	if (attr & MOUNT_ATTR__ATIME) // a choice of one: the old one has to be cleared
		want.attr_clr = MOUNT_ATTR__ATIME;
	if (mount_setattr(tree, "", AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0), &want, sizeof want) == 0)
		return 0;
	if (errno == ENOSYS && !recursive)
		return 1;
	return fault_set(f, errno, "mount_setattr", path, NULL);
}

// Gives a clone its attributes and puts it in place. Until it is attached nobody can see it, so there is no moment at which a
// read-only bind could be written to.
int mount_attach(const struct container *c, int tree, int dest, uint64_t attr, bool recursive, const char *path, struct fault *f)
{
	int later = set_attributes(tree, attr, recursive, path, f);
	if (later < 0)
		return later;
	int rc = mount_over(tree, dest, path, f);
	return rc < 0 || !later ? rc : remount_attributes(c, tree, attr, path, f);
}

// Before the first mount: nothing that is mounted here may show up on the host.
static int detach_propagation(struct container *c, struct fault *f)
{
	if (c->has_propagation)
		return 0;
	c->has_propagation = true;
	if (mount(NULL, "/", NULL, MS_SLAVE | MS_REC, NULL) < 0)
		return fault_set(f, errno, "mount", "/", "cannot make the mounts of the new namespace slaves");
	return 0;
}

// A plan that shares propagation with the host (`rshared` volumes) still must not mount its root there, and pivot_root refuses
// a root under a shared mount: the mount that holds `target` is made private. It is the nearest parent that is one.
static int make_parent_private(const char *target, struct fault *f)
{
	char path[PATH_MAX];
	size_t length = strlen(target);
	if (target[0] != '/' || length >= sizeof path)
		return fault_set(f, EINVAL, "mount", target, "not an absolute path");
	memcpy(path, target, length + 1);
	for (;;) {
		if (mount(NULL, path, NULL, MS_PRIVATE, NULL) == 0)
			return 0;
		if (errno != EINVAL || path[1] == 0)
			return fault_set(f, errno, "mount", path, NULL);
		char *slash = strrchr(path, '/');
		slash[slash == path] = 0;
	}
}

static int open_root(struct container *c, const char *target, struct fault *f)
{
	c->root = open(target, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return c->root < 0 ? fault_set(f, errno, "open", target, NULL) : 0;
}

static int check_no_root(struct container *c, const char *target, struct fault *f)
{
	if (c->root >= 0 || c->is_pivoted)
		return fault_set(f, EINVAL, "root", target, "there is a root already");
	return detach_propagation(c, f);
}

static int prepare_root(struct container *c, const char *target, struct fault *f)
{
	int rc = check_no_root(c, target, f);
	return rc < 0 ? rc : make_parent_private(target, f);
}

// Shows a directory of layers with the container's owners, before the root is made of it.
int root_id_mapped(struct container *c, const char *path, const char *uids, const char *gids, struct fault *f)
{
	int rc = prepare_root(c, path, f);
	return rc < 0 ? rc : idmap_cover(path, uids, gids, f);
}

int root_bind(struct container *c, const char *source, const char *target, struct fault *f)
{
	int rc = check_no_root(c, target, f);
	if (rc < 0)
		return rc;
	// Before the parent of the target, which may be the source's mount, becomes private: the clone keeps the source's master.
	CLEAN_FD int tree = open_tree(AT_FDCWD, source, CLONE_TREE | AT_RECURSIVE);
	if (tree < 0)
		return fault_set(f, errno, "open_tree", source, NULL);
	rc = make_parent_private(target, f);
	if (rc < 0)
		return rc;
	CLEAN_FD int dest = open(target, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dest < 0)
		return fault_set(f, errno, "open", target, NULL);
	rc = mount_over(tree, dest, target, f);
	if (rc < 0)
		return rc;
	// pivot_root wants no shared one, and what is mounted in it must not show up on the host. A slave stays one where it is wanted.
	if (mount(NULL, fd_path(tree).text, NULL, c->is_slave ? MS_SLAVE : MS_PRIVATE, NULL) < 0)
		return fault_set(f, errno, "mount", target, NULL);
	return open_root(c, target, f);
}

struct options {
	char text[OPTION_PAGE];
	size_t size;
	bool overflow;
};

static void add_text(struct options *o, const char *text, bool escape)
{
	for (; *text && !o->overflow; text++) {
		bool special = escape && (*text == ',' || *text == '\\');
		if (o->size + 2 + special >= sizeof o->text) {
			o->overflow = true;
			return;
		}
		if (special)
			o->text[o->size++] = '\\';
		o->text[o->size++] = *text;
	}
	o->text[o->size] = 0;
}

static void add_option(struct options *o, const char *key, const char *value, bool escape)
{
	if (o->size > 0)
		add_text(o, ",", false);
	add_text(o, key, false);
	add_text(o, value, escape);
}

// One layer and nothing to write to: overlayfs wants two, a read-only bind is the same thing.
static int bind_single_layer(struct container *c, const char *lower, const char *target, struct fault *f)
{
	CLEAN_FD int tree = open_tree(AT_FDCWD, lower, CLONE_TREE);
	if (tree < 0)
		return fault_set(f, errno, "open_tree", lower, NULL);
	CLEAN_FD int dest = open(target, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dest < 0)
		return fault_set(f, errno, "open", target, NULL);
	return mount_attach(c, tree, dest, MOUNT_ATTR_RDONLY, false, target, f);
}

int root_overlay(struct container *c, const char *layers_dir, const char *lower, const char *upper, const char *work,
                 const char *options, const char *target, struct fault *f)
{
	struct options o = {.size = 0};
	int rc = prepare_root(c, target, f);
	if (rc < 0)
		return rc;
	// mount(2) takes one page of options: from inside the layers' directory their names are short. fsconfig(2) would take layers one
	// by one, but only since Linux 6.7.
	if (chdir(layers_dir) < 0)
		return fault_set(f, errno, "chdir", layers_dir, NULL);
	add_option(&o, "lowerdir=", lower, false);
	if (upper[0]) {
		add_option(&o, "upperdir=", upper, true);
		add_option(&o, "workdir=", work, true);
	}
	if (options[0])
		add_option(&o, options, "", false);
	if (o.overflow)
		rc = fault_set(f, E2BIG, "mount", target, "too many layers for one page of mount options");
	else if (!upper[0] && !strchr(lower, ':'))
		rc = bind_single_layer(c, lower, target, f);
	else if (mount("overlay", target, "overlay", 0, o.text) < 0)
		rc = fault_set(f, errno, "mount", target, NULL);
	if (chdir("/") < 0 && rc == 0)
		rc = fault_set(f, errno, "chdir", "/", NULL);
	return rc < 0 ? rc : open_root(c, target, f);
}

// Whether the comma-separated `options` contain one that begins with `name`.
static bool has_option(const char *options, const char *name)
{
	size_t size = strlen(name);
	for (const char *at = options; at && *at; at = strchr(at, ',')) {
		at += *at == ',';
		if (strncmp(at, name, size) == 0)
			return true;
	}
	return false;
}

// What is mounted on the kernel's own files hides them, or shows something else in their place: that has to be said (`/proc/cpuinfo`,
// which the planner allows or not), never reached through a symlink of the image (the class of CVE-2019-16884).
static int refuse_procfs(int at, const char *dest, struct fault *f)
{
	struct statfs fs;
	if (fstatfs(at, &fs) < 0)
		return fault_set(f, errno, "fstatfs", dest, NULL);
	if (fs.f_type != PROC_SUPER_MAGIC || (strncmp(dest, "/proc", 5) == 0 && (dest[5] == '/' || dest[5] == 0)))
		return 0;
	return fault_set(f, EXDEV, "mount", dest, "a symlink of the image leads into /proc, where nothing may be mounted: remove it from the image");
}

// Where a file system is mounted. The kernel's own are looked up again when parts of them are hidden or made read-only: a
// symlink on their way could lead elsewhere by then (CVE-2019-19921, CVE-2023-27561).
static int open_mount_point(struct container *c, const char *type, const char *dest, struct fault *f)
{
	if (strcmp(type, "proc") != 0 && strcmp(type, "sysfs") != 0)
		return resolve_mkdirs(c->root, dest, 0755, f);
	int at = resolve_mkdirs_plain(c->root, dest, 0755, f);
	if (at == -ELOOP)
		return fault_set(f, ELOOP, "mount", dest, "must be mounted on ordinary directory, and the image has a symlink there");
	return at;
}

int mount_new(struct container *c, const char *type, const char *source, const char *dest, int64_t flags, const char *data,
              struct fault *f)
{
	int rc = host_view(c, "mount", dest, f);
	if (rc < 0)
		return rc;
	struct fault missing;
	CLEAN_FD int found = resolve_open(c->root, dest, O_PATH | O_DIRECTORY, 0, &missing);
	CLEAN_FD int at = open_mount_point(c, type, dest, f);
	rc = at < 0 ? at : refuse_procfs(at, dest, f);
	if (rc < 0)
		return rc;
	char with_mode[4096];
	if (strcmp(type, "tmpfs") == 0 && found >= 0 && !has_option(data, "mode=")) {
		// A tmpfs looks like the directory it covers, as runc makes it; only here is it known which directory that is. Where there
		// was none it is anybody's, the kernel's default.
		struct stat st;
		if (fstat(at, &st) < 0)
			return fault_set(f, errno, "stat", dest, NULL);
		int size = snprintf(with_mode, sizeof with_mode, "%s%smode=%o", data, data[0] ? "," : "", st.st_mode & 07777);
		if (size < 0 || (size_t)size >= sizeof with_mode)
			return fault_set(f, E2BIG, "mount", dest, "too many mount options");
		data = with_mode;
	}
	if (mount(source, fd_path(at).text, type, (unsigned long)flags, data[0] ? data : NULL) < 0)
		return fault_set(f, errno, "mount", dest, NULL);
	return 0;
}

// A file system that is to be bound in parts: mounted on a host directory that only this namespace sees it on, gone with
// the host's view at pivot. The next one may go on top.
int mount_stage(struct container *c, const char *type, const char *source, const char *target, int64_t flags, const char *data,
                struct fault *f)
{
	int rc = host_view(c, "stage", target, f);
	if (rc == 0)
		rc = make_parent_private(target, f);
	if (rc < 0)
		return rc;
	if (mount(source, target, type, (unsigned long)flags, data[0] ? data : NULL) < 0)
		return fault_set(f, errno, "stage", target, NULL);
	return 0;
}

// Clones the tree that is to be bound.
static int clone_source(const struct bind *b, struct fault *f)
{
	unsigned flags = CLONE_TREE | (b->is_recursive ? AT_RECURSIVE : 0);
	if (!b->sub[0]) {
		int tree = open_tree(AT_FDCWD, b->source, flags);
		return tree < 0 ? fault_set(f, errno, "bind", b->source, NULL) : tree;
	}
	CLEAN_FD int base = open(b->source, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (base < 0)
		return fault_set(f, errno, "bind", b->source, NULL);
	CLEAN_FD int at = resolve_beneath(base, b->sub, O_PATH, f);
	if (at < 0)
		return at;
	int tree = open_tree(at, "", flags | AT_EMPTY_PATH);
	return tree < 0 ? fault_set(f, errno, "bind", b->sub, NULL) : tree;
}

// Attaches a detached tree at `dest`, which is made as file or directory to match.
static int attach_at(struct container *c, int tree, const char *dest, uint64_t attr, bool attr_recursive, uint64_t propagation,
                     struct fault *f)
{
	struct stat st;
	if (fstat(tree, &st) < 0)
		return fault_set(f, errno, "stat", dest, NULL);
	CLEAN_FD int at = S_ISDIR(st.st_mode) ? resolve_mkdirs(c->root, dest, 0755, f) : resolve_mkfile(c->root, dest, 0755, f);
	if (at == -ENOTDIR && S_ISDIR(st.st_mode))
		return mismatch(dest, f);
	int rc = at < 0 ? at : refuse_procfs(at, dest, f);
	if (rc == 0)
		rc = mount_attach(c, tree, at, attr, attr_recursive, dest, f);
	if (rc < 0 || propagation == 0)
		return rc;
	if (mount(NULL, fd_path(tree).text, NULL, (unsigned long)propagation, NULL) < 0)
		return fault_set(f, errno, "mount", dest, NULL);
	return 0;
}

// Takes attributes away from a clone, and gives it those of `attr`, since a time of access is exchanged in one call. A less privileged
// namespace may not take away what the host has set: that stays where it need not go.
static int change_attributes(int tree, const struct bind *b, uint64_t attr, const char *path, struct fault *f)
{
	uint64_t time = attr & MOUNT_ATTR__ATIME ? MOUNT_ATTR__ATIME : 0;
	struct mount_attr want = {.attr_set = attr, .attr_clr = b->clear | time};
	if (mount_setattr(tree, "", AT_EMPTY_PATH, &want, sizeof want) == 0)
		return 0;
	int err = errno;
	want.attr_clr = b->must_clear | time;
	if (err == EPERM && b->must_clear != b->clear && mount_setattr(tree, "", AT_EMPTY_PATH, &want, sizeof want) == 0)
		return 0;
	return fault_set(f, err, "mount_setattr", path, NULL);
}

int mount_bind(struct container *c, const struct bind *b, const char *dest, struct fault *f)
{
	int rc = host_view(c, "bind", dest, f);
	if (rc < 0)
		return rc;
	CLEAN_FD int tree = clone_source(b, f);
	if (tree < 0)
		return tree;
	if (b->uids[0] && (rc = idmap_set(tree, b->uids, b->gids, b->is_idmap_recursive, f)) < 0)
		return rc;
	if (b->clear == 0)
		return attach_at(c, tree, dest, b->attr, b->is_attr_recursive, b->propagation, f);
	uint64_t recursive = b->is_attr_recursive ? b->attr : 0;
	rc = change_attributes(tree, b, b->attr & ~recursive, dest, f);
	return rc < 0 ? rc : attach_at(c, tree, dest, recursive, b->is_attr_recursive, b->propagation, f);
}

// A mount can only be cloned by who is in its namespace. Whatever the path leads to there is below that namespace's own root.
static int clone_here(const char *source, struct fault *f)
{
	CLEAN_FD int top = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (top < 0)
		return fault_set(f, errno, "bindFrom", "/", NULL);
	CLEAN_FD int at = resolve_open(top, source, O_PATH, 0, f);
	if (at < 0)
		return at;
	int tree = open_tree(at, "", CLONE_TREE | AT_EMPTY_PATH);
	return tree < 0 ? fault_set(f, errno, "bindFrom", source, NULL) : tree;
}

int mount_bind_from(struct container *c, const char *ns, const char *source, const char *dest, int64_t attr, struct fault *f)
{
	int rc = host_view(c, "bindFrom", dest, f);
	if (rc < 0)
		return rc;
	CLEAN_FD int other = open(ns, O_RDONLY | O_CLOEXEC), own = openat(c->host_proc, "self/ns/mnt", O_RDONLY | O_CLOEXEC);
	CLEAN_FD int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC), cwd = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (other < 0 || own < 0 || root < 0 || cwd < 0)
		return fault_set(f, errno, "bindFrom", ns, NULL);
	if (setns(other, CLONE_NEWNS) < 0)
		return fault_set(f, errno, "bindFrom", ns, NULL);
	CLEAN_FD int tree = clone_here(source, f);
	// setns has put root and working directory to the root of the namespace: both go back to what they were.
	if (setns(own, CLONE_NEWNS) < 0 || fchdir(root) < 0 || chroot(".") < 0 || fchdir(cwd) < 0)
		return fault_set(f, errno, "bindFrom", "", "cannot return to the own namespace");
	return tree < 0 ? tree : attach_at(c, tree, dest, (uint64_t)attr, false, MS_PRIVATE, f);
}

// Returns a clone of the empty read-only tmpfs that hides directories. One superblock serves all of them.
static int empty_tree(struct container *c, bool *is_first)
{
	*is_first = c->masked < 0;
	if (!*is_first)
		return open_tree(c->masked, "", CLONE_TREE | AT_EMPTY_PATH);
	CLEAN_FD int fs = fsopen("tmpfs", FSOPEN_CLOEXEC);
	if (fs < 0)
		return -1;
	fsconfig(fs, FSCONFIG_SET_STRING, "source", "tmpfs", 0);
	fsconfig(fs, FSCONFIG_SET_STRING, "size", "4k", 0);
	fsconfig(fs, FSCONFIG_SET_STRING, "mode", "0755", 0);
	if (fsconfig(fs, FSCONFIG_SET_FLAG, "ro", NULL, 0) < 0 || fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return -1;
	return fsmount(fs, FSMOUNT_CLOEXEC, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
}

int mount_mask(struct container *c, const char *path, struct fault *f)
{
	struct stat st;
	bool is_first = false;
	int rc = host_view(c, "mask", path, f);
	if (rc < 0)
		return rc;
	CLEAN_FD int at = resolve_open(c->root, path, O_PATH, 0, f);
	if (at == -ENOENT || at == -ENOTDIR)
		return 0;
	if (at < 0)
		return at;
	if (fstat(at, &st) < 0)
		return fault_set(f, errno, "stat", path, NULL);
	// The host's null device, never the container's: its /dev may be anything (CVE-2025-31133). Read-only, which leaves a device as
	// writable as it is, but its inode is the host's: nobody in the container may change its mode, owner or times.
	struct stat null;
	if (!S_ISDIR(st.st_mode) && (fstat(c->dev_null, &null) < 0 || !S_ISCHR(null.st_mode) || null.st_rdev != makedev(1, 3)))
		return fault_set(f, ENODEV, "mask", path, "the host's /dev/null is not the null device");
	int tree = S_ISDIR(st.st_mode) ? empty_tree(c, &is_first) : open_tree(c->dev_null, "", CLONE_TREE | AT_EMPTY_PATH);
	if (tree < 0)
		return fault_set(f, errno, "mask", path, NULL);
	rc = mount_attach(c, tree, at, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC, false, path, f);
	if (is_first && rc == 0)
		c->masked = tree;
	else
		close(tree);
	return rc;
}

int mount_readonly(struct container *c, const char *path, struct fault *f)
{
	int rc = host_view(c, "readonly", path, f);
	if (rc < 0)
		return rc;
	CLEAN_FD int at = resolve_open(c->root, path, O_PATH, 0, f);
	if (at == -ENOENT || at == -ENOTDIR)
		return 0;
	if (at < 0)
		return at;
	CLEAN_FD int tree = open_tree(at, "", CLONE_TREE | AT_EMPTY_PATH | AT_RECURSIVE);
	if (tree < 0)
		return fault_set(f, errno, "open_tree", path, NULL);
	return mount_attach(c, tree, at, MOUNT_ATTR_RDONLY, false, path, f);
}

int root_readonly(struct container *c, struct fault *f)
{
	if (c->root < 0)
		return fault_set(f, EINVAL, "rootReadonly", "/", "must come after a root operation");
	int later = set_attributes(c->root, MOUNT_ATTR_RDONLY, false, "/", f);
	if (later <= 0)
		return later;
	if (!c->is_pivoted)
		return remount_attributes(c, c->root, MOUNT_ATTR_RDONLY, "/", f);
	if (mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL) < 0)
		return fault_set(f, errno, "mount", "/", NULL);
	return 0;
}

// Before the root is mounted it is about the host's tree as this namespace sees it, afterwards about the container's root.
int root_propagation(struct container *c, int64_t flags, struct fault *f)
{
	const int64_t kinds = MS_PRIVATE | MS_SLAVE | MS_SHARED | MS_UNBINDABLE;
	int64_t kind = flags & kinds;
	if ((flags & ~(kinds | MS_REC)) || kind == 0 || (kind & (kind - 1)))
		return fault_set(f, EINVAL, "rootPropagation", "/", "not a propagation");
	if (c->root >= 0 && !c->is_pivoted)
		return fault_set(f, EINVAL, "rootPropagation", "/", "must come before the root or after pivot");
	c->has_propagation = true;
	c->is_slave = kind == MS_SLAVE;
	if (mount(NULL, "/", NULL, (unsigned long)flags, NULL) < 0)
		return fault_set(f, errno, "mount", "/", NULL);
	return 0;
}

int root_pivot(struct container *c, struct fault *f)
{
	int rc = host_view(c, "pivot_root", "/", f);
	if (rc < 0)
		return rc;
	CLEAN_FD int old = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (old < 0 || fchdir(c->root) < 0)
		return fault_set(f, errno, "chdir", "/", NULL);
	// With "." twice the old root ends up on top of the new one: no directory for it has to exist in the image.
	if (syscall(SYS_pivot_root, ".", ".") < 0)
		return fault_set(f, errno, "pivot_root", "/", NULL);
	// Slave first: unmounting shared mounts would propagate to the host.
	if (fchdir(old) < 0 || mount(NULL, ".", NULL, MS_SLAVE | MS_REC, NULL) < 0 || umount2(".", MNT_DETACH) < 0)
		return fault_set(f, errno, "umount", "/", NULL);
	if (chdir("/") < 0)
		return fault_set(f, errno, "chdir", "/", NULL);
	root_is_entered(c);
	return 0;
}

// The root of a container without a mount namespace is mounted already, in its caller's: nothing around it is touched.
int root_here(struct container *c, const char *target, struct fault *f)
{
	if (c->is_pivoted)
		return fault_set(f, EINVAL, "rootHere", target, "must come before chroot");
	clean_fd(&c->root);
	return open_root(c, target, f);
}

int root_chroot(struct container *c, struct fault *f)
{
	int rc = host_view(c, "chroot", "/", f);
	if (rc < 0)
		return rc;
	if (fchdir(c->root) < 0 || chroot(".") < 0)
		return fault_set(f, errno, "chroot", "/", NULL);
	root_is_entered(c);
	return 0;
}

void root_is_entered(struct container *c)
{
	c->is_pivoted = true;
	clean_fd(&c->dev_null);
	clean_fd(&c->masked);
	c->dev_null = c->masked = -1;
}
