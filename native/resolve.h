// Paths inside a root, resolved by descriptor. Everything that comes from an image, an archive or a container is opened
// through these four: symlinks (also absolute ones and "..") stay below `root`, magic links are refused or taken as text,
// and nothing is looked up twice by name. The kernel does it (openat2, RESOLVE_IN_ROOT); a walker of our own
// takes over where openat2 is missing or forbidden, and wherever missing parts have to be made.
#ifndef KEEL_RESOLVE_H
#define KEEL_RESOLVE_H

#include "fault.h"

#include <stdbool.h>
#include <sys/types.h>

// Opens `path` below the directory `root`; flags and mode as for openat(2), O_CLOEXEC is added. fd or -errno.
int resolve_open(int root, const char *path, int flags, mode_t mode, struct fault *f);

// As resolve_open, but a path that leads out of `root` (an absolute symlink, too many "..") fails with EXDEV instead of being
// taken inside. Where openat2 is missing it is taken inside. fd or -errno.
int resolve_beneath(int root, const char *path, int flags, struct fault *f);

// Opens the parent directory of `path` (O_PATH) and puts its last component into `name`, which is not looked up.
// For the root itself `name` is ".". With `create`, missing parents are made, 0755 and owned by the caller.
// A last component of ".." or a trailing "." fails with EINVAL. fd or -errno.
int resolve_parent(int root, const char *path, bool create, char name[256], struct fault *f);

// Makes the directory `path` and its parents where missing, also behind dangling symlinks; the umask applies.
// An O_PATH|O_DIRECTORY descriptor of it, or -errno.
int resolve_mkdirs(int root, const char *path, mode_t mode, struct fault *f);

// As resolve_mkdirs for a path without "..", but a symlink anywhere on it is refused with ELOOP: for what is looked up by its
// name again later, when the symlink could lead elsewhere.
int resolve_mkdirs_plain(int root, const char *path, mode_t mode, struct fault *f);

// Makes an empty regular file (parents 0755) unless something is there already; the umask applies.
// An O_PATH descriptor of what is there, symlinks followed, or -errno.
int resolve_mkfile(int root, const char *path, mode_t mode, struct fault *f);

// Makes resolve_open use the walker only, for tests of the walker.
void resolve_force_walker(bool on);

#endif
