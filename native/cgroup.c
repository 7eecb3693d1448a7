// What cgroup directories need besides reading and writing of their files: the removal of those that a container has made below its own,
// and the device controller of v2, a program that the kernel asks about each access to a device node.
#include "hostops.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

enum { MAX_DEPTH = 64 };

// Deepest first. The names are the container's, but cgroupfs has no links, and everything goes by descriptor.
static void remove_children(int dir, int depth)
{
	DIR *listing = depth < MAX_DEPTH ? fdopendir(dir) : NULL;
	if (!listing) {
		close(dir);
		return;
	}
	for (struct dirent *e; (e = readdir(listing)) != NULL;) {
		if (e->d_type != DT_DIR || strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		int child = openat(dirfd(listing), e->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (child >= 0)
			remove_children(child, depth + 1);
		unlinkat(dirfd(listing), e->d_name, AT_REMOVEDIR); // what is still in use is told by the parent's removal
	}
	closedir(listing);
}

static void remove_below(const char *path)
{
	struct statfs fs;
	int dir = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dir < 0)
		return;
	if (fstatfs(dir, &fs) == 0 && (fs.f_type == CGROUP_SUPER_MAGIC || fs.f_type == CGROUP2_SUPER_MAGIC))
		remove_children(dir, 0);
	else
		close(dir);
}

int cgroup_remove(const char *path, bool with_children, struct fault *f)
{
	long waited_us = 0, pause_us = 500;
	while (rmdir(path) < 0 && errno != ENOENT) {
		// A cgroup stays busy for a moment after its last process was reaped, and while there are others below it.
		if (errno != EBUSY || waited_us > 1000000)
			return fault_set(f, errno, "rmdir", path, NULL);
		if (with_children)
			remove_below(path);
		nanosleep(&(struct timespec){.tv_nsec = pause_us * 1000}, NULL);
		waited_us += pause_us;
		pause_us = pause_us < 16000 ? pause_us * 2 : pause_us;
	}
	return 0;
}

enum { MAX_ATTACHED = 64 }; // the kernel's limit for one cgroup (BPF_CGROUP_MAX_PROGS)

static int bpf(int command, union bpf_attr *attr)
{
	return (int)syscall(SYS_bpf, command, attr, sizeof *attr);
}

// The descriptor stays this file's. `is_first`: the cgroup has no program yet; one that it has cannot be attached again.
static int load(const uint8_t *program, size_t size, bool is_first, struct fault *f)
{
	// Nearly all containers have the same rules: a handler keeps the program that it has loaded last, which spares the verifier.
	static uint8_t *last;
	static size_t last_size;
	static int last_fd = -1;
	if (is_first && last && last_size == size && memcmp(last, program, size) == 0)
		return last_fd;
	// The kernel reads 8-byte instructions; the frame aligns nothing.
	CLEAN_FREE struct bpf_insn *instructions = malloc(size);
	if (!instructions)
		return fault_set(f, ENOMEM, "bpf", "", NULL);
	memcpy(instructions, program, size);
	union bpf_attr attr = {0};
	attr.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
	attr.insns = (uint64_t)(uintptr_t)instructions;
	attr.insn_cnt = (uint32_t)(size / sizeof *instructions);
	attr.license = (uint64_t)(uintptr_t) "Apache-2.0"; // it calls nothing that asks for another one
	int fd = bpf(BPF_PROG_LOAD, &attr);
	if (fd < 0)
		return fault_set(f, errno, "bpf", "", "the device program cannot be loaded");
	clean_fd(&last_fd);
	free(last);
	last = (uint8_t *)instructions;
	last_size = size;
	last_fd = fd;
	instructions = NULL;
	return fd;
}

static unsigned list_attached(int dir, uint32_t ids[MAX_ATTACHED])
{
	union bpf_attr attr = {0};
	attr.query.target_fd = (uint32_t)dir;
	attr.query.attach_type = BPF_CGROUP_DEVICE;
	attr.query.prog_ids = (uint64_t)(uintptr_t)ids;
	attr.query.prog_cnt = MAX_ATTACHED;
	return bpf(BPF_PROG_QUERY, &attr) < 0 ? 0 : attr.query.prog_cnt;
}

static int attach(int command, int dir, int program)
{
	union bpf_attr attr = {0};
	attr.target_fd = (uint32_t)dir;
	attr.attach_bpf_fd = (uint32_t)program;
	attr.attach_type = BPF_CGROUP_DEVICE;
	attr.attach_flags = command == BPF_PROG_ATTACH ? BPF_F_ALLOW_MULTI : 0;
	return bpf(command, &attr) < 0 ? -errno : 0;
}

int device_program_set(const char *path, const uint8_t *program, size_t size, struct fault *f)
{
	uint32_t old[MAX_ATTACHED];
	if (size == 0 || size % sizeof(struct bpf_insn))
		return fault_set(f, EINVAL, "cgroupDevices", path, "not a BPF program");
	CLEAN_FD int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return fault_set(f, errno, "cgroupDevices", path, NULL);
	unsigned count = list_attached(dir, old);
	int fd = load(program, size, count == 0, f);
	if (fd < 0)
		return fd;
	int rc = attach(BPF_PROG_ATTACH, dir, fd);
	if (rc < 0)
		return fault_set(f, -rc, "cgroupDevices", path, "the device program cannot be attached");
	// All attached programs have to agree, so that there is no moment without one; what was there before goes now.
	for (unsigned i = 0; i < count; i++) {
		union bpf_attr attr = {0};
		attr.prog_id = old[i];
		CLEAN_FD int other = bpf(BPF_PROG_GET_FD_BY_ID, &attr);
		rc = other < 0 ? -errno : attach(BPF_PROG_DETACH, dir, other);
		if (rc < 0 && rc != -ENOENT)
			return fault_set(f, -rc, "cgroupDevices", path, "the earlier device program cannot be detached");
	}
	return 0;
}
