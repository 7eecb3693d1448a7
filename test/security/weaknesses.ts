// Weaknesses that several attacks share.
import type { Edit } from "./weaken.ts";

/**
 * Paths in a container's root as runtimes once resolved them: joined to the root and given to the kernel, which follows symlinks and
 * ".." wherever they lead.
 */
export const JOINED_PATHS: readonly Edit[] = [
  [
    "native/resolve.c",
    "fd = syscall(SYS_openat2, root, path, &how, sizeof how);",
    `how.resolve = 0;
		path += strspn(path, "/");
		fd = syscall(SYS_openat2, root, *path ? path : ".", &how, sizeof how);`,
  ],
  [
    "native/resolve.c",
    "	if (target[0] == '/')\n		while (w->depth > 0)\n			walk_pop(w);",
    `	if (target[0] == '/') {
		while (w->depth > 0)
			walk_pop(w);
		w->root = open("/", O_PATH);
	}`,
  ],
];

/** Devices that nobody has allowed: the group keeps what its parent may, which is everything. */
export const WITHOUT_DEVICE_RULES: readonly Edit[] = [
  [
    "src/runtime/cgroup/devices.ts",
    '  if (policy.default === "deny") ops.push(host',
    "  if (policy.lost === null) ops.push(host",
  ],
];

/** The same for a build, which follows symlinks in the tree itself first: it does not. */
export const UNRESOLVED_TREES: readonly Edit[] = [
  ...JOINED_PATHS,
  [
    "src/build/files/resolve.ts",
    "    if (found?.linkTarget !== undefined && !(isLast && options.keepLast)) {",
    "    if (found?.linkTarget !== undefined && isLast === null) {",
  ],
  [
    "src/build/files/resolve.ts",
    "isDirectory: found?.isDirectory ?? false };",
    "isDirectory: found?.isDirectory === true || found?.linkTarget !== undefined };",
  ],
];

/** Descriptors of the host's are left to the container's program. */
export const LEFT_DESCRIPTORS: readonly Edit[] = [
  [
    "native/exec.c",
    "	clean_fd(&c->host_proc);\n	clean_fd(&c->root);\n	c->host_proc = c->root = -1;\n",
    "",
  ],
  ["native/exec.c", "		close_range(3 + c->preserved, ~0U, CLOSE_RANGE_CLOEXEC);", "		;"],
  ["native/container.c", "	close_range(3 + c->preserved, ~0U, CLOSE_RANGE_CLOEXEC);", ""],
  [
    "native/spawn.c",
    'c->host_proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);',
    'c->host_proc = open("/proc", O_PATH | O_DIRECTORY);',
  ],
];

/** keel runs from where it lies, in no overlay and through a mount that may be written to. */
export const WRITABLE_SELF: readonly Edit[] = [
  ["native/self.c", 'fsopen("overlay", FSOPEN_CLOEXEC)', "-1"],
  ["native/self.c", ".attr_set = MOUNT_ATTR_RDONLY", ".attr_set = 0"],
];
