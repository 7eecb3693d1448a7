// Copying a tree, see tree.h. Both sides are walked by descriptor; what is a symlink on the source side is copied as one, what
// is one on the destination side is replaced. Metadata goes on last: owner, then mode, then attributes, then time.
#include "resolve.h"
#include "tree.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

enum { MAX_COPY_DEPTH = 400, COPY_BYTES = 256 << 10, STEP_BYTES = 16 << 20, XATTR_BYTES = 64 << 10, SKIPPED = 1 };

// A regular file of the source with more than one name, and where its first copy is.
struct linked {
	dev_t dev;
	ino_t ino;
	char *path; // below the destination's root; NULL for a free slot
};

struct copying {
	const struct tree_copy *to;
	struct fault *f;
	char path[PATH_MAX];    // of the current destination, below its root
	size_t path_length;
	struct linked *links;   // open addressing, a power of two slots
	size_t link_count, link_slots;
	dev_t top_dev;          // the destination's top directory: not copied into itself
	ino_t top_ino;
	bool has_top;
	bool no_range;          // copy_file_range does not work between these two
	uint64_t done;          // bytes of content
	char *buffer;           // COPY_BYTES
	char *xattr_names, *xattr_value;
};

static int fail(const struct copying *c, int err, const char *op)
{
	return fault_set(c->f, err, op, c->path, NULL);
}

static struct linked *link_slot(const struct copying *c, dev_t dev, ino_t ino)
{
	size_t at = (size_t)(ino * 0x9E3779B97F4A7C15ULL ^ dev) & (c->link_slots - 1);
	while (c->links[at].path && (c->links[at].ino != ino || c->links[at].dev != dev))
		at = (at + 1) & (c->link_slots - 1);
	return &c->links[at];
}

static int link_grow(struct copying *c)
{
	struct linked *old = c->links;
	size_t slots = c->link_slots;
	if (c->link_count * 2 < slots)
		return 0;
	struct linked *links = calloc(slots ? slots * 2 : 64, sizeof *links);
	if (!links)
		return -ENOMEM;
	c->links = links;
	c->link_slots = slots ? slots * 2 : 64;
	for (size_t i = 0; i < slots; i++)
		if (old[i].path)
			*link_slot(c, old[i].dev, old[i].ino) = old[i];
	free(old);
	return 0;
}

// Removes what a file is to replace: anything but a directory with something in it.
static int displace(struct copying *c, int dir, const char *name)
{
	if (unlinkat(dir, name, 0) == 0 || errno == ENOENT)
		return 0;
	if (errno == EISDIR && unlinkat(dir, name, AT_REMOVEDIR) == 0)
		return 0;
	return fail(c, errno, "replace");
}

static int write_all(int fd, const char *data, size_t size)
{
	while (size > 0) {
		ssize_t n = write(fd, data, size);
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0) {
			data += n;
			size -= (size_t)n;
		}
	}
	return 0;
}

static bool is_no_range(int err)
{
	return err == EXDEV || err == EINVAL || err == ENOSYS || err == EOPNOTSUPP || err == EPERM;
}

static int advance(struct copying *c, ssize_t bytes)
{
	c->done += (uint64_t)bytes;
	return c->to->progress ? c->to->progress(c->to->asker, c->done) : 0;
}

// Copies `length` bytes from `offset`; less when the source has become shorter.
static int copy_range(struct copying *c, int in, int out, off_t offset, off_t length)
{
	off_t to = offset;
	while (length > 0 && !c->no_range) {
		ssize_t n = copy_file_range(in, &offset, out, &to, length < STEP_BYTES ? (size_t)length : STEP_BYTES, 0);
		if (n == 0)
			return 0;
		if (n < 0 && !is_no_range(errno))
			return -errno;
		if (n < 0) {
			c->no_range = true;
			break;
		}
		length -= n;
		int rc = advance(c, n);
		if (rc < 0)
			return rc;
	}
	if (length > 0 && lseek(out, offset, SEEK_SET) < 0)
		return -errno;
	while (length > 0) {
		ssize_t n = pread(in, c->buffer, length < COPY_BYTES ? (size_t)length : COPY_BYTES, offset);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : 0;
		int rc = write_all(out, c->buffer, (size_t)n);
		if (rc == 0)
			rc = advance(c, n);
		if (rc < 0)
			return rc;
		offset += n;
		length -= n;
	}
	return 0;
}

static int copy_data(struct copying *c, int in, int out, const struct stat *st)
{
	if ((off_t)st->st_blocks * 512 >= st->st_size)
		return copy_range(c, in, out, 0, st->st_size);
	// It has holes: copy the data and let the size make the rest.
	for (off_t at = 0; at < st->st_size;) {
		off_t data = lseek(in, at, SEEK_DATA);
		if (data < 0 && errno == ENXIO)
			break; // only a hole is left
		if (data < 0)
			return copy_range(c, in, out, at, st->st_size - at);
		off_t hole = lseek(in, data, SEEK_HOLE);
		if (hole < 0)
			return -errno;
		int rc = copy_range(c, in, out, data, hole - data);
		if (rc < 0)
			return rc;
		at = hole;
	}
	return ftruncate(out, st->st_size) < 0 ? -errno : 0;
}

// Attributes that describe the source's overlay, not its file.
static bool is_private_xattr(const char *key)
{
	return strncmp(key, "trusted.overlay.", 16) == 0 || strncmp(key, "user.overlay.", 13) == 0;
}

static int copy_xattrs(struct copying *c, int sdir, const char *sname, int dir, const char *name)
{
	char from[300], to[300];
	snprintf(from, sizeof from, "/proc/self/fd/%d/%s", sdir, sname);
	snprintf(to, sizeof to, "/proc/self/fd/%d/%s", dir, name);
	ssize_t size = llistxattr(from, c->xattr_names, XATTR_BYTES);
	if (size < 0)
		return errno == EOPNOTSUPP ? 0 : fail(c, errno, "listxattr");
	for (const char *key = c->xattr_names; size > 0 && key < c->xattr_names + size; key += strlen(key) + 1) {
		if (is_private_xattr(key))
			continue;
		ssize_t value = lgetxattr(from, key, c->xattr_value, XATTR_BYTES);
		if (value < 0 && (errno == ENODATA || errno == EOPNOTSUPP))
			continue;
		// Where the other file system knows no such attribute, or a security module forbids it, the copy goes on.
		if (value < 0 || (lsetxattr(to, key, c->xattr_value, (size_t)value, 0) < 0 && errno != EOPNOTSUPP &&
		                  !(errno == EPERM && strncmp(key, "security.selinux", 16) == 0)))
			return fail(c, errno, "setxattr");
	}
	return 0;
}

// Puts the source's metadata, or what overrides it, on the copy.
static int copy_meta(struct copying *c, int sdir, const char *sname, int dir, const char *name, const struct stat *st)
{
	uid_t uid = c->to->uid < 0 ? st->st_uid : (uid_t)c->to->uid;
	gid_t gid = c->to->gid < 0 ? st->st_gid : (gid_t)c->to->gid;
	bool is_overridden = c->to->mode >= 0 && (S_ISREG(st->st_mode) || S_ISDIR(st->st_mode));
	mode_t mode = is_overridden ? (mode_t)c->to->mode & 07777 : st->st_mode & 07777;
	CLEAN_FD int fd = openat(dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fchownat(fd, "", uid, gid, AT_EMPTY_PATH) < 0)
		return fail(c, errno, "chown");
	char self[32];
	snprintf(self, sizeof self, "/proc/self/fd/%d", fd);
	if (!S_ISLNK(st->st_mode) && chmod(self, mode) < 0)
		return fail(c, errno, "chmod");
	int rc = copy_xattrs(c, sdir, sname, dir, name);
	if (rc < 0)
		return rc;
	const struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, st->st_mtim};
	return utimensat(dir, name, times, AT_SYMLINK_NOFOLLOW) < 0 ? fail(c, errno, "utimensat") : 0;
}

// Makes the copy a further name of `existing`, a path below the destination's root.
static int copy_link(struct copying *c, const char *existing, int dir, const char *name)
{
	char old_name[256];
	CLEAN_FD int old = resolve_parent(c->to->root, existing, false, old_name, c->f);
	if (old < 0)
		return old;
	int rc = displace(c, dir, name);
	if (rc < 0)
		return rc;
	return linkat(old, old_name, dir, name, 0) < 0 ? fail(c, errno, "link") : 0;
}

static int remember_link(struct copying *c, const struct stat *st)
{
	int rc = link_grow(c);
	if (rc < 0)
		return fail(c, -rc, "link");
	struct linked *slot = link_slot(c, st->st_dev, st->st_ino);
	*slot = (struct linked){.dev = st->st_dev, .ino = st->st_ino, .path = strdup(c->path)};
	if (!slot->path)
		return fail(c, ENOMEM, "link");
	c->link_count++;
	return 0;
}

static int copy_file(struct copying *c, int sdir, const char *sname, int dir, const char *name)
{
	struct stat st;
	CLEAN_FD int in = openat(sdir, sname, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (in < 0 || fstat(in, &st) < 0)
		return fail(c, errno, "open");
	if (!S_ISREG(st.st_mode))
		return fail(c, EAGAIN, "open"); // it was a regular file a moment ago
	if (st.st_nlink > 1 && c->link_slots > 0) {
		const struct linked *first = link_slot(c, st.st_dev, st.st_ino);
		if (first->path)
			return copy_link(c, first->path, dir, name);
	}
	const int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
	CLEAN_FD int out = openat(dir, name, flags, 0600);
	if (out < 0 && errno == EEXIST) {
		int rc = displace(c, dir, name);
		if (rc < 0)
			return rc;
		out = openat(dir, name, flags, 0600);
	}
	if (out < 0)
		return fail(c, errno, "open");
	int rc = copy_data(c, in, out, &st);
	if (rc < 0)
		return fail(c, -rc, "write");
	rc = copy_meta(c, sdir, sname, dir, name, &st);
	return rc == 0 && st.st_nlink > 1 ? remember_link(c, &st) : rc;
}

static int copy_symlink(struct copying *c, int sdir, const char *sname, int dir, const char *name)
{
	char target[PATH_MAX];
	ssize_t n = readlinkat(sdir, sname, target, sizeof target - 1);
	if (n < 0)
		return fail(c, errno, "readlink");
	target[n] = 0;
	int rc = displace(c, dir, name);
	if (rc < 0)
		return rc;
	return symlinkat(target, dir, name) < 0 ? fail(c, errno, "symlink") : 0;
}

static int copy_node(struct copying *c, int dir, const char *name, const struct stat *st)
{
	int rc = displace(c, dir, name);
	if (rc < 0)
		return rc;
	return mknodat(dir, name, st->st_mode & (S_IFMT | 0777), st->st_rdev) < 0 ? fail(c, errno, "mknod") : 0;
}

// Makes the directory unless it is there, and opens it.
static int enter_directory(struct copying *c, int dir, const char *name)
{
	const int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
	if (mkdirat(dir, name, 0700) == 0 || errno == EEXIST) {
		int fd = openat(dir, name, flags);
		if (fd >= 0 || (errno != ENOTDIR && errno != ELOOP))
			return fd < 0 ? fail(c, errno, "open") : fd;
		int rc = displace(c, dir, name); // a file or symlink where the directory belongs
		if (rc < 0)
			return rc;
		if (mkdirat(dir, name, 0700) == 0) {
			fd = openat(dir, name, flags);
			return fd < 0 ? fail(c, errno, "open") : fd;
		}
	}
	return fail(c, errno, "mkdir");
}

static int copy_entry(struct copying *c, int sdir, const char *sname, int dir, const char *name, unsigned depth);

static int copy_children(struct copying *c, int from, int to, unsigned depth)
{
	struct names names;
	int rc = names_read(from, &names);
	if (rc < 0)
		return fail(c, -rc, "getdents64");
	for (size_t i = 0; rc == 0 && i < names.count; i++) {
		size_t before = c->path_length, length = strlen(names.items[i]);
		if (before + 1 + length >= sizeof c->path) {
			rc = fail(c, ENAMETOOLONG, "copy");
			break;
		}
		c->path[before] = '/';
		memcpy(c->path + before + 1, names.items[i], length + 1);
		c->path_length = before + 1 + length;
		rc = copy_entry(c, from, names.items[i], to, names.items[i], depth + 1);
		c->path_length = before;
		c->path[before] = 0;
	}
	names_free(&names);
	return rc;
}

static int copy_directory(struct copying *c, int sdir, const char *sname, int dir, const char *name, unsigned depth)
{
	struct stat st;
	if (depth > MAX_COPY_DEPTH)
		return fail(c, ELOOP, "copy");
	CLEAN_FD int from = openat(sdir, sname, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (from < 0 || fstat(from, &st) < 0)
		return fail(c, errno, "open");
	if (c->has_top && st.st_dev == c->top_dev && st.st_ino == c->top_ino)
		return SKIPPED; // a directory copied into itself does not contain its copy
	CLEAN_FD int to = enter_directory(c, dir, name);
	if (to < 0)
		return to;
	if (!c->has_top && fstat(to, &st) == 0) {
		c->has_top = true;
		c->top_dev = st.st_dev;
		c->top_ino = st.st_ino;
	}
	return copy_children(c, from, to, depth);
}

static int copy_entry(struct copying *c, int sdir, const char *sname, int dir, const char *name, unsigned depth)
{
	struct stat st;
	if (fstatat(sdir, sname, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return fail(c, errno, "stat");
	int rc = 0;
	if (S_ISREG(st.st_mode))
		return copy_file(c, sdir, sname, dir, name);
	if (S_ISSOCK(st.st_mode))
		return 0; // means nothing without the process behind it
	if (S_ISDIR(st.st_mode))
		rc = copy_directory(c, sdir, sname, dir, name, depth);
	else if (S_ISLNK(st.st_mode))
		rc = copy_symlink(c, sdir, sname, dir, name);
	else
		rc = copy_node(c, dir, name, &st);
	if (rc == SKIPPED)
		return 0;
	return rc < 0 ? rc : copy_meta(c, sdir, sname, dir, name, &st);
}

int tree_copy(const struct tree_copy *copy, int source_dir, const char *source_name, int dir, const char *name,
              const char *path, struct fault *f)
{
	struct copying *c = calloc(1, sizeof *c);
	if (!c)
		return fault_set(f, ENOMEM, "copy", path, NULL);
	c->to = copy;
	c->f = f;
	c->buffer = malloc(COPY_BYTES);
	c->xattr_names = malloc(XATTR_BYTES);
	c->xattr_value = malloc(XATTR_BYTES);
	int length = snprintf(c->path, sizeof c->path, "%s", path);
	c->path_length = (size_t)length;
	int rc;
	if (!c->buffer || !c->xattr_names || !c->xattr_value)
		rc = fail(c, ENOMEM, "copy");
	else if (c->path_length >= sizeof c->path)
		rc = fail(c, ENAMETOOLONG, "copy");
	else
		rc = copy_entry(c, source_dir, source_name, dir, name, 0);
	for (size_t i = 0; i < c->link_slots; i++)
		free(c->links[i].path);
	free(c->links);
	free(c->buffer);
	free(c->xattr_names);
	free(c->xattr_value);
	free(c);
	return rc;
}
