// Becoming the container's user: ids, groups and the five capability sets. The only way back is execve of a set-id program, and with
// noNewPrivs not even that.
#include "container.h"

#include "resolve.h"
#include "user.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

enum { MAX_CAP = 63 };

// Reads a file of the image. Missing is fine; a fifo or a device there must not make us wait (O_NONBLOCK) or do anything.
static int read_text(int root, const char *path, struct text *t, struct fault *f)
{
	struct stat st;
	*t = (struct text){0};
	if (root < 0)
		return fault_set(f, EINVAL, "credentials", path, "must come after a root operation");
	CLEAN_FD int fd = resolve_open(root, path, O_RDONLY | O_NOCTTY | O_NONBLOCK, 0, f);
	if (fd == -ENOENT || fd == -ENOTDIR)
		return 0;
	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return fault_set(f, EINVAL, "credentials", path, "not a regular file");
	if (st.st_size > MAX_USER_FILE)
		return fault_set(f, EFBIG, "credentials", path, "too large");
	if (st.st_size == 0)
		return 0;
	// Read, not mapped: a file that shrinks under a mapping is a SIGBUS.
	char *data = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (data == MAP_FAILED)
		return fault_set(f, ENOMEM, "credentials", path, NULL);
	t->data = data;
	while (t->size < (size_t)st.st_size) {
		ssize_t n = read(fd, data + t->size, (size_t)st.st_size - t->size);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return fault_set(f, errno, "credentials", path, NULL);
		if (n == 0)
			break;
		t->size += (size_t)n;
	}
	return 0;
}

// So that the user may open /dev/stdout and its terminal again. What the host owns (its null device) stays as it is.
static void give_stdio(uid_t uid)
{
	struct stat st;
	for (int fd = 0; fd <= 2; fd++) {
		if (fstat(fd, &st) < 0 || st.st_uid == uid)
			continue;
		if (S_ISFIFO(st.st_mode) || (S_ISCHR(st.st_mode) && major(st.st_rdev) >= 136 && major(st.st_rdev) <= 143))
			if (fchown(fd, uid, (gid_t)-1) < 0)
				return; // ignored: it only makes reopening fail, as it would without us
	}
}

static int get_caps(struct __user_cap_data_struct data[2])
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	return (int)syscall(SYS_capget, &head, data);
}

static int set_caps(uint64_t effective, uint64_t permitted, uint64_t inheritable)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2] = {
		{(uint32_t)effective, (uint32_t)permitted, (uint32_t)inheritable},
		{(uint32_t)(effective >> 32), (uint32_t)(permitted >> 32), (uint32_t)(inheritable >> 32)},
	};
	return (int)syscall(SYS_capset, &head, data);
}

static int drop_bounding(uint64_t keep, struct fault *f)
{
	for (int cap = 0; cap <= MAX_CAP; cap++) {
		if (keep >> cap & 1)
			continue;
		if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) == 0)
			continue;
		if (errno == EINVAL) // beyond the kernel's last capability
			return 0;
		if (prctl(PR_CAPBSET_READ, cap, 0, 0, 0) != 0)
			return fault_set(f, errno, "credentials", "PR_CAPBSET_DROP", NULL);
	}
	return 0;
}

// A nested host may lack capabilities that the plan grants: the container gets what there is, and a warning.
static int limit_to_own(struct container *c, struct cap_masks *caps, struct fault *f)
{
	struct __user_cap_data_struct own[2];
	if (get_caps(own) < 0)
		return fault_set(f, errno, "credentials", "capget", NULL);
	uint64_t have = own[0].permitted | (uint64_t)own[1].permitted << 32;
	if (caps->permitted & ~have)
		container_warn(c, "credentials", "", EPERM, "some capabilities are not available on this host and were left out");
	caps->permitted &= have;
	caps->effective &= caps->permitted;
	caps->inheritable &= have;
	caps->ambient &= caps->permitted & caps->inheritable; // the kernel's rule
	return 0;
}

static int set_ambient(uint64_t mask, struct fault *f)
{
	// Not in every kernel or filter; without a wish it is no failure.
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0 && mask)
		return fault_set(f, errno, "credentials", "PR_CAP_AMBIENT", NULL);
	for (int cap = 0; cap <= MAX_CAP; cap++)
		if ((mask >> cap & 1) && prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap, 0, 0) < 0)
			return fault_set(f, errno, "credentials", "PR_CAP_AMBIENT", NULL);
	return 0;
}

// A user namespace that an ordinary user has made has no setgroups(2); whoever wants no groups but his own gets along without.
static bool needs_no_groups(const struct container *c, const struct user *u)
{
	char word[8] = "";
	CLEAN_FD int fd = openat(c->host_proc, "self/setgroups", O_RDONLY | O_CLOEXEC);
	if (fd < 0 || read(fd, word, sizeof word - 1) < 0 || strncmp(word, "deny", 4) != 0)
		return false;
	for (size_t i = 0; i < u->group_count; i++)
		if (u->groups[i] != u->gid)
			return false;
	return true;
}

// The order matters: groups and the bounding set need capabilities that setresuid takes away; KEEPCAPS leaves the permitted set
// over the change, so that capset can pick from it.
static int become(struct container *c, const struct user *u, struct cap_masks caps, struct fault *f)
{
	int rc = limit_to_own(c, &caps, f);
	if (rc == 0)
		rc = drop_bounding(caps.bounding, f);
	if (rc < 0)
		return rc;
	if (setgroups(u->group_count, u->groups) < 0 && !(errno == EPERM && needs_no_groups(c, u)))
		return fault_set(f, errno, "credentials", "setgroups", NULL);
	if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0)
		return fault_set(f, errno, "credentials", "PR_SET_KEEPCAPS", NULL);
	if (setresgid(u->gid, u->gid, u->gid) < 0)
		return fault_set(f, errno, "credentials", "setresgid", NULL);
	if (setresuid(u->uid, u->uid, u->uid) < 0)
		return fault_set(f, errno, "credentials", "setresuid", NULL);
	if (set_caps(caps.effective, caps.permitted, caps.inheritable) < 0)
		return fault_set(f, errno, "credentials", "capset", NULL);
	prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0);
	return set_ambient(caps.ambient, f);
}

static void release(struct text t)
{
	if (t.data)
		munmap((void *)t.data, t.size);
}

static int resolve(int root, const char *user, struct reader *groups, struct user *u, struct fault *f)
{
	struct text passwd = {0}, group = {0};
	int rc = read_text(root, "/etc/passwd", &passwd, f);
	if (rc == 0)
		rc = read_text(root, "/etc/group", &group, f);
	if (rc == 0)
		rc = user_resolve(user, groups, passwd, group, u, f);
	release(passwd);
	release(group);
	return rc;
}

int user_lookup(int root, struct reader *args, struct writer *result, struct fault *f)
{
	static struct user u;
	struct reader groups = {.bad = true};
	const char *user = "";
	wire_str(args, &user);
	wire_list(args, &groups);
	int rc = resolve(root, user, &groups, &u, f);
	if (rc < 0)
		return rc;
	write_open(result);
	write_int(result, u.uid);
	write_int(result, u.gid);
	write_open(result);
	for (unsigned i = 0; i < u.group_count; i++)
		write_int(result, u.groups[i]);
	write_close(result);
	write_str(result, u.home);
	write_close(result);
	return 0;
}

int credentials_apply(struct container *c, const char *user, struct reader *groups, const struct cap_masks *caps, struct fault *f)
{
	static struct user u; // 4 kB of groups that the stack need not carry
	int rc = resolve(c->root, user, groups, &u, f);
	if (rc < 0)
		return rc;
	give_stdio(u.uid);
	memcpy(c->home, u.home, sizeof c->home);
	return become(c, &u, *caps, f);
}
