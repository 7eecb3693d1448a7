// Names in a directory and the removal of trees, see tree.h. The removal holds a bounded number of descriptors however
// deep the tree is: levels far up are closed and found again through "..", which must lead to the very same directory.
#include "tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

enum { DIRENTS_BYTES = 32 << 10, KEPT_LEVELS = 32, MAX_RESCANS = 8 };

struct dirent64_raw {
	uint64_t d_ino;
	int64_t d_off;
	uint16_t d_reclen;
	uint8_t d_type;
	char d_name[];
};

static bool is_dot(const char *name)
{
	return name[0] == '.' && (name[1] == 0 || (name[1] == '.' && name[2] == 0));
}

static int by_bytes(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

void names_free(struct names *names)
{
	free(names->items);
	free(names->block);
	memset(names, 0, sizeof *names);
}

// Appends the names of one getdents64 buffer to the block, each with its NUL.
static int names_append(struct names *names, const char *raw, size_t got, size_t *used, size_t *capacity)
{
	for (size_t at = 0; at < got;) {
		const struct dirent64_raw *d = (const void *)(raw + at);
		at += d->d_reclen;
		if (is_dot(d->d_name))
			continue;
		size_t size = strlen(d->d_name) + 1;
		if (*used + size > *capacity) {
			size_t wanted = *capacity ? *capacity * 2 : 4096;
			char *block = realloc(names->block, wanted);
			if (!block)
				return -ENOMEM;
			names->block = block;
			*capacity = wanted;
		}
		memcpy(names->block + *used, d->d_name, size);
		*used += size;
		names->count++;
	}
	return 0;
}

int names_read(int dir, struct names *names)
{
	memset(names, 0, sizeof *names);
	CLEAN_FREE char *raw = malloc(DIRENTS_BYTES);
	size_t used = 0, capacity = 0;
	int rc = raw ? 0 : -ENOMEM;
	while (rc == 0) {
		long got = syscall(SYS_getdents64, dir, raw, DIRENTS_BYTES);
		if (got == 0)
			break;
		rc = got < 0 ? -errno : names_append(names, raw, (size_t)got, &used, &capacity);
	}
	names->items = rc == 0 ? malloc((names->count + 1) * sizeof *names->items) : NULL;
	if (!names->items) {
		names_free(names);
		return rc < 0 ? rc : -ENOMEM;
	}
	char *next = names->block;
	for (size_t i = 0; i < names->count; i++) {
		names->items[i] = next;
		next += strlen(next) + 1;
	}
	if (names->count > 1)
		qsort(names->items, names->count, sizeof *names->items, by_bytes);
	return 0;
}

// One directory on the way down.
struct level {
	char *name;    // in its parent
	int fd;        // -1 while parked
	char *buffer;  // of getdents64, NULL while parked
	size_t at, got;
	unsigned rescans;
	dev_t dev;     // identity, known when parked
	ino_t ino;
};

struct removal {
	int top; // the directory that holds what is removed
	struct level *levels;
	size_t depth, capacity;
	const char *label;
	struct fault *f;
};

static int removal_fail(const struct removal *r, int err, const char *op, const char *leaf, const char *text)
{
	char path[PATH_MAX];
	size_t used = (size_t)snprintf(path, sizeof path, "%s", r->label);
	for (size_t i = 1; i < r->depth && used < sizeof path; i++)
		used += (size_t)snprintf(path + used, sizeof path - used, "/%s", r->levels[i].name);
	if (leaf && r->depth > 0 && used < sizeof path)
		snprintf(path + used, sizeof path - used, "/%s", leaf);
	return fault_set(r->f, err, op, path, text);
}

// Opens a directory without leaving the mount it is in; -EXDEV at a mount point, bind mounts of the same device included.
static int open_below(int dir, const char *name)
{
	static bool missing;
	if (!missing) {
		struct open_how how = {
			.flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK,
			.resolve = RESOLVE_NO_XDEV | RESOLVE_NO_SYMLINKS,
		};
		long fd = syscall(SYS_openat2, dir, name, &how, sizeof how);
		if (fd >= 0)
			return (int)fd;
		if (errno != ENOSYS && errno != EPERM)
			return -errno;
		missing = errno == ENOSYS;
	}
	int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	struct statx here, there;
	if (fd < 0)
		return -errno;
	if (statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &here) == 0 &&
	    statx(dir, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &there) == 0 &&
	    !(here.stx_attributes & STATX_ATTR_MOUNT_ROOT) && here.stx_dev_major == there.stx_dev_major &&
	    here.stx_dev_minor == there.stx_dev_minor)
		return fd;
	close(fd);
	return -EXDEV;
}

// Gives a directory its owner's permissions back: without CAP_DAC_OVERRIDE a 0-permission one could not be emptied.
static bool make_accessible(int dir, const char *name)
{
	CLEAN_FD int fd = openat(dir, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	char self[32];
	snprintf(self, sizeof self, "/proc/self/fd/%d", fd);
	return fd >= 0 && chmod(self, 0700) == 0;
}

static int unlink_leaf(int dir, const char *name, int flags)
{
	if (unlinkat(dir, name, flags) == 0)
		return 0;
	if (errno == EACCES && make_accessible(dir, ".") && unlinkat(dir, name, flags) == 0)
		return 0;
	return -errno;
}

static void level_park(struct level *level)
{
	struct stat st;
	if (level->fd < 0 || fstat(level->fd, &st) < 0)
		return;
	level->dev = st.st_dev;
	level->ino = st.st_ino;
	close(level->fd);
	level->fd = -1;
	free(level->buffer);
	level->buffer = NULL;
}

static struct level *removal_top(const struct removal *r)
{
	return &r->levels[r->depth - 1];
}

static int removal_dir(const struct removal *r)
{
	return r->depth > 0 ? removal_top(r)->fd : r->top;
}

// Goes down into the directory `name` of the current level.
static int removal_push(struct removal *r, const char *name)
{
	int dir = removal_dir(r);
	int fd = open_below(dir, name);
	if (fd == -EACCES && make_accessible(dir, name))
		fd = open_below(dir, name);
	if (fd == -ENOENT)
		return 0;
	if (fd == -EXDEV)
		return removal_fail(r, EBUSY, "remove", name, "is a mount point");
	if (fd < 0)
		return removal_fail(r, -fd, "openat2", name, NULL);
	if (r->depth == r->capacity) {
		size_t capacity = r->capacity ? r->capacity * 2 : 16;
		struct level *levels = realloc(r->levels, capacity * sizeof *levels);
		if (!levels) {
			close(fd);
			return removal_fail(r, ENOMEM, "remove", name, NULL);
		}
		r->levels = levels;
		r->capacity = capacity;
	}
	struct level level = {.name = strdup(name), .fd = fd, .buffer = malloc(DIRENTS_BYTES)};
	if (!level.name || !level.buffer) {
		free(level.name);
		free(level.buffer);
		close(fd);
		return removal_fail(r, ENOMEM, "remove", name, NULL);
	}
	if (r->depth >= KEPT_LEVELS)
		level_park(&r->levels[r->depth - KEPT_LEVELS]);
	r->levels[r->depth++] = level;
	return 0;
}

static void level_free(struct level *level)
{
	clean_fd(&level->fd);
	free(level->buffer);
	free(level->name);
}

// Finds a parked level again from its child, which is still open.
static int removal_unpark(struct removal *r, struct level *level, int child)
{
	struct stat st;
	level->fd = openat(child, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	level->buffer = malloc(DIRENTS_BYTES);
	level->at = level->got = 0; // its listing starts again: what was removed does not come back
	if (level->fd < 0 || !level->buffer || fstat(level->fd, &st) < 0)
		return removal_fail(r, errno, "openat", "..", NULL);
	if (st.st_dev != level->dev || st.st_ino != level->ino)
		return removal_fail(r, EAGAIN, "remove", "..", "the tree was moved while it was being removed");
	return 0;
}

// Leaves the current level, which is empty, and removes it.
static int removal_pop(struct removal *r)
{
	struct level *child = removal_top(r);
	int rc = 0;
	if (r->depth >= 2 && r->levels[r->depth - 2].fd < 0)
		rc = removal_unpark(r, &r->levels[r->depth - 2], child->fd);
	int dir = r->depth >= 2 ? r->levels[r->depth - 2].fd : r->top;
	if (rc == 0)
		rc = unlink_leaf(dir, child->name, AT_REMOVEDIR);
	if (rc == -ENOTEMPTY && child->rescans++ < MAX_RESCANS) {
		// Somebody adds files, or the file system skipped some while we deleted: look again.
		lseek(child->fd, 0, SEEK_SET);
		child->at = child->got = 0;
		return 0;
	}
	if (rc < 0 && rc != -ENOENT) {
		if (r->f->errno_ == 0)
			removal_fail(r, -rc, "rmdir", NULL, NULL);
		return rc;
	}
	level_free(child);
	r->depth--;
	return 0;
}

// Removes or enters one entry of the current level.
static int removal_entry(struct removal *r, const char *name, uint8_t type)
{
	if (type != DT_DIR) {
		int rc = unlink_leaf(removal_dir(r), name, 0);
		if (rc == 0 || rc == -ENOENT)
			return 0;
		if (rc != -EISDIR) // the file system does not tell types
			return removal_fail(r, -rc, "unlink", name, NULL);
	}
	return removal_push(r, name);
}

// Takes the next entry of the current level, or leaves the level.
static int removal_step(struct removal *r)
{
	struct level *level = removal_top(r);
	if (level->at == level->got) {
		long got = syscall(SYS_getdents64, level->fd, level->buffer, DIRENTS_BYTES);
		if (got < 0)
			return removal_fail(r, errno, "getdents64", NULL, NULL);
		if (got == 0)
			return removal_pop(r);
		level->at = 0;
		level->got = (size_t)got;
	}
	const struct dirent64_raw *d = (const void *)(level->buffer + level->at);
	level->at += d->d_reclen;
	return is_dot(d->d_name) ? 0 : removal_entry(r, d->d_name, d->d_type);
}

int tree_remove(int dir, const char *name, const char *label, struct fault *f)
{
	struct fault mine = {0};
	struct removal r = {.top = dir, .label = label, .f = &mine};
	int rc = removal_entry(&r, name, DT_UNKNOWN);
	while (rc == 0 && r.depth > 0)
		rc = removal_step(&r);
	while (r.depth > 0)
		level_free(&r.levels[--r.depth]);
	free(r.levels);
	if (rc < 0)
		*f = mine;
	return rc;
}
