// File sessions, see fsops.h. A table gives each operation's argument types and function. New inodes are made under their resolved
// parent with calls that never follow the last component; owner, mode and time go through the descriptor of
// what was made where there is one.
#include "fsops.h"

#include "ops.h"
#include "resolve.h"
#include "tree.h"
#include "user.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

struct meta {
	int64_t mode, uid, gid;
	struct timespec times[2];
};

// The parent of the last operation's path. Archives name files directory by directory, so most operations find
// their parent here instead of resolving it again. Forgotten by whatever may remove it: every other operation
// works inside this very directory, or replaces it here.
struct parent {
	int fd;
	size_t length; // of the text of the path before the last component
	char path[PATH_MAX];
};

struct fs_session {
	int root;
	char *target;          // where the overlay is mounted, NULL for a directory
	struct parent parent;
	int file;              // regular file whose content is arriving, or -1
	uint64_t missing;      // bytes of it
	struct meta file_meta; // set when the content is complete, because writing changes the time and drops setuid
	char file_path[PATH_MAX];
	bool has_fault;
	struct fault fault;
	struct writer *results;
	bool wrote;
	int sock;              // who waits for the results, -1 for nobody
	struct timespec told;  // when he last heard of a copy
};

static void parent_forget(struct fs_session *s)
{
	clean_fd(&s->parent.fd);
	s->parent.fd = -1;
}

// Resolves the parent of `path`, with `create` making what is missing. The descriptor belongs to the session.
static int parent_of(struct fs_session *s, const char *path, bool create, char name[256], struct fault *f)
{
	const char *slash = strrchr(path, '/');
	size_t length = slash ? (size_t)(slash - path) + 1 : 0;
	const char *leaf = path + length;
	bool is_plain = *leaf && strlen(leaf) < 256 && strcmp(leaf, ".") != 0 && strcmp(leaf, "..") != 0;
	if (is_plain && s->parent.fd >= 0 && s->parent.length == length && memcmp(s->parent.path, path, length) == 0) {
		memcpy(name, leaf, strlen(leaf) + 1);
		return s->parent.fd;
	}
	int fd = resolve_parent(s->root, path, create, name, f);
	if (fd < 0)
		return fd;
	parent_forget(s);
	s->parent.fd = fd;
	s->parent.length = is_plain && length < sizeof s->parent.path ? length : SIZE_MAX;
	if (s->parent.length == length)
		memcpy(s->parent.path, path, length);
	return fd;
}

// As parent_of, for operations that make something: the root itself cannot be replaced.
static int parent_to_make(struct fs_session *s, const char *path, char name[256], struct fault *f)
{
	int dir = parent_of(s, path, true, name, f);
	if (dir >= 0 && strcmp(name, ".") == 0)
		return fault_set(f, EISDIR, "open", path, "the root cannot be replaced");
	return dir;
}

static void take_meta(struct reader *args, struct meta *m)
{
	int64_t seconds = 0, nanoseconds = 0;
	wire_int(args, &m->mode);
	wire_int(args, &m->uid);
	wire_int(args, &m->gid);
	wire_int(args, &seconds);
	wire_int(args, &nanoseconds);
	m->times[0] = m->times[1] = (struct timespec){.tv_sec = seconds, .tv_nsec = nanoseconds};
	m->times[0].tv_nsec = UTIME_OMIT; // nobody records access times
}

// An id of (uid_t)-1 means "keep" to chown(2): an archive that says so must not get away with it.
static int check_meta(const struct meta *m, const char *path, struct fault *f)
{
	if (m->uid < 0 || m->uid >= UINT32_MAX || m->gid < 0 || m->gid >= UINT32_MAX)
		return fault_set(f, EINVAL, "chown", path, "owner out of range");
	if (m->times[1].tv_nsec < 0 || m->times[1].tv_nsec > 999999999)
		return fault_set(f, EINVAL, "utimensat", path, "nanoseconds out of range");
	return 0;
}

// Sets owner, mode and time of `name` in `dir`. Through a descriptor of the inode itself, because fchmodat(2) follows
// symlinks; the mode comes after the owner, because chown(2) drops the setuid bits.
static int apply_meta(int dir, const char *name, const struct meta *m, const char *path, struct fault *f)
{
	struct stat st;
	CLEAN_FD int fd = openat(dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return fault_set(f, errno, "open", path, NULL);
	mode_t mode = (mode_t)m->mode & 07777;
	bool is_foreign = st.st_uid != (uid_t)m->uid || st.st_gid != (gid_t)m->gid;
	if (is_foreign && fchownat(fd, "", (uid_t)m->uid, (gid_t)m->gid, AT_EMPTY_PATH) < 0)
		return fault_set(f, errno, "chown", path, NULL);
	if (!S_ISLNK(st.st_mode) && ((st.st_mode & 07777) != mode || (is_foreign && (mode & 06000)))) {
		char self[32];
		snprintf(self, sizeof self, "/proc/self/fd/%d", fd);
		if (chmod(self, mode) < 0)
			return fault_set(f, errno, "chmod", path, NULL);
	}
	if (utimensat(dir, name, m->times, AT_SYMLINK_NOFOLLOW) < 0)
		return fault_set(f, errno, "utimensat", path, NULL);
	return 0;
}

static int op_mkdir(struct fs_session *s, struct reader *args, struct fault *f)
{
	const char *path;
	struct meta m;
	char name[256];
	wire_str(args, &path);
	take_meta(args, &m);
	int dir = check_meta(&m, path, f);
	if (dir == 0)
		dir = parent_of(s, path, true, name, f);
	if (dir < 0)
		return dir;
	int rc = mkdirat(dir, name, (mode_t)m.mode & 07777) < 0 ? -errno : 0;
	if (rc == -EEXIST) {
		struct stat st;
		if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			return fault_set(f, errno, "stat", path, NULL);
		if (!S_ISDIR(st.st_mode)) {
			rc = tree_remove(dir, name, path, f);
			if (rc < 0)
				return rc;
			if (mkdirat(dir, name, (mode_t)m.mode & 07777) < 0)
				return fault_set(f, errno, "mkdir", path, NULL);
		}
	} else if (rc < 0) {
		return fault_set(f, -rc, "mkdir", path, NULL);
	}
	return apply_meta(dir, name, &m, path, f);
}

// Ends the file whose content has arrived. Owner and mode are set where they are not right already: each change is a
// transaction of the file system, which layers of many files feel.
static int file_finish(struct fs_session *s, struct fault *f)
{
	const struct meta *m = &s->file_meta;
	CLEAN_FD int fd = s->file;
	s->file = -1;
	struct stat st;
	if (fstat(fd, &st) < 0)
		return fault_set(f, errno, "stat", s->file_path, NULL);
	mode_t mode = (mode_t)m->mode & 07777;
	bool is_foreign = st.st_uid != (uid_t)m->uid || st.st_gid != (gid_t)m->gid;
	if (is_foreign && fchown(fd, (uid_t)m->uid, (gid_t)m->gid) < 0)
		return fault_set(f, errno, "chown", s->file_path, NULL);
	// chown(2) drops the setuid bits
	if (((st.st_mode & 07777) != mode || (is_foreign && (mode & 06000))) && fchmod(fd, mode) < 0)
		return fault_set(f, errno, "chmod", s->file_path, NULL);
	if (futimens(fd, m->times) < 0)
		return fault_set(f, errno, "utimensat", s->file_path, NULL);
	return 0;
}

static int op_file(struct fs_session *s, struct reader *args, struct fault *f)
{
	const char *path;
	int64_t size;
	char name[256];
	wire_str(args, &path);
	take_meta(args, &s->file_meta);
	wire_int(args, &size);
	int dir = check_meta(&s->file_meta, path, f);
	if (dir == 0 && size < 0)
		dir = fault_set(f, EINVAL, "open", path, "negative size");
	if (dir == 0)
		dir = parent_to_make(s, path, name, f);
	if (dir < 0)
		return dir;
	const int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
	const mode_t mode = (mode_t)s->file_meta.mode & 0777;
	int fd = openat(dir, name, flags, mode);
	if (fd < 0 && errno == EEXIST) {
		int rc = tree_remove(dir, name, path, f);
		if (rc < 0)
			return rc;
		fd = openat(dir, name, flags, mode);
	}
	if (fd < 0)
		return fault_set(f, errno, "open", path, NULL);
	s->file = fd;
	s->missing = (uint64_t)size;
	snprintf(s->file_path, sizeof s->file_path, "%s", path);
	return size == 0 ? file_finish(s, f) : 0;
}

static int op_data(struct fs_session *s, struct reader *args, struct fault *f)
{
	const uint8_t *data;
	size_t size;
	wire_bytes(args, &data, &size);
	if (s->file < 0 || size > s->missing)
		return fault_set(f, EINVAL, "protocol", s->file_path, "more content than the file has");
	s->missing -= size;
	while (size > 0) {
		ssize_t n = write(s->file, data, size);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return fault_set(f, errno, "write", s->file_path, NULL);
		data += n;
		size -= (size_t)n;
	}
	return s->missing == 0 ? file_finish(s, f) : 0;
}

static int op_symlink(struct fs_session *s, struct reader *args, struct fault *f)
{
	const char *path, *target;
	struct meta m;
	char name[256];
	wire_str(args, &path);
	take_meta(args, &m);
	wire_str(args, &target);
	int dir = check_meta(&m, path, f);
	if (dir == 0)
		dir = parent_to_make(s, path, name, f);
	if (dir < 0)
		return dir;
	int rc = symlinkat(target, dir, name) < 0 ? -errno : 0;
	if (rc == -EEXIST) {
		rc = tree_remove(dir, name, path, f);
		if (rc < 0)
			return rc;
		rc = symlinkat(target, dir, name) < 0 ? -errno : 0;
	}
	if (rc < 0)
		return fault_set(f, -rc, "symlink", path, NULL);
	return apply_meta(dir, name, &m, path, f);
}

static int op_link(struct fs_session *s, struct reader *args, struct fault *f)
{
	const char *path, *existing;
	char name[256], old_name[256];
	wire_str(args, &path);
	wire_str(args, &existing);
	CLEAN_FD int old = resolve_parent(s->root, existing, false, old_name, f);
	if (old < 0)
		return old;
	int dir = parent_to_make(s, path, name, f);
	if (dir < 0)
		return dir;
	// Flags 0: a symlink is linked itself, never what it points to.
	if (linkat(old, old_name, dir, name, 0) == 0)
		return 0;
	struct stat from, to;
	if (errno != EEXIST || fstatat(old, old_name, &from, AT_SYMLINK_NOFOLLOW) < 0)
		return fault_set(f, errno, "link", existing, NULL);
	if (fstatat(dir, name, &to, AT_SYMLINK_NOFOLLOW) == 0 && from.st_dev == to.st_dev && from.st_ino == to.st_ino)
		return 0; // it is that link already; removing it first might remove the only one
	int rc = tree_remove(dir, name, path, f);
	if (rc < 0)
		return rc;
	return linkat(old, old_name, dir, name, 0) < 0 ? fault_set(f, errno, "link", path, NULL) : 0;
}

static int make_node(int dir, const char *name, mode_t mode, dev_t device, const char *path, struct fault *f)
{
	if (mknodat(dir, name, mode, device) == 0)
		return 0;
	if (errno != EEXIST)
		return fault_set(f, errno, "mknod", path, NULL);
	int rc = tree_remove(dir, name, path, f);
	if (rc < 0)
		return rc;
	return mknodat(dir, name, mode, device) < 0 ? fault_set(f, errno, "mknod", path, NULL) : 0;
}

static int op_node(struct fs_session *s, struct reader *args, struct fault *f)
{
	const char *path;
	struct meta m;
	int64_t major_number, minor_number;
	char name[256];
	wire_str(args, &path);
	take_meta(args, &m);
	wire_int(args, &major_number);
	wire_int(args, &minor_number);
	mode_t mode = (mode_t)m.mode;
	if (!S_ISCHR(mode) && !S_ISBLK(mode) && !S_ISFIFO(mode))
		return fault_set(f, EINVAL, "mknod", path, "neither a device nor a fifo");
	int dir = check_meta(&m, path, f);
	if (dir == 0)
		dir = parent_to_make(s, path, name, f);
	if (dir < 0)
		return dir;
	dev_t device = makedev((unsigned)major_number, (unsigned)minor_number);
	int rc = make_node(dir, name, mode & (S_IFMT | 07777), device, path, f);
	return rc < 0 ? rc : apply_meta(dir, name, &m, path, f);
}

// lsetxattr(2) on the last component below a parent's descriptor: the magic link leads to the parent itself.
static int set_xattr(int dir, const char *name, const char *key, const void *value, size_t size)
{
	char self[300];
	snprintf(self, sizeof self, "/proc/self/fd/%d/%s", dir, name);
	return lsetxattr(self, key, value, size, 0) < 0 ? -errno : 0;
}

static int op_xattr(struct fs_session *s, struct reader *args, struct fault *f)
{
	const char *path, *key;
	const uint8_t *value;
	size_t size;
	char name[256];
	wire_str(args, &path);
	wire_str(args, &key);
	wire_bytes(args, &value, &size);
	int dir = parent_of(s, path, false, name, f);
	if (dir < 0)
		return dir;
	int rc = set_xattr(dir, name, key, value, size);
	return rc < 0 ? fault_set(f, -rc, "setxattr", path, NULL) : 0;
}

static int op_whiteout(struct fs_session *s, struct reader *args, struct fault *f)
{
	const char *path;
	char name[256];
	wire_str(args, &path);
	int dir = parent_to_make(s, path, name, f);
	return dir < 0 ? dir : make_node(dir, name, S_IFCHR, makedev(0, 0), path, f);
}

static int op_opaque(struct fs_session *s, struct reader *args, struct fault *f)
{
	const char *path, *mark;
	char name[256];
	struct stat st;
	wire_str(args, &path);
	wire_str(args, &mark);
	int dir = parent_of(s, path, true, name, f);
	if (dir < 0)
		return dir;
	// An archive may mark a directory before it describes it.
	if (mkdirat(dir, name, 0755) < 0 && errno != EEXIST)
		return fault_set(f, errno, "mkdir", path, NULL);
	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISDIR(st.st_mode))
		return fault_set(f, ENOTDIR, "setxattr", path, NULL);
	int rc = set_xattr(dir, name, mark, "y", 1);
	return rc < 0 ? fault_set(f, -rc, "setxattr", path, NULL) : 0;
}

static int op_remove(struct fs_session *s, struct reader *args, struct fault *f)
{
	const char *path;
	char name[256];
	wire_str(args, &path);
	CLEAN_FD int dir = resolve_parent(s->root, path, false, name, f);
	if (dir == -ENOENT || dir == -ENOTDIR)
		return 0; // nor can there be anything below it
	if (dir < 0)
		return dir;
	if (strcmp(name, ".") == 0)
		return fault_set(f, EBUSY, "remove", path, "the root cannot be removed");
	parent_forget(s);
	return tree_remove(dir, name, path, f);
}

static int op_meta(struct fs_session *s, struct reader *args, struct fault *f)
{
	const char *path;
	struct meta m;
	char name[256];
	wire_str(args, &path);
	take_meta(args, &m);
	int dir = check_meta(&m, path, f);
	if (dir == 0)
		dir = parent_of(s, path, false, name, f);
	return dir < 0 ? dir : apply_meta(dir, name, &m, path, f);
}

enum { PROGRESS_MS = 200 };

// Tells whoever waits, with a frame [-1, bytes]. One who is gone needs no copy.
static int tell_progress(void *asker, uint64_t bytes)
{
	struct fs_session *s = asker;
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	if ((now.tv_sec - s->told.tv_sec) * 1000 + (now.tv_nsec - s->told.tv_nsec) / 1000000 < PROGRESS_MS)
		return 0;
	s->told = now;
	struct writer w = {0};
	write_begin(&w);
	write_int(&w, -1);
	write_int(&w, (int64_t)bytes);
	int rc = frame_send(s->sock, &w);
	write_free(&w);
	return rc < 0 ? -ECANCELED : 0;
}

static int op_copy(struct fs_session *s, struct reader *args, struct fault *f)
{
	const char *source_root, *source_path, *path;
	struct tree_copy copy = {.root = s->root};
	char source_name[256], name[256];
	wire_str(args, &source_root);
	wire_str(args, &source_path);
	wire_str(args, &path);
	wire_int(args, &copy.uid);
	wire_int(args, &copy.gid);
	wire_int(args, &copy.mode);
	int64_t reports = 0;
	wire_int(args, &reports);
	if (reports && s->sock >= 0) {
		copy.progress = tell_progress;
		copy.asker = s;
	}
	if (copy.uid < -1 || copy.uid >= UINT32_MAX || copy.gid < -1 || copy.gid >= UINT32_MAX)
		return fault_set(f, EINVAL, "chown", path, "owner out of range");
	CLEAN_FD int from = open(source_root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (from < 0)
		return fault_set(f, errno, "open", source_root, NULL);
	CLEAN_FD int source = resolve_parent(from, source_path, false, source_name, f);
	if (source < 0)
		return source;
	CLEAN_FD int dir = resolve_parent(s->root, path, true, name, f);
	if (dir < 0)
		return dir;
	parent_forget(s);
	return tree_copy(&copy, source, source_name, dir, name, path, f);
}

static int op_fill(struct fs_session *s, struct reader *args, struct fault *f)
{
	const char *path, *target, *sub;
	wire_str(args, &path);
	wire_str(args, &target);
	wire_str(args, &sub);
	int rc = tree_fill(s->root, path, target, sub, f);
	if (rc >= 0)
		write_int(s->results, rc);
	s->wrote = rc >= 0;
	return rc < 0 ? rc : 0;
}

static int op_stat(struct fs_session *s, struct reader *args, struct fault *f)
{
	const char *path;
	int64_t follow;
	struct stat st;
	char link[PATH_MAX], name[256];
	ssize_t link_size = 0;
	wire_str(args, &path);
	wire_int(args, &follow);
	CLEAN_FD int fd = -1;
	if (follow) {
		fd = resolve_open(s->root, path, O_PATH, 0, f);
	} else {
		CLEAN_FD int dir = resolve_parent(s->root, path, false, name, f);
		if (dir < 0)
			return dir;
		fd = openat(dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
		if (fd < 0)
			return fault_set(f, errno, "stat", path, NULL);
	}
	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0)
		return fault_set(f, errno, "stat", path, NULL);
	if (S_ISLNK(st.st_mode) && (link_size = readlinkat(fd, "", link, sizeof link)) < 0)
		return fault_set(f, errno, "readlink", path, NULL);
	struct writer *w = s->results;
	write_open(w);
	write_int(w, st.st_mode);
	write_int(w, st.st_uid);
	write_int(w, st.st_gid);
	write_int(w, st.st_size);
	write_int(w, st.st_mtim.tv_sec);
	write_int(w, st.st_mtim.tv_nsec);
	write_int(w, major(st.st_rdev));
	write_int(w, minor(st.st_rdev));
	write_int(w, (int64_t)st.st_nlink);
	write_bytes(w, link, (size_t)link_size);
	write_int(w, (int64_t)st.st_ino);
	write_close(w);
	s->wrote = true;
	return 0;
}

// Opens for reading what `fd` (O_PATH) is known to be: nothing is looked up again, so nothing can be swapped in between.
static int reopen(int fd, int flags)
{
	char self[32];
	snprintf(self, sizeof self, "/proc/self/fd/%d", fd);
	return open(self, flags | O_CLOEXEC);
}

static int op_read(struct fs_session *s, struct reader *args, struct fault *f)
{
	const char *path;
	int64_t most;
	struct stat st;
	wire_str(args, &path);
	wire_int(args, &most);
	CLEAN_FD int found = resolve_open(s->root, path, O_PATH, 0, f);
	if (found < 0)
		return found;
	// Looked at before it is opened: opening a device or fifo that an image brought has side effects.
	if (fstat(found, &st) < 0 || !S_ISREG(st.st_mode))
		return fault_set(f, S_ISDIR(st.st_mode) ? EISDIR : EINVAL, "read", path, "not a regular file");
	CLEAN_FD int fd = reopen(found, O_RDONLY);
	if (fd < 0)
		return fault_set(f, errno, "open", path, NULL);
	size_t limit = most < 0 || most > WIRE_MAX_FRAME ? WIRE_MAX_FRAME : (size_t)most;
	size_t room = (uint64_t)st.st_size < limit ? (size_t)st.st_size : limit;
	CLEAN_FREE uint8_t *data = malloc(room + 1);
	if (!data)
		return fault_set(f, ENOMEM, "read", path, NULL);
	size_t got = 0;
	while (got < room) {
		ssize_t n = read(fd, data + got, room - got);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return fault_set(f, errno, "read", path, NULL);
		if (n == 0)
			break;
		got += (size_t)n;
	}
	write_bytes(s->results, data, got);
	s->wrote = true;
	return 0;
}

static int op_list(struct fs_session *s, struct reader *args, struct fault *f)
{
	const char *path;
	wire_str(args, &path);
	CLEAN_FD int dir = resolve_open(s->root, path, O_RDONLY | O_DIRECTORY, 0, f);
	if (dir < 0)
		return dir;
	struct names names;
	int rc = names_read(dir, &names);
	if (rc < 0)
		return fault_set(f, -rc, "getdents64", path, NULL);
	write_open(s->results);
	for (size_t i = 0; i < names.count; i++)
		write_str(s->results, names.items[i]);
	write_close(s->results);
	names_free(&names);
	s->wrote = true;
	return 0;
}

static int op_user(struct fs_session *s, struct reader *args, struct fault *f)
{
	s->wrote = true;
	return user_lookup(s->root, args, s->results, f);
}

struct operation {
	uint8_t code;
	const char *shape;
	int (*run)(struct fs_session *s, struct reader *args, struct fault *f);
};

static const struct operation operations[] = {
	{OP_FS_MKDIR, "siiiii", op_mkdir},
	{OP_FS_FILE, "siiiiii", op_file},
	{OP_FS_DATA, "b", op_data},
	{OP_FS_SYMLINK, "siiiiis", op_symlink},
	{OP_FS_LINK, "ss", op_link},
	{OP_FS_NODE, "siiiiiii", op_node},
	{OP_FS_XATTR, "ssb", op_xattr},
	{OP_FS_WHITEOUT, "s", op_whiteout},
	{OP_FS_OPAQUE, "ss", op_opaque},
	{OP_FS_REMOVE, "s", op_remove},
	{OP_FS_META, "siiiii", op_meta},
	{OP_FS_COPY, "sssiiii", op_copy},
	{OP_FS_STAT, "si", op_stat},
	{OP_FS_READ, "si", op_read},
	{OP_FS_LIST, "s", op_list},
	[OP_FS_FILL - OP_FS_MKDIR] = {OP_FS_FILL, "sss", op_fill},
	[OP_FS_USER - OP_FS_MKDIR] = {OP_FS_USER, "sl", op_user},
};

static const struct operation *find_operation(struct reader *op)
{
	int64_t code;
	if (!wire_int(op, &code) || code < OP_FS_MKDIR || code >= OP_FS_MKDIR + (int)(sizeof operations / sizeof *operations))
		return NULL;
	const struct operation *o = &operations[code - OP_FS_MKDIR]; // the table is in the order of the opcodes
	return o->run ? o : NULL;
}

static int check_all(struct reader ops, struct fault *f)
{
	for (int index = 0; ops.left > 0; index++) {
		struct reader op, args;
		const struct operation *o = NULL;
		if (wire_list(&ops, &op)) {
			args = op;
			o = find_operation(&args);
		}
		if (o && wire_matches(args, o->shape))
			continue;
		int64_t code = 0;
		wire_int(&op, &code);
		fault_set(f, EINVAL, "protocol", op_name(code), "not a file operation, or wrong arguments");
		f->index = index;
		return -EINVAL;
	}
	return 0;
}

static int run_one(struct fs_session *s, struct reader *op, struct fault *f)
{
	const struct operation *o = find_operation(op);
	if (s->file >= 0 && o->code != OP_FS_DATA)
		return fault_set(f, EINVAL, "protocol", s->file_path, "less content than the file has");
	s->wrote = false;
	int rc = o->run(s, op, f);
	if (rc == 0 && !s->wrote)
		write_int(s->results, 0);
	return rc;
}

int fs_session_run(struct fs_session *s, struct reader *ops, struct writer *results, int sock)
{
	struct fault *f = &s->fault;
	if (s->has_fault)
		return -f->errno_;
	s->results = results;
	s->sock = sock;
	int rc = check_all(*ops, f);
	for (int index = 0; rc == 0 && ops->left > 0; index++) {
		struct reader op;
		wire_list(ops, &op);
		rc = run_one(s, &op, f);
		if (rc < 0)
			f->index = index;
	}
	s->has_fault = rc < 0;
	if (rc < 0) { // an unfinished file cannot be continued
		clean_fd(&s->file);
		s->file = -1;
	}
	return rc;
}

void fs_session_fault(struct fs_session *s, struct fault *f)
{
	*f = s->fault;
	s->has_fault = false;
}

bool fs_is_export(struct reader ops)
{
	struct reader op;
	int64_t code;
	return ops.left == 1 && wire_list(&ops, &op) && wire_int(&op, &code) && code == OP_FS_EXPORT;
}

int fs_session_export(struct fs_session *s, struct reader *ops, int sock)
{
	struct reader op;
	int64_t code;
	const char *path = "";
	char name[256];
	struct fault f;
	wire_list(ops, &op);
	wire_int(&op, &code);
	if (s->has_fault) {
		fs_session_fault(s, &f);
		return frame_fault(sock, &f);
	}
	if (!wire_str(&op, &path) || !wire_done(&op)) {
		fault_set(&f, EINVAL, "protocol", "fsExport", "wrong arguments");
		return frame_fault(sock, &f);
	}
	CLEAN_FD int dir = resolve_parent(s->root, path, false, name, &f);
	if (dir < 0)
		return frame_fault(sock, &f);
	return fs_export(dir, name, path, sock);
}

int fs_session_open(struct fs_session **out, struct reader *request, struct fault *f)
{
	struct fs_session *s = calloc(1, sizeof *s);
	if (!s)
		return fault_set(f, ENOMEM, "malloc", "", NULL);
	signal(SIGPIPE, SIG_IGN); // sendfile(2) has no MSG_NOSIGNAL, and a session starts no other program
	s->file = -1;
	s->parent.fd = -1;
	s->root = fs_root_open(request, &s->target, f);
	int rc = s->root < 0 ? s->root : 0;
	if (rc < 0)
		fs_session_close(s);
	else
		*out = s;
	return rc;
}

void fs_session_close(struct fs_session *s)
{
	if (!s)
		return;
	clean_fd(&s->file);
	clean_fd(&s->parent.fd);
	clean_fd(&s->root);
	// The last reference to the overlay: its upper directory is free for the next mount when this returns.
	if (s->target && umount2(s->target, 0) < 0)
		umount2(s->target, MNT_DETACH);
	free(s->target);
	free(s);
}
