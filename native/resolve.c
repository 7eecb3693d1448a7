// Paths inside a root, see resolve.h. The walker keeps one descriptor per directory on the way, so that ".." pops a
// descriptor it has opened itself: a directory that is moved out of the root meanwhile cannot lead it outside.
#include "resolve.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { MAX_LINKS = 40, MAX_WALK_DEPTH = 256, MAX_RETRIES = 64 };

enum leaf { LEAF_OPEN, LEAF_DIR, LEAF_FILE };

struct walk {
	int root;
	int stack[MAX_WALK_DEPTH];
	int depth;
	int links;
	enum leaf leaf;
	bool make;      // make missing directories on the way
	int flags;      // of the final open
	mode_t mode;    // of what is made at the end
	char rest[2 * PATH_MAX];
};

static bool walker_only;

void resolve_force_walker(bool on)
{
	walker_only = on;
}

static int walk_top(const struct walk *w)
{
	return w->depth > 0 ? w->stack[w->depth - 1] : w->root;
}

static void walk_pop(struct walk *w)
{
	if (w->depth > 0)
		close(w->stack[--w->depth]);
}

// Cuts the next component off `rest`. *last: nothing but slashes follows; *slash: at least one slash follows.
static bool walk_next(struct walk *w, char name[NAME_MAX + 1], bool *last, bool *slash, int *err)
{
	char *from = w->rest + strspn(w->rest, "/");
	size_t length = strcspn(from, "/");
	if (length == 0)
		return false;
	if (length > NAME_MAX) {
		*err = ENAMETOOLONG;
		return false;
	}
	memcpy(name, from, length);
	name[length] = 0;
	char *after = from + length;
	*slash = *after == '/';
	*last = after[strspn(after, "/")] == 0;
	memmove(w->rest, after, strlen(after) + 1);
	return true;
}

// Puts the target of the symlink `fd` in front of what remains.
static int walk_expand(struct walk *w, int fd, bool slash)
{
	char target[PATH_MAX];
	ssize_t n = readlinkat(fd, "", target, sizeof target - 1);
	if (n < 0)
		return -errno;
	if (n == 0)
		return -ENOENT;
	if (++w->links > MAX_LINKS)
		return -ELOOP;
	target[n] = 0;
	size_t rest = strlen(w->rest);
	if ((size_t)n + 1 + rest >= sizeof w->rest)
		return -ENAMETOOLONG;
	memmove(w->rest + n + (slash ? 1 : 0), w->rest, rest + 1);
	memcpy(w->rest, target, (size_t)n);
	if (slash)
		w->rest[n] = '/';
	if (target[0] == '/')
		while (w->depth > 0)
			walk_pop(w);
	return 0;
}

static int open_quiet(int dir, const char *name, int flags, mode_t mode)
{
	int fd = openat(dir, name, flags | O_CLOEXEC, mode);
	return fd < 0 ? -errno : fd;
}

// Takes one directory step; the last one too when a directory is wanted.
static int walk_directory(struct walk *w, const char *name, mode_t mode, bool slash)
{
	int dir = walk_top(w);
	int fd = open_quiet(dir, name, O_PATH | O_NOFOLLOW, 0);
	if (fd == -ENOENT && w->make) {
		// EEXIST: somebody was faster, what is there now decides.
		if (mkdirat(dir, name, mode) < 0 && errno != EEXIST)
			return -errno;
		fd = open_quiet(dir, name, O_PATH | O_NOFOLLOW, 0);
	}
	if (fd < 0)
		return fd;
	struct stat st;
	int rc = 0;
	if (fstat(fd, &st) < 0)
		rc = -errno;
	else if (S_ISLNK(st.st_mode))
		rc = walk_expand(w, fd, slash);
	else if (!S_ISDIR(st.st_mode))
		rc = -ENOTDIR;
	else if (w->depth == MAX_WALK_DEPTH)
		rc = -ENAMETOOLONG;
	else {
		w->stack[w->depth++] = fd;
		return 0;
	}
	close(fd);
	return rc;
}

// Opens or makes the last component: its descriptor, or -EAGAIN when it was a symlink that is now in `rest`.
static int walk_leaf(struct walk *w, const char *name)
{
	int dir = walk_top(w);
	if (w->leaf == LEAF_FILE) {
		int made = open_quiet(dir, name, O_CREAT | O_EXCL | O_NOFOLLOW | O_WRONLY, w->mode);
		if (made < 0 && made != -EEXIST)
			return made;
		if (made >= 0)
			close(made);
	}
	CLEAN_FD int link = open_quiet(dir, name, O_PATH | O_NOFOLLOW, 0);
	struct stat st;
	if (link >= 0 && fstat(link, &st) < 0)
		return -errno;
	if (link >= 0 && S_ISLNK(st.st_mode) && !(w->flags & O_NOFOLLOW) &&
	    (w->flags & (O_CREAT | O_EXCL)) != (O_CREAT | O_EXCL)) {
		int rc = walk_expand(w, link, false);
		return rc < 0 ? rc : -EAGAIN;
	}
	if (link < 0 && !(link == -ENOENT && (w->flags & O_CREAT)))
		return link;
	if (w->leaf == LEAF_FILE) { // what was looked at is what is returned
		int fd = link;
		link = -1;
		return fd;
	}
	int fd = open_quiet(dir, name, w->flags | O_NOFOLLOW, w->mode);
	// It became a symlink between the two looks: give up rather than follow or loop.
	return fd == -ELOOP && !(w->flags & O_NOFOLLOW) ? -EACCES : fd;
}

static int walk_steps(struct walk *w)
{
	char name[NAME_MAX + 1];
	bool last, slash;
	int err = 0;
	while (walk_next(w, name, &last, &slash, &err)) {
		int rc = 0;
		if (strcmp(name, ".") == 0)
			continue;
		if (strcmp(name, "..") == 0) {
			walk_pop(w); // ".." of the root is the root
			continue;
		}
		if (!last || slash || w->leaf == LEAF_DIR) {
			rc = walk_directory(w, name, last ? w->mode : 0755, slash);
		} else {
			rc = walk_leaf(w, name);
			if (rc >= 0)
				return rc;
			if (rc == -EAGAIN)
				rc = 0;
		}
		if (rc < 0)
			return rc;
	}
	if (err)
		return -err;
	if (w->flags & O_CREAT)
		return -EISDIR;
	return open_quiet(walk_top(w), ".", w->flags & ~O_NOFOLLOW, 0);
}

static int walk(int root, const char *path, struct walk *w)
{
	size_t length = strlen(path);
	if (length >= PATH_MAX)
		return -ENAMETOOLONG;
	memcpy(w->rest, path, length + 1);
	w->root = root;
	w->depth = 0;
	w->links = 0;
	int fd = walk_steps(w);
	while (w->depth > 0)
		walk_pop(w);
	return fd;
}

static bool makes_file(int flags)
{
	return (flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE;
}

static int kernel_open(int root, const char *path, int flags, mode_t mode, unsigned scope)
{
	struct open_how how = {
		.flags = (unsigned)flags | O_CLOEXEC,
		.mode = makes_file(flags) ? mode & 07777 : 0, // openat2 refuses a mode that would not be used
		.resolve = scope | RESOLVE_NO_MAGICLINKS,
	};
	long fd = -1;
	// EAGAIN: somewhere on the system a rename or mount raced with "..", the kernel wants us to try again.
	for (int i = 0; i < MAX_RETRIES; i++) {
		fd = syscall(SYS_openat2, root, path, &how, sizeof how);
		if (fd >= 0 || (errno != EAGAIN && errno != EINTR))
			break;
	}
	return fd < 0 ? -errno : (int)fd;
}

static int open_in_root(int root, const char *path, int flags, mode_t mode)
{
	static bool missing; // openat2 does not appear while we run
	if (*path == 0)
		path = ".";
	if (!missing && !walker_only) {
		int fd = kernel_open(root, path, flags, mode, RESOLVE_IN_ROOT);
		if (fd == -ENOSYS)
			missing = true;
		else if (fd != -EAGAIN && fd != -EPERM) // EPERM may be a seccomp filter's answer, or a true one
			return fd;
	}
	struct walk w;
	w.leaf = LEAF_OPEN;
	w.make = false;
	w.flags = flags;
	w.mode = mode;
	return walk(root, path, &w);
}

int resolve_open(int root, const char *path, int flags, mode_t mode, struct fault *f)
{
	int fd = open_in_root(root, path, flags, mode);
	return fd < 0 ? fault_set(f, -fd, "openat2", path, NULL) : fd;
}

int resolve_beneath(int root, const char *path, int flags, struct fault *f)
{
	int fd = walker_only ? -ENOSYS : kernel_open(root, *path ? path : ".", flags, 0, RESOLVE_BENEATH);
	if (fd == -ENOSYS)
		fd = open_in_root(root, path, flags, 0);
	const char *text = fd == -EXDEV ? "leads out of the directory" : NULL;
	return fd < 0 ? fault_set(f, -fd, "openat2", path, text) : fd;
}

int resolve_mkdirs(int root, const char *path, mode_t mode, struct fault *f)
{
	int fd = open_in_root(root, path, O_PATH | O_DIRECTORY, 0);
	if (fd == -ENOENT) {
		struct walk w;
		w.leaf = LEAF_DIR;
		w.make = true;
		w.flags = O_PATH | O_DIRECTORY;
		w.mode = mode;
		fd = walk(root, path, &w);
	}
	return fd < 0 ? fault_set(f, -fd, "mkdirat", path, NULL) : fd;
}

// One component of a path without symlinks: opened, and made where it is missing.
static int plain_step(int dir, const char *name, mode_t mode)
{
	if (strcmp(name, "..") == 0)
		return -EINVAL;
	if (mkdirat(dir, name, mode) < 0 && errno != EEXIST)
		return -errno;
	int fd = open_quiet(dir, name, O_PATH | O_NOFOLLOW, 0);
	struct stat st;
	if (fd < 0)
		return fd;
	int rc = fstat(fd, &st) < 0 ? -errno : S_ISLNK(st.st_mode) ? -ELOOP : S_ISDIR(st.st_mode) ? fd : -ENOTDIR;
	if (rc < 0)
		close(fd);
	return rc;
}

int resolve_mkdirs_plain(int root, const char *path, mode_t mode, struct fault *f)
{
	char name[NAME_MAX + 1];
	int at = open_quiet(root, ".", O_PATH | O_DIRECTORY, 0);
	while (at >= 0 && *(path += strspn(path, "/"))) {
		size_t length = strcspn(path, "/");
		int dir = at;
		if (length > NAME_MAX) {
			at = -ENAMETOOLONG;
		} else {
			memcpy(name, path, length);
			name[length] = 0;
			at = plain_step(dir, name, mode);
		}
		close(dir);
		path += length;
	}
	return at < 0 ? fault_set(f, -at, "mkdirat", path, NULL) : at;
}

int resolve_mkfile(int root, const char *path, mode_t mode, struct fault *f)
{
	int fd = open_in_root(root, path, O_PATH, 0);
	if (fd == -ENOENT) {
		struct walk w;
		w.leaf = LEAF_FILE;
		w.make = true;
		w.flags = O_PATH;
		w.mode = mode;
		fd = walk(root, path, &w);
	}
	return fd < 0 ? fault_set(f, -fd, "mkfile", path, NULL) : fd;
}

int resolve_parent(int root, const char *path, bool create, char name[256], struct fault *f)
{
	size_t end = strlen(path);
	while (end > 0 && path[end - 1] == '/')
		end--;
	size_t start = end;
	while (start > 0 && path[start - 1] != '/')
		start--;
	size_t length = end - start;
	if (length > NAME_MAX || start >= PATH_MAX)
		return fault_set(f, ENAMETOOLONG, "openat2", path, NULL);
	memcpy(name, path + start, length);
	name[length] = 0;
	char parent[PATH_MAX];
	memcpy(parent, path, start);
	parent[start] = 0;
	if (length == 0 || strcmp(name, ".") == 0) {
		if (parent[strspn(parent, "/.")] != 0 || strstr(parent, "..") != NULL)
			return fault_set(f, EINVAL, "openat2", path, "path ends in \".\"");
		memcpy(name, ".", 2);
		return resolve_open(root, ".", O_PATH | O_DIRECTORY, 0, f);
	}
	if (strcmp(name, "..") == 0)
		return fault_set(f, EINVAL, "openat2", path, "path ends in \"..\"");
	if (create)
		return resolve_mkdirs(root, parent, 0755, f);
	return resolve_open(root, parent, O_PATH | O_DIRECTORY, 0, f);
}
