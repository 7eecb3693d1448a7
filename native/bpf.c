// The device controller of cgroup v2: a program that the kernel asks about each access to a device node. It is made by TypeScript;
// here it is only loaded and attached.
#include "hostops.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { MAX_ATTACHED = 64 }; // the kernel's limit for one cgroup (BPF_CGROUP_MAX_PROGS)

static int bpf(int command, union bpf_attr *attr)
{
	return (int)syscall(SYS_bpf, command, attr, sizeof *attr);
}

static int load(const uint8_t *program, size_t size, struct fault *f)
{
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
	return fd < 0 ? fault_set(f, errno, "bpf", "", "the device program cannot be loaded") : fd;
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
	CLEAN_FD int fd = load(program, size, f);
	if (fd < 0)
		return fd;
	unsigned count = list_attached(dir, old);
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
