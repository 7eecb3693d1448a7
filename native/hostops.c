// Host operations, see hostops.h. A table gives each operation's argument types and function; the whole list is checked against
// it before the first one runs. Paths are the daemon's own and absolute, so they are used as they are.
#include "hostops.h"

#include "criu.h"
#include "lifetime.h"
#include "netns.h"
#include "ops.h"
#include "procfs.h"
#include "program.h"
#include "quota.h"
#include "tree.h"
#include "userns.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_UNDO = 256 };

struct host {
	int regs[HOST_REGISTERS];
	int procfs; // for the sysctls of namespaces in registers, -1 until the first
	struct reader undo[MAX_UNDO]; // operations to run when something fails
	unsigned undo_count;
	struct writer *results, *warnings;
	bool wrote; // the operation wrote its result itself
};

static int cancel_sock = -1;

void host_cancel_on_hangup(int sock)
{
	cancel_sock = sock;
}

static int op_on_failure(struct host *h, struct reader *args, struct fault *f)
{
	(void)f;
	wire_list(args, &h->undo[h->undo_count++]); // check_all has counted them
	return 0;
}

static int make_directory(const char *path, mode_t mode)
{
	struct stat st;
	if (mkdir(path, mode) == 0)
		return 0;
	int err = errno;
	return err == EEXIST && stat(path, &st) == 0 && S_ISDIR(st.st_mode) ? 0 : -err;
}

enum { MKDIR_TRIES = 100 };

static int op_mkdir(struct host *h, struct reader *args, struct fault *f)
{
	(void)h;
	const char *path;
	int64_t mode, parents;
	wire_str(args, &path);
	wire_int(args, &mode);
	wire_int(args, &parents);
	int rc = make_directory(path, (mode_t)mode & 07777);
	// Somebody else may remove a parent, which is empty, before there is something in it.
	for (int tries = 0; rc == -ENOENT && parents && tries < MKDIR_TRIES; tries++) {
		CLEAN_FREE char *copy = strdup(path);
		if (!copy)
			return fault_set(f, ENOMEM, "mkdir", path, NULL);
		// From the top down; what exists costs one failing mkdir each.
		for (char *slash = copy; (slash = strchr(slash + 1, '/')) != NULL; *slash = '/') {
			*slash = 0;
			rc = make_directory(copy, (mode_t)mode & 07777);
			if (rc < 0 && rc != -ENOENT)
				return fault_set(f, -rc, "mkdir", copy, NULL);
		}
		rc = make_directory(path, (mode_t)mode & 07777);
	}
	return rc < 0 ? fault_set(f, -rc, "mkdir", path, NULL) : 0;
}

static int op_rmdir(struct host *h, struct reader *args, struct fault *f)
{
	(void)h;
	const char *path;
	int64_t with_children;
	wire_str(args, &path);
	wire_int(args, &with_children);
	return cgroup_remove(path, with_children != 0, f);
}

enum { WRITE_OPTIONAL = 1, WRITE_IF_BLANK = 2 };

// Whether the file begins with nothing but white space: for the short values of cgroupfs.
static bool is_blank(int fd)
{
	char text[64];
	ssize_t n = pread(fd, text, sizeof text, 0);
	for (ssize_t i = 0; i < n; i++)
		if (!strchr(" \t\n", text[i]))
			return false;
	return n >= 0;
}

static int write_once(const char *path, const uint8_t *data, size_t size, int flags)
{
	CLEAN_FD int fd = open(path, (flags & WRITE_IF_BLANK ? O_RDWR : O_WRONLY) | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return -errno;
	if ((flags & WRITE_IF_BLANK) && !is_blank(fd))
		return 0;
	ssize_t n = write(fd, data, size);
	if (n < 0)
		return -errno;
	return (size_t)n == size ? 0 : -EIO; // pseudo files take a value whole or not at all
}

// What went wrong is told and no failure.
static int make_warning(struct host *h, const struct fault *f)
{
	char text[sizeof f->op + sizeof f->path + sizeof f->text + 8];
	snprintf(text, sizeof text, "%s %s: %s", f->op, f->path, f->text);
	write_str(h->warnings, text);
	return 0;
}

static int op_write(struct host *h, struct reader *args, struct fault *f)
{
	const char *path;
	const uint8_t *data;
	size_t size;
	int64_t flags;
	wire_str(args, &path);
	wire_bytes(args, &data, &size);
	wire_int(args, &flags);
	int rc = write_once(path, data, size, (int)flags);
	if (rc < 0)
		fault_set(f, -rc, "write", path, NULL);
	return rc < 0 && (flags & WRITE_OPTIONAL) ? make_warning(h, f) : rc;
}

// Writes everything to a new file in the directory of `path` and renames it into place.
static int replace_file(const char *path, const uint8_t *data, size_t size, mode_t mode)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;
	char temporary[PATH_MAX];
	int n = snprintf(temporary, sizeof temporary, "%.*s.%.200s.keel-%d", (int)(name - path), path, name, (int)getpid());
	if (n < 0 || (size_t)n >= sizeof temporary)
		return -ENAMETOOLONG;
	if (unlink(temporary) < 0 && errno != ENOENT) // of a killed predecessor with our pid
		return -errno;
	CLEAN_FD int fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	int rc = 0;
	while (size > 0 && rc == 0) {
		ssize_t written = write(fd, data, size);
		if (written < 0) {
			rc = errno == EINTR ? 0 : -errno;
			continue;
		}
		data += written;
		size -= (size_t)written;
	}
	if (rc == 0 && (fchmod(fd, mode) < 0 || rename(temporary, path) < 0))
		rc = -errno;
	if (rc < 0)
		unlink(temporary);
	return rc;
}

static int op_put(struct host *h, struct reader *args, struct fault *f)
{
	(void)h;
	const char *path;
	const uint8_t *data;
	size_t size;
	int64_t mode;
	wire_str(args, &path);
	wire_bytes(args, &data, &size);
	wire_int(args, &mode);
	int rc = replace_file(path, data, size, (mode_t)mode & 07777);
	return rc < 0 ? fault_set(f, -rc, "put", path, NULL) : 0;
}

static int op_remove(struct host *h, struct reader *args, struct fault *f)
{
	(void)h;
	const char *path;
	wire_str(args, &path);
	CLEAN_FREE char *copy = strdup(path);
	if (!copy)
		return fault_set(f, ENOMEM, "remove", path, NULL);
	for (size_t end = strlen(copy); end > 1 && copy[end - 1] == '/'; end--)
		copy[end - 1] = 0;
	char *slash = strrchr(copy, '/');
	const char *name = slash ? slash + 1 : "";
	if (*name == 0 || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return fault_set(f, EINVAL, "remove", path, "not a path that can be removed");
	if (slash != copy)
		*slash = 0;
	CLEAN_FD int dir = open(slash == copy ? "/" : copy, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0 && errno == ENOENT)
		return 0;
	if (dir < 0)
		return fault_set(f, errno, "open", copy, NULL);
	return tree_remove(dir, name, path, f);
}

static int op_rename(struct host *h, struct reader *args, struct fault *f)
{
	(void)h;
	const char *from, *to;
	wire_str(args, &from);
	wire_str(args, &to);
	return rename(from, to) < 0 ? fault_set(f, errno, "rename", from, NULL) : 0;
}

static int op_syncfs(struct host *h, struct reader *args, struct fault *f)
{
	(void)h;
	const char *path;
	wire_str(args, &path);
	CLEAN_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd < 0 || syncfs(fd) < 0 ? fault_set(f, errno, "syncfs", path, NULL) : 0;
}

static int set_register(struct host *h, int64_t reg, int fd, struct fault *f)
{
	if (fd < 0)
		return fd;
	if (reg < 0 || reg >= HOST_REGISTERS || h->regs[reg] >= 0) {
		close(fd);
		return fault_set(f, EINVAL, "protocol", "", "no such register, or it is in use");
	}
	h->regs[reg] = fd;
	return 0;
}

// The descriptor in a register; -1 stands for the host's namespace.
static int get_register(const struct host *h, int64_t reg, int *fd, struct fault *f)
{
	*fd = -1;
	if (reg == -1)
		return 0;
	if (reg < 0 || reg >= HOST_REGISTERS || h->regs[reg] < 0)
		return fault_set(f, EINVAL, "protocol", "", "an empty register");
	*fd = h->regs[reg];
	return 0;
}

static int op_netns_new(struct host *h, struct reader *args, struct fault *f)
{
	int64_t reg, owner;
	int userns;
	wire_int(args, &reg);
	wire_int(args, &owner);
	int rc = get_register(h, owner, &userns, f);
	if (rc < 0)
		return rc;
	return set_register(h, reg, userns < 0 ? netns_new(f) : userns_new_net(userns, f), f);
}

static int op_userns_new(struct host *h, struct reader *args, struct fault *f)
{
	int64_t reg;
	struct id_maps maps;
	wire_int(args, &reg);
	wire_str(args, &maps.uids);
	wire_str(args, &maps.gids);
	wire_str(args, &maps.uid_tool);
	wire_str(args, &maps.gid_tool);
	return set_register(h, reg, userns_new(&maps, f), f);
}

static int op_netns_open(struct host *h, struct reader *args, struct fault *f)
{
	int64_t reg;
	const char *path;
	wire_int(args, &reg);
	wire_str(args, &path);
	return set_register(h, reg, netns_open(path, f), f);
}

static int op_userns_open(struct host *h, struct reader *args, struct fault *f)
{
	int64_t reg;
	const char *path;
	wire_int(args, &reg);
	wire_str(args, &path);
	return set_register(h, reg, userns_open(path, f), f);
}

static int op_userns_maps(struct host *h, struct reader *args, struct fault *f)
{
	const char *path;
	char uids[USERNS_MAP_SIZE], gids[USERNS_MAP_SIZE];
	wire_str(args, &path);
	int rc = userns_read_maps(path, uids, gids, f);
	if (rc < 0)
		return rc;
	h->wrote = true;
	write_open(h->results);
	write_str(h->results, uids);
	write_str(h->results, gids);
	write_close(h->results);
	return 0;
}

// What belongs at a patch's place: the register's descriptor number, or with a device's name its index in that namespace.
static int patch_value(const struct host *h, int64_t reg, const char *device, struct fault *f)
{
	int fd = -1, rc = get_register(h, reg, &fd, f);
	if (rc == 0 && device[0])
		return netns_device(fd, device, f);
	if (rc == 0 && fd < 0)
		return fault_set(f, EINVAL, "protocol", "", "a patch needs a register");
	return rc < 0 ? rc : fd;
}

// Overwrites the u32 at each [offset, register] or [offset, register, device].
static int apply_patches(const struct host *h, struct reader *patches, uint8_t *messages, size_t size, struct fault *f)
{
	while (patches->left > 0) {
		struct reader patch;
		int64_t offset, reg;
		const char *device = "";
		if (!wire_list(patches, &patch) || !wire_int(&patch, &offset) || !wire_int(&patch, &reg))
			return fault_set(f, EINVAL, "protocol", "", "malformed patch");
		if ((patch.left > 0 && !wire_str(&patch, &device)) || !wire_done(&patch))
			return fault_set(f, EINVAL, "protocol", "", "malformed patch");
		if (offset < 0 || size < sizeof(uint32_t) || (uint64_t)offset > size - sizeof(uint32_t))
			return fault_set(f, EINVAL, "protocol", "", "a patch outside of the messages");
		int value = patch_value(h, reg, device, f);
		if (value < 0)
			return value;
		memcpy(messages + offset, &(uint32_t){(uint32_t)value}, sizeof(uint32_t));
	}
	return 0;
}

static int op_netlink(struct host *h, struct reader *args, struct fault *f)
{
	int64_t protocol, reg;
	const uint8_t *bytes;
	size_t size;
	struct reader patches;
	int ns;
	wire_int(args, &protocol);
	wire_int(args, &reg);
	wire_bytes(args, &bytes, &size);
	wire_list(args, &patches);
	CLEAN_FREE uint8_t *messages = malloc(size + 1);
	if (!messages)
		return fault_set(f, ENOMEM, "netlink", "", NULL);
	memcpy(messages, bytes, size);
	int rc = get_register(h, reg, &ns, f);
	if (rc == 0)
		rc = apply_patches(h, &patches, messages, size, f);
	if (rc < 0)
		return rc;
	h->wrote = true;
	return netlink_exchange((int)protocol, ns, messages, size, h->results, h->warnings, f);
}

static int op_shim(struct host *h, struct reader *args, struct fault *f)
{
	h->wrote = true;
	return shim_start(args, h->regs, h->results, f);
}

static int op_sysctl_host(struct host *h, struct reader *args, struct fault *f)
{
	int64_t reg;
	const char *name, *value;
	int ns;
	wire_int(args, &reg);
	wire_str(args, &name);
	wire_str(args, &value);
	int rc = get_register(h, reg, &ns, f);
	if (rc < 0)
		return rc;
	if (ns >= 0 && h->procfs < 0)
		h->procfs = procfs_private();
	if (ns >= 0 && h->procfs >= 0)
		return netns_sysctl(ns, h->procfs, name, value, f);
	CLEAN_FD int proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	return proc < 0 ? fault_set(f, errno, "open", "/proc", NULL) : netns_sysctl(ns, proc, name, value, f);
}

static int op_datagrams(struct host *h, struct reader *args, struct fault *f)
{
	h->wrote = true;
	return datagrams_send(args, h->results, f);
}

static int op_program(struct host *h, struct reader *args, struct fault *f)
{
	h->wrote = true;
	return program_run(args, h->results, f);
}

static int op_mount_host(struct host *h, struct reader *args, struct fault *f)
{
	(void)h;
	const char *type, *source, *target, *data;
	int64_t flags;
	wire_str(args, &type);
	wire_str(args, &source);
	wire_str(args, &target);
	wire_int(args, &flags);
	wire_str(args, &data);
	if (mount(source[0] ? source : NULL, target, type[0] ? type : NULL, (unsigned long)flags, data[0] ? data : NULL) < 0)
		return fault_set(f, errno, "mount", target, NULL);
	return 0;
}

static int op_owner(struct host *h, struct reader *args, struct fault *f)
{
	const char *path;
	struct stat st;
	wire_str(args, &path);
	if (stat(path, &st) < 0)
		return fault_set(f, errno, "stat", path, NULL);
	h->wrote = true;
	write_open(h->results);
	write_int(h->results, st.st_uid);
	write_int(h->results, st.st_gid);
	write_close(h->results);
	return 0;
}

static int op_socket_peer(struct host *h, struct reader *args, struct fault *f)
{
	int64_t pid = 0, fd = -1;
	struct ucred peer;
	socklen_t size = sizeof peer;
	wire_int(args, &pid);
	wire_int(args, &fd);
	if (pid <= 0 || pid > INT_MAX || fd < 0 || fd > INT_MAX)
		return fault_set(f, EINVAL, "protocol", "socketPeer", "malformed request");
	CLEAN_FD int process = pidfd_open((pid_t)pid, 0);
	CLEAN_FD int sock = process < 0 ? -1 : pidfd_getfd(process, (int)fd, 0);
	if (sock < 0)
		return fault_set(f, errno, "pidfd_getfd", "", NULL);
	if (getsockopt(sock, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
		return fault_set(f, errno, "getsockopt", "SO_PEERCRED", NULL);
	h->wrote = true;
	write_open(h->results);
	write_int(h->results, peer.pid);
	write_int(h->results, peer.uid);
	write_int(h->results, peer.gid);
	write_close(h->results);
	return 0;
}

static int op_project_quota(struct host *h, struct reader *args, struct fault *f)
{
	(void)h;
	const char *path;
	int64_t project = 0, bytes = 0;
	wire_str(args, &path);
	wire_int(args, &project);
	wire_int(args, &bytes);
	return quota_limit(path, project, bytes, f);
}

static int op_unmount_host(struct host *h, struct reader *args, struct fault *f)
{
	(void)h;
	const char *target;
	wire_str(args, &target);
	// EINVAL: nothing is mounted there. A file system that is still busy goes when its last user does.
	if (umount2(target, UMOUNT_NOFOLLOW) == 0 || errno == EINVAL || errno == ENOENT)
		return 0;
	if (errno == EBUSY && umount2(target, UMOUNT_NOFOLLOW | MNT_DETACH) == 0)
		return 0;
	return fault_set(f, errno, "umount", target, NULL);
}

static int op_cgroup_devices(struct host *h, struct reader *args, struct fault *f)
{
	const char *path;
	const uint8_t *program;
	size_t size;
	int64_t optional;
	wire_str(args, &path);
	wire_bytes(args, &program, &size);
	wire_int(args, &optional);
	int rc = device_program_set(path, program, size, f);
	return rc < 0 && optional ? make_warning(h, f) : rc;
}

static int op_launch(struct host *h, struct reader *args, struct fault *f)
{
	h->wrote = true;
	return launch_container(args, h->regs, h->results, f);
}

static int op_launch_exec(struct host *h, struct reader *args, struct fault *f)
{
	h->wrote = true;
	return launch_exec(args, h->results, f);
}

static int op_signal_process(struct host *h, struct reader *args, struct fault *f)
{
	(void)h;
	return signal_process(args, f);
}

static int op_end_process(struct host *h, struct reader *args, struct fault *f)
{
	(void)h;
	return end_process(args, f);
}

static int op_release(struct host *h, struct reader *args, struct fault *f)
{
	(void)h;
	return release(args, f);
}

static int op_criu(struct host *h, struct reader *args, struct fault *f)
{
	h->wrote = true;
	return criu_run(args, h->results, f);
}

static int op_resolve_paths(struct host *h, struct reader *args, struct fault *f)
{
	const char *root;
	struct reader paths;
	wire_str(args, &root);
	wire_list(args, &paths);
	h->wrote = true;
	return resolve_paths(root, &paths, h->results, f);
}

struct operation {
	uint8_t code;
	const char *shape;
	int (*run)(struct host *h, struct reader *args, struct fault *f);
};

static const struct operation operations[] = {
	{OP_ON_FAILURE, "l", op_on_failure},
	{OP_MKDIR, "sii", op_mkdir},
	{OP_RMDIR, "si", op_rmdir},
	{OP_WRITE, "sbi", op_write},
	{OP_PUT, "sbi", op_put},
	{OP_REMOVE, "s", op_remove},
	{OP_RENAME, "ss", op_rename},
	{OP_SYNCFS, "s", op_syncfs},
	{OP_NETNS_NEW, "ii", op_netns_new},
	{OP_NETNS_OPEN, "is", op_netns_open},
	{OP_NETLINK, "iibl", op_netlink},
	{OP_SHIM, "*", op_shim},
	{OP_SYSCTL_HOST, "iss", op_sysctl_host},
	{OP_DATAGRAMS, "sli", op_datagrams},
	{OP_MOUNT_HOST, "sssis", op_mount_host},
	{OP_UNMOUNT_HOST, "s", op_unmount_host},
	{OP_PROJECT_QUOTA, "sii", op_project_quota},
	{OP_OWNER, "s", op_owner},
	{OP_SOCKET_PEER, "ii", op_socket_peer},
	{OP_USERNS_NEW, "issss", op_userns_new},
	{OP_CGROUP_DEVICES, "sbi", op_cgroup_devices},
	{OP_USERNS_OPEN, "is", op_userns_open},
	{OP_USERNS_MAPS, "s", op_userns_maps},
	{OP_PROGRAM, "llbi", op_program},
	{OP_LAUNCH, "*", op_launch},
	{OP_LAUNCH_EXEC, "*", op_launch_exec},
	{OP_SIGNAL_PROCESS, "iii", op_signal_process},
	{OP_END_PROCESS, "iii", op_end_process},
	{OP_RELEASE, "s", op_release},
	{OP_CRIU, "*", op_criu},
	{OP_RESOLVE_PATHS, "sl", op_resolve_paths},
};

// Reads the opcode and finds its operation; the reader is left at the first argument.
static const struct operation *find_operation(struct reader *op)
{
	int64_t code;
	if (!wire_int(op, &code))
		return NULL;
	for (size_t i = 0; i < sizeof operations / sizeof *operations; i++)
		if (operations[i].code == code)
			return &operations[i];
	return NULL;
}

static bool is_well_formed(struct reader op)
{
	const struct operation *o = find_operation(&op);
	if (!o || !wire_matches(op, o->shape))
		return false;
	if (o->code != OP_ON_FAILURE)
		return true;
	struct reader inner;
	wire_list(&op, &inner);
	o = find_operation(&inner);
	return o && o->code != OP_ON_FAILURE && wire_matches(inner, o->shape);
}

static bool is_undo(struct reader op)
{
	int64_t code = 0;
	return wire_int(&op, &code) && code == OP_ON_FAILURE;
}

static int check_all(struct reader ops, struct fault *f)
{
	unsigned undos = 0;
	for (int index = 0; ops.left > 0; index++) {
		struct reader op;
		if (wire_list(&ops, &op) && is_well_formed(op) && (undos += is_undo(op)) <= MAX_UNDO)
			continue;
		int64_t code = 0;
		wire_int(&op, &code);
		const char *why = undos > MAX_UNDO ? "too many operations to undo" : "not a host operation, or wrong arguments";
		int rc = fault_set(f, EINVAL, "protocol", op_name(code), why);
		f->index = index;
		return rc;
	}
	return 0;
}

static int run_one(struct host *h, struct reader op, struct fault *f)
{
	h->wrote = false;
	int rc = find_operation(&op)->run(h, &op, f);
	if (rc == 0 && !h->wrote)
		write_int(h->results, 0);
	return rc;
}

static bool is_cancelled(void)
{
	// The handler's socket only: one poll costs less than a microsecond and lets an abort stop a long list.
	struct pollfd peer = {.fd = cancel_sock, .events = POLLRDHUP};
	return cancel_sock >= 0 && poll(&peer, 1, 0) > 0 && (peer.revents & (POLLRDHUP | POLLHUP | POLLERR));
}

static void host_init(struct host *h, struct writer *results, struct writer *warnings)
{
	for (int i = 0; i < HOST_REGISTERS; i++)
		h->regs[i] = -1;
	h->procfs = -1;
	h->undo_count = 0;
	h->results = results;
	h->warnings = warnings;
}

static void host_close(struct host *h)
{
	for (int i = 0; i < HOST_REGISTERS; i++)
		clean_fd(&h->regs[i]);
	clean_fd(&h->procfs);
}

// Runs what was registered with onFailure, newest first. Their failures are ignored: the first one is the story.
static void host_undo(struct host *h)
{
	while (h->undo_count > 0) {
		struct fault ignored;
		run_one(h, h->undo[--h->undo_count], &ignored);
	}
}

int host_run(struct reader *ops, struct writer *results, struct writer *warnings, struct fault *f)
{
	int rc = check_all(*ops, f);
	if (rc < 0)
		return rc;
	struct host h;
	host_init(&h, results, warnings);
	for (int index = 0; rc == 0 && ops->left > 0; index++) {
		struct reader op;
		wire_list(ops, &op);
		// Not between an operation and the one that says how to undo it.
		rc = !is_undo(op) && is_cancelled() ? fault_set(f, ECANCELED, "cancelled", "", NULL) : run_one(&h, op, f);
		if (rc < 0)
			f->index = index;
	}
	if (rc < 0)
		host_undo(&h);
	host_close(&h);
	return rc;
}

void host_run_all(struct reader *ops)
{
	struct fault ignored;
	struct writer nowhere = {0};
	struct host h;
	host_init(&h, &nowhere, &nowhere);
	while (ops->left > 0) {
		struct reader op;
		if (!wire_list(ops, &op))
			break;
		write_begin(&nowhere);
		if (is_well_formed(op))
			run_one(&h, op, &ignored);
	}
	host_close(&h);
	write_free(&nowhere);
}
