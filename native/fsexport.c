// The walk that export streams (PROTOCOL.md "export"). Small files travel in one buffer together with their metadata, large ones
// from the page cache to the socket. A walk that cannot go on says so in its end frame; only a dead socket ends it silently.
#include "fsops.h"
#include "tree.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

enum { OUT_BYTES = 256 << 10, SMALL_FILE = 64 << 10, MAX_EXPORT_DEPTH = 512, XATTR_LIST = 64 << 10, XATTR_VALUE = 64 << 10 };

struct export {
	int sock;
	int sock_error;       // -errno once the socket failed: nothing can be told any more
	uint8_t *out;         // collected frames and small contents
	size_t out_size;
	struct writer frame;
	char path[PATH_MAX];  // of the current entry, relative to the exported directory
	size_t path_length;
	char *xattr_names, *xattr_value;
	struct fault shrunk;  // the first file that was shorter than its metadata said
	struct fault *f;
};

static int flush(struct export *e)
{
	if (e->sock_error == 0 && e->out_size > 0)
		e->sock_error = send_all(e->sock, e->out, e->out_size);
	e->out_size = 0;
	return e->sock_error;
}

static int put(struct export *e, const void *data, size_t size)
{
	if (e->out_size + size > OUT_BYTES && flush(e) < 0)
		return e->sock_error;
	if (size > OUT_BYTES)
		return e->sock_error = send_all(e->sock, data, size);
	memcpy(e->out + e->out_size, data, size);
	e->out_size += size;
	return 0;
}

// Queues the frame that was just written.
static int put_frame(struct export *e)
{
	size_t size;
	const uint8_t *bytes = frame_bytes(&e->frame, &size);
	if (!bytes)
		return fault_set(e->f, EMSGSIZE, "export", e->path, NULL);
	return put(e, bytes, size);
}

static bool is_exported(const char *name)
{
	return strncmp(name, "security.", 9) == 0 || strncmp(name, "user.", 5) == 0 || strncmp(name, "trusted.", 8) == 0;
}

// Writes [[name, value]…] of the entry `name` in `dir`.
static int put_xattrs(struct export *e, int dir, const char *name)
{
	char self[300];
	snprintf(self, sizeof self, "/proc/self/fd/%d/%s", dir, name);
	write_open(&e->frame);
	ssize_t size = llistxattr(self, e->xattr_names, XATTR_LIST);
	if (size < 0 && errno != EOPNOTSUPP)
		return fault_set(e->f, errno, "listxattr", e->path, NULL);
	for (const char *key = e->xattr_names; size > 0 && key < e->xattr_names + size; key += strlen(key) + 1) {
		if (!is_exported(key))
			continue;
		ssize_t value = lgetxattr(self, key, e->xattr_value, XATTR_VALUE);
		if (value < 0 && errno == ENODATA)
			continue; // removed meanwhile
		if (value < 0)
			return fault_set(e->f, errno, "getxattr", e->path, NULL);
		write_open(&e->frame);
		write_str(&e->frame, key);
		write_bytes(&e->frame, e->xattr_value, (size_t)value);
		write_close(&e->frame);
	}
	write_close(&e->frame);
	return 0;
}

static int put_entry(struct export *e, int dir, const char *name, const struct stat *st)
{
	char link[PATH_MAX];
	ssize_t link_size = 0;
	if (S_ISLNK(st->st_mode) && (link_size = readlinkat(dir, name, link, sizeof link)) < 0)
		return fault_set(e->f, errno, "readlink", e->path, NULL);
	struct writer *w = &e->frame;
	write_begin(w);
	write_bytes(w, e->path, e->path_length);
	write_int(w, st->st_mode);
	write_int(w, st->st_uid);
	write_int(w, st->st_gid);
	write_int(w, st->st_size);
	write_int(w, st->st_mtim.tv_sec);
	write_int(w, st->st_mtim.tv_nsec);
	write_int(w, major(st->st_rdev));
	write_int(w, minor(st->st_rdev));
	write_int(w, (int64_t)st->st_dev);
	write_int(w, (int64_t)st->st_ino);
	write_int(w, (int64_t)st->st_nlink);
	write_bytes(w, link, (size_t)link_size);
	int rc = put_xattrs(e, dir, name);
	return rc < 0 ? rc : put_frame(e);
}

// The metadata has promised `left` bytes more than there are.
static int pad(struct export *e, uint64_t left, int err)
{
	static const uint8_t zeros[4096];
	if (e->shrunk.errno_ == 0)
		fault_set(&e->shrunk, err ? err : EIO, "read", e->path, err ? NULL : "the file became shorter while it was read");
	while (left > 0) {
		size_t part = left < sizeof zeros ? (size_t)left : sizeof zeros;
		if (put(e, zeros, part) < 0)
			return e->sock_error;
		left -= part;
	}
	return 0;
}

static int put_small(struct export *e, int fd, size_t size)
{
	if (e->out_size + size > OUT_BYTES && flush(e) < 0)
		return e->sock_error;
	while (size > 0) {
		ssize_t n = read(fd, e->out + e->out_size, size);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return pad(e, size, n < 0 ? errno : 0);
		e->out_size += (size_t)n;
		size -= (size_t)n;
	}
	return 0;
}

static int put_large(struct export *e, int fd, uint64_t left)
{
	if (flush(e) < 0)
		return e->sock_error;
	while (left > 0) {
		size_t most = left < (1U << 20) ? (size_t)left : 1U << 20;
		ssize_t n = sendfile(e->sock, fd, NULL, most);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && (errno == EPIPE || errno == ECONNRESET))
			return e->sock_error = -errno;
		if (n < 0 && errno == EINVAL) { // a file system without splice
			n = read(fd, e->out, most < OUT_BYTES ? most : OUT_BYTES);
			e->out_size = n > 0 ? (size_t)n : 0;
		}
		if (n <= 0)
			return pad(e, left, n < 0 ? errno : 0);
		if (flush(e) < 0)
			return e->sock_error;
		left -= (uint64_t)n;
	}
	return 0;
}

static int put_file(struct export *e, int dir, const char *name, struct stat *st)
{
	// Not blocking: it was a regular file when it was looked at, and is looked at again now that it is open.
	CLEAN_FD int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, st) < 0)
		return fault_set(e->f, errno, "open", e->path, NULL);
	if (!S_ISREG(st->st_mode))
		return fault_set(e->f, EAGAIN, "open", e->path, "replaced while it was read");
	int rc = put_entry(e, dir, name, st);
	if (rc < 0 || st->st_size == 0)
		return rc;
	return st->st_size <= SMALL_FILE ? put_small(e, fd, (size_t)st->st_size) : put_large(e, fd, (uint64_t)st->st_size);
}

static int walk_directory(struct export *e, int dir, const char *name, unsigned depth);

static int walk_entry(struct export *e, int dir, const char *name, unsigned depth)
{
	struct stat st;
	size_t before = e->path_length, length = strlen(name);
	size_t start = before ? before + 1 : 0;
	if (start + length >= sizeof e->path)
		return fault_set(e->f, ENAMETOOLONG, "export", e->path, NULL);
	if (before)
		e->path[before] = '/';
	memcpy(e->path + start, name, length + 1);
	e->path_length = start + length;
	int rc = 0;
	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
		st.st_mode = 0;
		rc = errno == ENOENT ? 0 : fault_set(e->f, errno, "stat", e->path, NULL); // removed meanwhile
	} else if (S_ISREG(st.st_mode)) {
		rc = put_file(e, dir, name, &st);
	} else {
		rc = put_entry(e, dir, name, &st);
	}
	if (rc == 0 && S_ISDIR(st.st_mode))
		rc = walk_directory(e, dir, name, depth + 1);
	e->path_length = before;
	e->path[before] = 0;
	return rc;
}

static int walk_directory(struct export *e, int dir, const char *name, unsigned depth)
{
	if (depth > MAX_EXPORT_DEPTH)
		return fault_set(e->f, ELOOP, "export", e->path, "the tree is too deep");
	CLEAN_FD int here = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct names names;
	int rc = here < 0 ? -errno : names_read(here, &names);
	if (rc < 0)
		return fault_set(e->f, -rc, "getdents64", e->path, NULL);
	for (size_t i = 0; rc == 0 && i < names.count; i++)
		rc = walk_entry(e, here, names.items[i], depth);
	names_free(&names);
	return rc;
}

static int walk_top(struct export *e, int dir, const char *name)
{
	struct stat st;
	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return fault_set(e->f, errno, "stat", name, NULL);
	if (S_ISDIR(st.st_mode))
		return walk_directory(e, dir, name, 0);
	memcpy(e->path, ".", 2); // something else than a directory is its own only entry
	e->path_length = 1;
	return S_ISREG(st.st_mode) ? put_file(e, dir, name, &st) : put_entry(e, dir, name, &st);
}

static int put_end(struct export *e, const struct fault *f)
{
	write_begin(&e->frame);
	write_int(&e->frame, f->errno_);
	write_str(&e->frame, f->op);
	write_str(&e->frame, f->path);
	write_str(&e->frame, f->text);
	return put_frame(e);
}

int fs_export(int dir, const char *name, const char *label, int sock)
{
	struct stat st;
	struct fault f = {0}, mine = {0};
	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
		fault_set(&f, errno, "export", label, NULL);
		return frame_fault(sock, &f);
	}
	struct export e = {.sock = sock, .f = &f};
	e.out = malloc(OUT_BYTES);
	e.xattr_names = malloc(XATTR_LIST);
	e.xattr_value = malloc(XATTR_VALUE);
	write_begin(&e.frame);
	write_int(&e.frame, 0);
	write_open(&e.frame);
	write_close(&e.frame);
	write_open(&e.frame);
	write_close(&e.frame);
	int rc = -ENOMEM;
	if (e.out && e.xattr_names && e.xattr_value) {
		put_frame(&e);
		walk_top(&e, dir, name);
		put_end(&e, f.errno_ ? &f : e.shrunk.errno_ ? &e.shrunk : &mine);
		rc = flush(&e);
	} else {
		fault_set(&f, ENOMEM, "export", label, NULL);
		rc = frame_fault(sock, &f);
	}
	free(e.out);
	free(e.xattr_names);
	free(e.xattr_value);
	write_free(&e.frame);
	return rc;
}
