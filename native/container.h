// The container's side of a start: what runs between clone and exec, in the process that becomes the container's (or an
// exec's) first program. It is single-threaded, not dumpable, has the host's file systems in view until `pivot`,
// and says what happens over a SOCK_SEQPACKET channel whose end of file means that exec succeeded.
#ifndef KEEL_CONTAINER_H
#define KEEL_CONTAINER_H

#include "fault.h"
#include "wire.h"

#include <stdbool.h>
#include <sys/types.h>
#include <sys/uio.h>

enum note_kind {
	NOTE_PID = 1, // the process that matters is `pid`, the sender was only a step on the way
	NOTE_WARNING, // fault.text
	NOTE_PTY,     // carries the master of the terminal
	NOTE_BARRIER, // waits for one byte before it goes on
	NOTE_EXEC,    // execve comes next: end of file now means success
	NOTE_FAULT,
	NOTE_LISTENER, // of a seccomp filter: `pid` is its number in the sender; a path and texts follow; waits for an errno
	NOTE_HOOKS,   // waits for one byte while the hooks of the caller's side are run
};

struct note {
	int kind;
	pid_t pid;
	struct fault fault;
};

struct container {
	int chan;
	bool is_exec; // joins a running container: nothing is mounted, the root is there already
	bool is_launched; // without a shim (launch.c): outlives its parent, has nobody to talk to once it waits for `start`
	int start_fifo;   // of `awaitStart`, -1 for none
	unsigned preserved; // descriptors behind stdio that the program inherits
	bool is_tty;
	bool is_relayed; // who shows the terminal adds carriage returns where they are wanted
	unsigned rows, columns;
	int root;      // O_PATH of the container's root, -1 until a root operation or exec's setns
	int host_proc; // O_PATH of a procfs that the container cannot have prepared
	int dev_null;  // O_PATH of the host's /dev/null in this mount namespace, -1 after pivot
	int clocks;    // of the time namespace that is to be made, -1
	int masked;    // an empty read-only tmpfs, made for the first masked directory
	int netns;     // the joined network namespace for `bundle`, -1 for none
	bool is_pivoted, has_seccomp;
	bool has_propagation; // of the host tree in the new mount namespace
	bool is_slave;        // the tree was made a slave by the plan, and the root is to be one
	mode_t mask;   // umask of the program
	uid_t uid;
	char home[256]; // of the user, for HOME; "" until `credentials`
};

// Runs the operations in order. Returns only on failure, with `f` filled in; `exec` does not come back.
int container_run(struct container *c, struct reader *ops, struct fault *f);

// Runs the limits that a list begins with, and takes them off it: raising one needs the rights of who starts the container, which
// are gone in its user namespace. 0, or -errno with `f` filled in.
int container_run_limits(struct container *c, struct reader *ops, struct fault *f);

// Runs operations of which none is `exec`. 0, or -errno with `f` filled in.
int container_run_part(struct container *c, struct reader *ops, struct fault *f);

// Sends a note; `fd` >= 0 goes with it. False when the shim is gone.
bool container_note(const struct container *c, enum note_kind kind, const struct fault *f, int fd);
// The other end: takes a note, with its descriptor (-1: none) and what came behind it. Returns how much that is, -1 when there is none yet
// (only with MSG_DONTWAIT), or NOTE_END when there will be no more.
enum { NOTE_END = -2 };
ssize_t container_take_note(int chan, int flags, struct note *note, int *fd, struct iovec rest);
void container_note_pid(const struct container *c, pid_t pid); // the process that matters is this one
void container_warn(const struct container *c, const char *op, const char *path, int err, const char *text);

// rootmount.c
int root_overlay(struct container *c, const char *layers_dir, const char *lower, const char *upper, const char *work,
                 const char *options, const char *target, struct fault *f);
int root_id_mapped(struct container *c, const char *path, const char *uids, const char *gids, struct fault *f);
int root_bind(struct container *c, const char *source, const char *target, struct fault *f);
int mount_new(struct container *c, const char *type, const char *source, const char *dest, int64_t flags, const char *data,
              struct fault *f);
int mount_stage(struct container *c, const char *type, const char *source, const char *target, int64_t flags, const char *data,
                struct fault *f);
// What `mount_bind` binds and how.
struct bind {
	const char *source; // the host's
	const char *sub;    // below source, resolved in it; "" is source itself
	bool is_recursive;
	uint64_t attr, propagation;
	bool is_attr_recursive;
	uint64_t clear, must_clear; // attributes that its top loses; of them those without which it fails where they may not be taken away
	const char *uids, *gids; // seen with other owners (idmap_set); "" for none
	bool is_idmap_recursive;
};
int mount_bind(struct container *c, const struct bind *bind, const char *dest, struct fault *f);
// Binds what another mount namespace (its file in /proc) has at `source`.
int mount_bind_from(struct container *c, const char *ns, const char *source, const char *dest, int64_t attr, struct fault *f);
int mount_mask(struct container *c, const char *path, struct fault *f);
int mount_readonly(struct container *c, const char *path, struct fault *f);
int root_readonly(struct container *c, struct fault *f);
int root_propagation(struct container *c, int64_t flags, struct fault *f);
int root_pivot(struct container *c, struct fault *f);
int root_here(struct container *c, const char *target, struct fault *f); // with root_chroot: without a mount namespace
int root_chroot(struct container *c, struct fault *f);
int mount_over(int tree, int dest, const char *path, struct fault *f); // move_mount of a detached tree onto a descriptor
// The same, and the mount gets these MOUNT_ATTR_* bits.
int mount_attach(const struct container *c, int tree, int dest, uint64_t attr, bool recursive, const char *path, struct fault *f);

// nodes.c
int make_device(struct container *c, const char *path, const char *type, int64_t major, int64_t minor, int64_t mode, int64_t uid,
                int64_t gid, struct fault *f);
int make_symlink(struct container *c, const char *target, const char *path, struct fault *f);
int make_directory(struct container *c, const char *path, int64_t mode, int64_t uid, int64_t gid, struct fault *f);

// console.c
int console_open(struct container *c, struct fault *f);
void console_clear_returns(int master);

// mountopts.c: what is mounted at `path` already
int mount_attributes(struct container *c, const char *path, int64_t set, int64_t clear, bool recursive, struct fault *f);
int mount_propagation(struct container *c, const char *path, int64_t flags, struct fault *f);
int mount_remount(struct container *c, const char *path, int64_t flags, const char *data, struct fault *f);
// A tmpfs that begins with what is in the directory it covers.
int mount_copy_up(struct container *c, const char *source, const char *dest, int64_t flags, const char *data, struct fault *f);
int root_move(struct container *c, struct fault *f); // instead of root_pivot

// attributes.c
enum { NOT_MINE = 1 };
int attributes_run(int64_t code, struct reader *op, struct fault *f);          // NOT_MINE for other operations
int attributes_open_clocks(struct container *c, struct fault *f); // before a user namespace is entered, whose root may not
int attributes_early(struct container *c, struct reader ops, struct fault *f); // those for the way into the container

// listener.c
int listener_announce(const struct container *c, int listener, const char *path, struct reader *parts, struct fault *f);

// credentials.c
struct cap_masks {
	uint64_t bounding, effective, permitted, inheritable, ambient;
};
int credentials_apply(struct container *c, const char *user, struct reader *groups, const struct cap_masks *caps, struct fault *f);

// external.c: an OCI runtime makes the process. start and exec come back only on failure.
int bundle_open(struct container *c, const char *dir, const char *netns, struct fault *f);
int runtime_create(struct container *c, const char *op, struct reader *argv, struct reader *env, struct fault *f);
int runtime_start(struct container *c, struct reader *argv, struct reader *env, struct fault *f);
int runtime_exec(struct container *c, struct reader *argv, struct reader *env, struct fault *f);

// exec.c
int exec_find(const char *name, const char *search, struct fault *f); // whether there is such a program
int exec_run(struct container *c, struct reader *argv, struct reader *env, struct fault *f);

#endif
