// The vocabulary between TypeScript and keel: every kernel operation that a plan may contain, with its
// opcode and a typed builder. `make build` writes native/ops.h from OPCODES, so the two cannot differ.
// Nothing here performs anything; keel.ts transports operations, native/ executes them.
// The wire form and the meaning of every operation: native/PROTOCOL.md.

import { OVERLAY } from "./overlay.ts";

/** What a wire message is made of: integers (64 bit), byte strings and lists. Strings are sent as UTF-8. */
export type Value = number | bigint | string | Uint8Array | readonly Value[];

/** One kernel operation: its opcode followed by its arguments. */
export type Op = readonly [opcode: number, ...args: Value[]];

/** A file-descriptor register of one request: `netnsNew(0)` fills it, later operations refer to it. */
export type Register = number;

/** A place of a netlink message that keel fills in, see host.netlink. */
export type NetlinkPatch = [offset: number, reg: Register] | [offset: number, reg: Register, device: string];

/** Register number that means "the host's own namespace". */
export const HOST_NS: Register = -1;

export const OPCODES = {
  // Host operations: run by an agent handler in the host's namespaces, on trusted absolute paths.
  onFailure: 1,
  mkdir: 2,
  rmdir: 3,
  write: 4,
  put: 5,
  remove: 6,
  rename: 7,
  syncfs: 8,
  netnsNew: 9,
  netnsOpen: 10,
  netlink: 11,
  shim: 12,
  sysctlHost: 13,
  datagrams: 14,
  mountHost: 15,
  unmountHost: 16,
  owner: 31,
  socketPeer: 32,
  projectQuota: 30,
  usernsNew: 145,
  cgroupDevices: 17,
  usernsOpen: 147,
  usernsMaps: 33,
  program: 41,
  launch: 23,
  launchExec: 24,
  signalProcess: 25,
  endProcess: 26,
  release: 27,
  criu: 28,
  resolvePaths: 29,
  // Container operations: run by the container's first process between clone and exec.
  rootOverlay: 64,
  rootBind: 65,
  mount: 66,
  bind: 67,
  device: 68,
  symlink: 69,
  mkdirIn: 70,
  mask: 71,
  readonly: 72,
  console: 73,
  pivot: 74,
  rootReadonly: 75,
  rootPropagation: 76,
  hostname: 77,
  domainname: 78,
  sysctl: 79,
  rlimit: 80,
  oomScoreAdj: 81,
  loopbackUp: 82,
  chdir: 83,
  umask: 84,
  seccomp: 85,
  credentials: 86,
  noNewPrivs: 87,
  keyring: 88,
  barrier: 89,
  exec: 90,
  bindFrom: 91,
  scheduler: 92,
  ioPriority: 93,
  cpuAffinity: 94,
  personality: 95,
  memoryPolicy: 96,
  timeOffset: 97,
  seccompNotify: 98,
  mountAttributes: 99,
  stage: 100,
  remount: 101,
  mountPropagation: 102,
  mountCopyUp: 103,
  moveRoot: 104,
  cpuAffinityFirst: 105,
  idMapped: 146,
  execLabel: 110,
  // Instead of the operations from `console` on, where an external OCI runtime makes the process.
  bundle: 42,
  runtimeCreate: 43,
  runtimeStart: 44,
  runtimeExec: 45,
  hooks: 120,
  callerHooks: 121,
  findProgram: 122,
  awaitStart: 123,
  rootHere: 124,
  chroot: 125,
  // File operations: run by an agent handler in a file session, below one root, by descriptor.
  fsMkdir: 128,
  fsFile: 129,
  fsData: 130,
  fsSymlink: 131,
  fsLink: 132,
  fsNode: 133,
  fsXattr: 134,
  fsWhiteout: 135,
  fsOpaque: 136,
  fsRemove: 137,
  fsMeta: 138,
  fsCopy: 139,
  fsStat: 140,
  fsRead: 141,
  fsList: 142,
  fsExport: 143,
  fsFill: 144,
  fsUser: 148,
} as const;

const O = OPCODES;

/** Owner, permission bits and modification time of a file. Times are seconds and nanoseconds since the epoch. */
export interface FileMeta {
  mode: number;
  uid: number;
  gid: number;
  mtimeSec: number;
  mtimeNsec: number;
}

const meta = (m: FileMeta): Value[] => [m.mode, m.uid, m.gid, m.mtimeSec, m.mtimeNsec];

/** Host operations. */
export const host = {
  /** Registers `op` to be run, newest first, when a later operation of the same request fails. */
  onFailure: (op: Op): Op => [O.onFailure, op],
  /** mkdir(2); an existing directory is fine. With `parents`, missing parents are made with the same mode. */
  mkdir: (path: string, mode = 0o755, options: { parents?: boolean } = {}): Op => [
    O.mkdir,
    path,
    mode,
    options.parents ? 1 : 0,
  ],
  /**
   * rmdir(2); a missing directory is fine, EBUSY is retried for up to a second (dying cgroups). `tree` removes the cgroups below
   * it, too: those that a container has made.
   */
  rmdir: (path: string, options: { tree?: boolean } = {}): Op => [O.rmdir, path, options.tree ? 1 : 0],
  /**
   * Writes to an existing file in one write(2) (cgroupfs). With `optional`, any errno becomes a warning; with `ifBlank`, a file
   * that has more than white space is left as it is.
   */
  write: (
    path: string,
    data: string | Uint8Array,
    options: { optional?: boolean; ifBlank?: boolean } = {},
  ): Op => [O.write, path, data, (options.optional ? 1 : 0) | (options.ifBlank ? 2 : 0)],
  /** Replaces a regular file atomically (temporary file beside it, then rename). */
  put: (path: string, data: string | Uint8Array, mode = 0o644): Op => [O.put, path, data, mode],
  /** Removes a file or a whole tree by descriptor, never following symlinks nor crossing mounts; missing is fine. */
  remove: (path: string): Op => [O.remove, path],
  rename: (from: string, to: string): Op => [O.rename, from, to],
  syncfs: (path: string): Op => [O.syncfs, path],
  /** Makes a new network namespace with its loopback up and keeps its descriptor in `reg`; it belongs to the user namespace `owner`. */
  netnsNew: (reg: Register, owner: Register = HOST_NS): Op => [O.netnsNew, reg, owner],
  /**
   * Makes a user namespace with these maps and keeps its descriptor in `reg`. With `tools`, newuidmap(1) and newgidmap(1) write
   * the maps: for who has no right to map other ids than his own.
   */
  usernsNew: (reg: Register, maps: IdMaps, tools?: { uid: string; gid: string }): Op => [
    O.usernsNew,
    reg,
    maps.uids,
    maps.gids,
    tools?.uid ?? "",
    tools?.gid ?? "",
  ],
  /** Opens the file of a user namespace such as /proc/PID/ns/user into `reg`. */
  usernsOpen: (reg: Register, path: string): Op => [O.usernsOpen, reg, path],
  /** The texts of uid_map and gid_map of the user namespace at the path. */
  usernsMaps: (path: string): Op => [O.usernsMaps, path],
  /** Opens a namespace file such as /proc/PID/ns/net into `reg`. */
  netnsOpen: (reg: Register, path: string): Op => [O.netnsOpen, reg, path],
  /**
   * Sends `messages` (whole nlmsgs, already aligned) in one sendmsg on a fresh netlink socket of `protocol`
   * in the namespace of `reg` (HOST_NS: the host), and yields all replies' bytes. Each patch [offset, reg] first
   * overwrites the u32 at that offset with the descriptor number of `reg` (IFLA_NET_NS_FD), each [offset, reg, device] with the
   * index of that device in the namespace of `reg`. Fails with the first NLMSG_ERROR; the error text carries the extended ack and
   * the index of the message.
   */
  netlink: (protocol: number, reg: Register, messages: Uint8Array, patches: NetlinkPatch[] = []): Op => [
    O.netlink,
    protocol,
    reg,
    messages,
    patches,
  ],
  /** Starts a shim (see ShimPlan); yields [shimPid, initPid, [warning…]]. */
  shim: (plan: ShimPlan): Op => [O.shim, ...encodeShimPlan(plan)],
  /** Writes /proc/sys/`name` (slashes) as seen in the namespace of `reg`. */
  sysctlHost: (reg: Register, name: string, value: string): Op => [O.sysctlHost, reg, name, value],
  /**
   * Sends unix datagrams to the socket at `path`, each waiting up to `timeoutMs` for a full receiver; yields [how many were taken,
   * errno of the one that was not or 0]. Fails with op "connect" where nobody listens.
   */
  datagrams: (path: string, messages: readonly Uint8Array[], timeoutMs: number): Op => [
    O.datagrams,
    path,
    messages,
    timeoutMs,
  ],
  /** mount(2) in the host's mount namespace; "" for the type, source and data of a change of flags. */
  mount: (fstype: string, source: string, target: string, flags: number, data = ""): Op => [
    O.mountHost,
    fstype,
    source,
    target,
    flags,
    data,
  ],
  /** Puts an empty directory into a project and limits what that may hold; fails with ESRCH and others where there are no project quotas. */
  projectQuota: (path: string, projectId: number, bytes: number): Op => [
    O.projectQuota,
    path,
    projectId,
    bytes,
  ],
  /** Yields [uid, gid] of what is at a path of the host's, symlinks followed. */
  owner: (path: string): Op => [O.owner, path],
  /** Yields [process, user, group] of who is at the other end of a unix socket, the descriptor `fd` of the process `pid` (SO_PEERCRED, unix(7)). */
  socketPeer: (pid: number, fd: number): Op => [O.socketPeer, pid, fd],
  /** Unmounts what is mounted at `target`, detached when it is busy; nothing mounted is fine. */
  unmount: (target: string): Op => [O.unmountHost, target],
  /**
   * Gives the cgroup v2 directory `path` a program of type BPF_PROG_TYPE_CGROUP_DEVICE, in the place of those it has. With
   * `optional` (a user namespace may load none) any errno becomes a warning.
   */
  cgroupDevices: (path: string, program: Uint8Array, options: { optional?: boolean } = {}): Op => [
    O.cgroupDevices,
    path,
    program,
    options.optional ? 1 : 0,
  ],
  /**
   * Runs a program of the host's (argv[0] is its path) with `input` as its stdin, and waits for it. Yields [exit code (128 + signal),
   * what it wrote to stdout and stderr, at most 1 MiB]. One that takes longer than `timeoutMs` is killed: ETIMEDOUT.
   */
  program: (argv: readonly string[], env: readonly string[], input: string, timeoutMs: number): Op => [
    O.program,
    argv,
    env,
    input,
    timeoutMs,
  ],
} as const;

/** Maps of a user namespace in the kernel's form: lines `inside outside count` (linux/idmap.ts makes them). */
export interface IdMaps {
  readonly uids: string;
  readonly gids: string;
}

/** A host directory that is covered by itself as seen through a map: what `inside` owns on the disk `outside` is shown to own. */
export interface IdMappedDir {
  readonly path: string;
  readonly maps: IdMaps;
}

/** Where a container's root comes from. All paths are the host's. */
export type RootSource = {
  /** Directories that are seen with other owners by this root only. */
  idMapped?: readonly IdMappedDir[];
} & (
  | { kind: "dir"; path: string }
  | {
      kind: "overlay";
      /** keel changes into this directory so that `lower` can be short: mount(2) takes one page of options. */
      layersDir: string;
      /** Lower directories, topmost first, relative to layersDir. */
      lower: readonly string[];
      /** Absolute; absent for a read-only view. */
      upper?: string;
      work?: string;
      /** Further comma-separated mount options, such as `volatile`. */
      options?: string;
    }
);

/** Container operations, in the order a plan would use them. Paths are inside the root unless said otherwise. */
export const inner = {
  /** Covers a host directory, in the container's mount namespace only, with itself as IdMappedDir says; before the root. */
  idMapped: ({ path, maps }: IdMappedDir): Op => [O.idMapped, path, maps.uids, maps.gids],
  /** Mounts the root of a container on the host directory `target` inside the new mount namespace. */
  root: (source: RootSource, target: string): Op =>
    source.kind === "dir"
      ? [O.rootBind, source.path, target]
      : [
          O.rootOverlay,
          source.layersDir,
          source.lower.join(":"),
          source.upper ?? "",
          source.work ?? "",
          source.options ?? "",
          target,
        ],
  /** mount(2) of a new file system; `dest` is resolved in the root by descriptor and made when missing. */
  mount: (fstype: string, source: string, dest: string, flags: number, data = ""): Op => [
    O.mount,
    fstype,
    source,
    dest,
    flags,
    data,
  ],
  /**
   * mount(2) of a file system on the host directory `target`, where only this namespace sees it until pivot: for `bind`
   * to take parts of it.
   */
  stage: (fstype: string, source: string, target: string, flags: number, data = ""): Op => [
    O.stage,
    fstype,
    source,
    target,
    flags,
    data,
  ],
  /**
   * Binds the host's `source` (opened in the host's view) at `dest`, made as file or directory to match.
   * `attr` are MOUNT_ATTR_* bits applied with mount_setattr, `propagation` an MS_PRIVATE… flag or 0. With `sub` only
   * what is at that path below the directory `source`, resolved by descriptor; a path that leads out of it is refused.
   * With `idMap` it is shown with other owners, what is mounted below it, too, where `isRecursive`.
   */
  bind: (
    source: string,
    dest: string,
    options: {
      recursive?: boolean;
      attr?: number;
      attrRecursive?: boolean;
      propagation?: number;
      sub?: string;
      idMap?: IdMaps & { isRecursive: boolean };
      /** MOUNT_ATTR_* bits that its top loses, and of them those that may not stay where the kernel keeps them. */
      clear?: number;
      mustClear?: number;
    } = {},
  ): Op => [
    O.bind,
    source,
    dest,
    options.recursive ? 1 : 0,
    options.attr ?? 0,
    options.attrRecursive ? 1 : 0,
    options.propagation ?? 0,
    options.sub ?? "",
    options.idMap?.uids ?? "",
    options.idMap?.gids ?? "",
    options.idMap?.isRecursive ? 1 : 0,
    options.clear ?? 0,
    options.mustClear ?? options.clear ?? 0,
  ],
  /**
   * Binds at `dest` what another mount namespace (the host's path of its file, such as /proc/PID/ns/mnt) has at `source`,
   * resolved in that namespace's root. Below the two is one mount, so that files and their size limit are shared.
   */
  bindFrom: (namespace: string, source: string, dest: string, attr = 0): Op => [
    O.bindFrom,
    namespace,
    source,
    dest,
    attr,
  ],
  /** Makes a device node (type "c", "b" or "p"); where mknod is refused the host's node is bound instead. */
  device: (
    path: string,
    type: "c" | "b" | "p",
    major: number,
    minor: number,
    mode: number,
    uid = 0,
    gid = 0,
  ): Op => [O.device, path, type, major, minor, mode, uid, gid],
  symlink: (target: string, path: string): Op => [O.symlink, target, path],
  mkdir: (path: string, mode: number, uid = 0, gid = 0): Op => [O.mkdirIn, path, mode, uid, gid],
  /** Hides a path: /dev/null over a file, an empty read-only tmpfs over a directory; missing is fine. */
  mask: (path: string): Op => [O.mask, path],
  /** Binds a path on itself read-only; missing is fine. */
  readonly: (path: string): Op => [O.readonly, path],
  /** Opens a pty in the container's devpts, binds it at /dev/console, makes it stdio and controlling terminal. */
  console: (): Op => [O.console],
  /** Sets and clears MOUNT_ATTR_* bits of what is mounted at `dest`, with `recursive` of everything below it, too. */
  mountAttributes: (
    dest: string,
    change: { set?: number; clear?: number },
    options: { recursive?: boolean } = {},
  ): Op => [O.mountAttributes, dest, change.set ?? 0, change.clear ?? 0, options.recursive ? 1 : 0],
  /** mount(2) with MS_REMOUNT of what is mounted at `dest`; flags that may not be taken away stay. */
  remount: (dest: string, flags: number, data = ""): Op => [O.remount, dest, flags, data],
  /** Gives what is mounted at `dest` a propagation: MS_PRIVATE and so on, with or without MS_REC. */
  mountPropagation: (dest: string, flags: number): Op => [O.mountPropagation, dest, flags],
  /** As `mount` of a tmpfs, which then begins with a copy of everything that it covers. */
  mountCopyUp: (source: string, dest: string, flags: number, data = ""): Op => [
    O.mountCopyUp,
    source,
    dest,
    flags,
    data,
  ],
  /** Instead of pivot where the host's root cannot be moved: MS_MOVE and chroot, after the host's procfs and sysfs are hidden. */
  moveRoot: (): Op => [O.moveRoot],
  /** pivot_root into the root; the host's tree is gone afterwards. */
  pivot: (): Op => [O.pivot],
  rootReadonly: (): Op => [O.rootReadonly],
  /** MS_PRIVATE… with or without MS_REC: before the root operation for the host's tree as the container's namespace sees it, after pivot for its root. */
  rootPropagation: (flags: number): Op => [O.rootPropagation, flags],
  hostname: (name: string): Op => [O.hostname, name],
  domainname: (name: string): Op => [O.domainname, name],
  /** Writes /proc/sys/`name` (slashes) through a verified procfs descriptor. */
  sysctl: (name: string, value: string): Op => [O.sysctl, name, value],
  /** setrlimit; where raising the hard limit is refused the current hard limit stays and a warning is given. RLIM_INFINITY is -1. */
  rlimit: (resource: number, soft: number, hard: number): Op => [O.rlimit, resource, soft, hard],
  oomScoreAdj: (value: number): Op => [O.oomScoreAdj, value],
  loopbackUp: (): Op => [O.loopbackUp],
  /** chdir(2) after pivot; with `create` a missing directory is made first, mode 0755, root-owned. */
  chdir: (path: string, options: { create?: boolean } = {}): Op => [O.chdir, path, options.create ? 1 : 0],
  umask: (mask: number): Op => [O.umask, mask],
  /** Installs a compiled classic BPF program; `flags` are SECCOMP_FILTER_FLAG_* bits. */
  seccomp: (program: Uint8Array, flags = 0): Op => [O.seccomp, program, flags],
  /**
   * Becomes the user: `user` is Docker's USER syntax (name, uid, name:group, uid:gid, "" = root) looked up in the
   * root's /etc/passwd and /etc/group; sets HOME in the environment of `exec` unless it is there already; drops
   * the bounding set and sets the other capability sets (bit masks).
   */
  credentials: (
    user: string,
    groups: readonly string[],
    caps: {
      bounding: number;
      effective: number;
      permitted: number;
      inheritable: number;
      ambient: number;
    },
  ): Op => [
    O.credentials,
    user,
    groups,
    caps.bounding,
    caps.effective,
    caps.permitted,
    caps.inheritable,
    caps.ambient,
  ],
  noNewPrivs: (): Op => [O.noNewPrivs],
  /**
   * Writes `text` to /proc/self/attr/`module`/exec, or to attr/exec where the kernel has no directory of that name ("" asks for
   * that one): the security module's label for the program that exec starts.
   */
  execLabel: (module: string, text: string): Op => [O.execLabel, module, text],
  /**
   * Installs a program with SECCOMP_FILTER_FLAG_NEW_LISTENER among its flags. The shim connects to the host's socket `path` and sends the
   * listener along with the `parts` of a text, between which it puts the number that the process has on the host.
   */
  seccompNotify: (program: Uint8Array, flags: number, path: string, parts: readonly string[]): Op => [
    O.seccompNotify,
    program,
    flags,
    path,
    parts,
  ],
  /** sched_setattr(2); times are nanoseconds. */
  scheduler: (s: {
    policy: number;
    nice: number;
    priority: number;
    flags: number;
    runtime: number;
    deadline: number;
    period: number;
  }): Op => [O.scheduler, s.policy, s.nice, s.priority, s.flags, s.runtime, s.deadline, s.period],
  /** ioprio_set(2): class << 13 | priority. */
  ioPriority: (value: number): Op => [O.ioPriority, value],
  /** sched_setaffinity(2): a mask in whole 64-bit words; an empty one is all CPUs that the cgroup allows. */
  cpuAffinity: (mask: Uint8Array): Op => [O.cpuAffinity, mask],
  /** The same on the way into the container, before its cgroup is entered; in an exec wherever it stands. */
  cpuAffinityFirst: (mask: Uint8Array): Op => [O.cpuAffinityFirst, mask],
  personality: (domain: number): Op => [O.personality, domain],
  /** set_mempolicy(2): the mode with its flags, and the nodes as a mask. */
  memoryPolicy: (mode: number, nodes: Uint8Array): Op => [O.memoryPolicy, mode, nodes],
  /** Moves a clock (CLOCK_*) of the container's new time namespace; takes effect before anybody is in it, wherever it stands. */
  timeOffset: (clock: number, seconds: number, nanoseconds: number): Op => [
    O.timeOffset,
    clock,
    seconds,
    nanoseconds,
  ],
  /** Joins a new session keyring; refusals (quota, old kernels) are warnings. */
  keyring: (name: string): Op => [O.keyring, name],
  /** Reports "created" and waits for the shim's start request. */
  barrier: (): Op => [O.barrier],
  /**
   * From here on paths are those of an OCI bundle, the host directory `dir`, which is the working directory, too. A joined network
   * namespace that comes from a register is bound on the file `netns` in it ("": there is none).
   */
  bundle: (dir: string, netns = ""): Op => [O.bundle, dir, netns],
  /**
   * Runs an OCI runtime's `create` in the bundle (argv[0] is its path), which leaves the container's process id in the file `pid` and
   * sends its terminal, if it has one, to the socket `tty`.
   */
  runtimeCreate: (argv: readonly string[], env: readonly string[]): Op => [O.runtimeCreate, argv, env],
  /** Runs the runtime's `start`; the last operation. */
  runtimeStart: (argv: readonly string[], env: readonly string[]): Op => [O.runtimeStart, argv, env],
  /** Runs the runtime's `exec`, with files as for `create`; the last operation of an exec. */
  runtimeExec: (argv: readonly string[], env: readonly string[]): Op => [O.runtimeExec, argv, env],
  /** execve(2); argv[0] without a slash is looked up in the PATH of `env`. Errors: ENOENT and EACCES as themselves. */
  exec: (argv: readonly string[], env: readonly string[]): Op => [O.exec, argv, env],
} as const;

/** A namespace to be joined instead of made: a register filled earlier in the request or a path. */
export interface NamespaceJoin {
  /** CLONE_NEW* flag. */
  type: number;
  reg?: Register;
  path?: string;
}

/**
 * A check that the shim makes again and again, daemon or not: the first one interval after the start, the others one interval after
 * the end of the one before. It succeeds with exit code 0.
 */
export interface HealthPlan {
  /** Milliseconds, at least 1; the next three, too. */
  intervalMs: number;
  /** From the start of the program; then it is killed with everything it has started. */
  timeoutMs: number;
  /** From the container's start, 0 for none: failures in it are counted apart until there is a success, ... */
  startPeriodMs: number;
  /** ... and this is the interval meanwhile. */
  startIntervalMs: number;
  /** While this file has not this text the container is paused and not checked; null where it cannot be paused. */
  freezer: { path: string; thawed: string } | null;
  probe:
    | { kind: "exec"; exec: ExecPlan }
    | {
        kind: "connect";
        /** Of 4 or 16 bytes, in the container's network; the first that takes the connection counts. */
        addresses: readonly Uint8Array[];
        port: number;
        /** Sent after connecting; the answer's status has to be in the range. "": connecting is enough. */
        request: string;
        statusFrom: number;
        statusTo: number;
      };
}

function encodeHealthPlan(p: HealthPlan | null): Value[] {
  if (p === null) return [];
  const { probe } = p;
  return [
    probe.kind === "exec" ? 1 : 2,
    p.intervalMs,
    p.timeoutMs,
    p.startPeriodMs,
    p.startIntervalMs,
    p.freezer?.path ?? "",
    p.freezer?.thawed ?? "",
    probe.kind === "exec"
      ? encodeExecPlan(probe.exec)
      : [probe.addresses, probe.port, probe.request, probe.statusFrom, probe.statusTo],
  ];
}

/** The file that the shim writes: Docker's format, or our own, which is exact for any bytes and numbers its lines. */
export type LogPlan = {
  path: string;
  /** 0: never rotated. */
  maxSizeBytes: number;
  maxFiles: number;
  /** JSON text of an object that every line carries, or "". */
  attrs: string;
} & (
  | { kind: "json-file" }
  | { kind: "spool" /** Number of the first line to come, from 1. */; firstNumber: number }
);

/** What is done for a container in a user namespace with the rights that its own root lacks. Ids in operations are the host's. */
export interface OutsidePlan {
  /** The container's root as the host knows it: owner of what is made. */
  rootUid: number;
  rootGid: number;
  /** The root and everything mounted in it: by a process in the container's namespaces but its user namespace. */
  ops: readonly Op[];
}

/** Everything a shim needs for the life of one container; it outlives the daemon with it. */
export interface ShimPlan {
  id: string;
  /** Private directory (0700) for shim.sock and exit.json. */
  stateDir: string;
  isTty: boolean;
  /** Keep the container's stdin open for attach; otherwise it reads from /dev/null. */
  hasStdin: boolean;
  /** Close stdin when the first attached client that sends it is done. */
  stdinOnce: boolean;
  /** Initial terminal size, 0 when unknown. */
  rows: number;
  columns: number;
  /** CLONE_NEW* flags of the namespaces to make. */
  cloneFlags: number;
  joins: readonly NamespaceJoin[];
  /** cgroup v1: the container's directories, one per hierarchy. Joined through `tasks`, which needs no grace period. */
  cgroups: readonly string[];
  /** cgroup v2: the container's directory for CLONE_INTO_CGROUP, or "". */
  cgroup2: string;
  /** Files read at exit for a line `oom_kill N` (memory.oom_control or memory.events), or "". */
  oomFile: string;
  log: { kind: "none" } | LogPlan;
  /** Where output waits for clients that are slower than the container: an existing directory on disk, "" for memory only. */
  spill: { dir: string; limitBytes: number };
  /** Container operations of the first process. */
  ops: readonly Op[];
  /** For a container in a user namespace that is joined, started by who has rights outside of it; else null. */
  outside?: OutsidePlan | null;
  /** Host operations run by the shim when the container is gone, daemon or not; failures are ignored. */
  exitOps: readonly Op[];
  /** null: the container is not checked. */
  health: HealthPlan | null;
}

function encodeLog(log: ShimPlan["log"]): Value[] {
  if (log.kind === "none") return [0];
  const common = [log.path, log.maxSizeBytes, log.maxFiles, log.attrs];
  return log.kind === "json-file" ? [1, ...common] : [2, ...common, log.firstNumber];
}

/** Encodes a shim plan, as `host.shim` and `launchContainer` (launch.ts) send it. */
export function encodeShimPlan(p: ShimPlan): Value[] {
  return [
    p.id,
    p.stateDir,
    (p.isTty ? 1 : 0) | (p.hasStdin ? 2 : 0) | (p.stdinOnce ? 4 : 0),
    p.rows,
    p.columns,
    p.cloneFlags,
    p.joins.map((j) => [j.type, j.reg ?? -1, j.path ?? ""]),
    p.cgroups,
    p.cgroup2,
    p.oomFile,
    encodeLog(p.log),
    [p.spill.dir, p.spill.limitBytes],
    p.ops,
    p.exitOps,
    p.outside ? [p.outside.rootUid, p.outside.rootGid, p.outside.ops] : [],
    encodeHealthPlan(p.health),
  ];
}

/** A further process in a running container. */
export interface ExecPlan {
  execId: string;
  isTty: boolean;
  hasStdin: boolean;
  rows: number;
  columns: number;
  /** Container operations from `chdir` on (no mounts, no console), ending in `exec`; or `bundle` and `runtimeExec`. */
  ops: readonly Op[];
}

/** Encodes an exec plan for the shim's EXEC verb. */
export function encodeExecPlan(p: ExecPlan): Value[] {
  return [p.execId, (p.isTty ? 1 : 0) | (p.hasStdin ? 2 : 0), p.rows, p.columns, p.ops];
}

/** A path inside a session's root; as bytes where it is not UTF-8. */
export type Path = string | Uint8Array;

/** File operations below the root of a session. Parents are resolved by descriptor, the last component is never followed. */
export const fs = {
  /** An existing directory keeps its content and takes the metadata; anything else in the way is replaced. */
  mkdir: (path: Path, m: FileMeta): Op => [O.fsMkdir, path, ...meta(m)],
  /** Makes or replaces a regular file; its content follows as `data` operations of `sizeBytes` in sum. */
  file: (path: Path, m: FileMeta, sizeBytes: number): Op => [O.fsFile, path, ...meta(m), sizeBytes],
  data: (bytes: Uint8Array): Op => [O.fsData, bytes],
  symlink: (path: Path, target: Path, m: FileMeta): Op => [O.fsSymlink, path, ...meta(m), target],
  link: (path: Path, existing: Path): Op => [O.fsLink, path, existing],
  /** `m.mode` includes the file type bits (S_IFCHR, S_IFBLK, S_IFIFO). */
  node: (path: Path, m: FileMeta, major: number, minor: number): Op => [
    O.fsNode,
    path,
    ...meta(m),
    major,
    minor,
  ],
  xattr: (path: Path, name: string, value: Uint8Array): Op => [O.fsXattr, path, name, value],
  /** Overlay whiteout: a character device 0/0. */
  whiteout: (path: Path): Op => [O.fsWhiteout, path],
  /** Marks a directory opaque, for overlayfs whose attributes begin with `prefix`. */
  opaque: (path: Path, prefix = OVERLAY.xattrPrefix): Op => [O.fsOpaque, path, `${prefix}opaque`],
  remove: (path: Path): Op => [O.fsRemove, path],
  meta: (path: Path, m: FileMeta): Op => [O.fsMeta, path, ...meta(m)],
  /**
   * Copies `sourcePath` below the host directory `sourceRoot` (resolved in it by descriptor, never followed at the
   * end) to `path`: directories merge, files replace. uid, gid, mode: -1 keeps the source's. With `reports`, `sync` tells how
   * far it is, and it ends when nobody listens any more.
   */
  copy: (
    sourceRoot: string,
    sourcePath: Path,
    path: Path,
    options: { uid?: number; gid?: number; mode?: number; reports?: boolean } = {},
  ): Op => [
    O.fsCopy,
    sourceRoot,
    sourcePath,
    path,
    options.uid ?? -1,
    options.gid ?? -1,
    options.mode ?? -1,
    options.reports ? 1 : 0,
  ],
  /** Yields [mode, uid, gid, size, mtimeSec, mtimeNsec, rdevMajor, rdevMinor, nlink, linkTarget, ino]; follow 1: the last component too, inside the root. */
  stat: (path: Path, options: { follow?: boolean } = {}): Op => [O.fsStat, path, options.follow ? 1 : 0],
  /** Yields up to `maxBytes` of a regular file; fails on anything else. Follows symlinks inside the root. */
  read: (path: Path, maxBytes: number): Op => [O.fsRead, path, maxBytes],
  /** Yields the sorted names in a directory. */
  list: (path: Path): Op => [O.fsList, path],
  /**
   * Gives the host directory `target`, or `sub` below it (resolved by descriptor, never out of it), everything that is in the
   * session's directory `path` (symlinks followed inside the root), with its owner, mode, attributes and time. Yields 1, or 0
   * when there was something in it already.
   */
  fill: (path: Path, target: string, sub = ""): Op => [O.fsFill, path, target, sub],
  /**
   * Looks Docker's USER text and further groups up in the root's /etc/passwd and /etc/group. Yields [uid, gid, [gid…], home]: all
   * groups, the user's own first. Fails with op "credentials" and Docker's text for unknown names.
   */
  user: (user: string, groups: readonly string[]): Op => [O.fsUser, user, groups],
  /** Streams a depth-first, name-sorted walk of everything below `path`, see PROTOCOL.md "export". */
  export: (path: Path): Op => [O.fsExport, path],
} as const;
