// What to do about a failure of the kernel's: one short advice by system call and errno, for the end of a message. Only for failures that
// come with the kernel's bare text; keel's own sentences say what is wrong themselves.
import type { SysError } from "../lib/errors.ts";

const E = {
  PERM: 1,
  NOENT: 2,
  IO: 5,
  TOOBIG: 7,
  AGAIN: 11,
  NOMEM: 12,
  BUSY: 16,
  NODEV: 19,
  INVAL: 22,
  NFILE: 23,
  MFILE: 24,
  NOSPC: 28,
  ROFS: 30,
  NOSYS: 38,
  TIMEDOUT: 110,
  DQUOT: 122,
} as const;

interface Remedy {
  readonly errno: number;
  /** Operations it is about; all others when absent. */
  readonly op?: RegExp;
  readonly path?: RegExp;
  readonly advice: string;
}

const CGROUP = /\/cgroup(\/|$)/;
const PROCESSES = /^(clone3|fork|shim)$/;
const NAMESPACES = /^(unshare|clone3)$/;
const SYSCTL = /^sysctl/;

/** The first that fits counts. */
const REMEDIES: readonly Remedy[] = [
  { errno: E.NOSPC, op: NAMESPACES, advice: "a limit of namespaces is reached: raise user.max_*_namespaces" },
  {
    errno: E.NOSPC,
    path: CGROUP,
    advice: "the kernel has no room for another cgroup: look for old ones in /proc/cgroups",
  },
  {
    errno: E.NOSPC,
    advice: "the disk is full: see df and df -i, remove what is not needed with system prune",
  },
  { errno: E.DQUOT, advice: "the disk quota is used up" },
  {
    errno: E.AGAIN,
    op: PROCESSES,
    advice: "no more processes: raise TasksMax of the daemon's service or kernel.pid_max",
  },
  { errno: E.NOMEM, advice: "the kernel has no memory left for it" },
  { errno: E.MFILE, advice: "too many open files: raise LimitNOFILE of the daemon's service" },
  { errno: E.NFILE, advice: "too many open files on the host: raise fs.file-max" },
  {
    errno: E.NODEV,
    op: /^(mount|stage|fsopen)$/,
    advice: "the kernel has no file system of this type: load its module with modprobe",
  },
  { errno: E.NODEV, path: CGROUP, advice: "the device is none that this limit is for" },
  { errno: E.NOENT, op: SYSCTL, advice: "this kernel has no such setting: sysctl -a lists those it has" },
  { errno: E.INVAL, op: SYSCTL, advice: "the kernel does not take this value for the setting" },
  {
    errno: E.INVAL,
    path: CGROUP,
    advice: "the kernel does not take this value for the limit: try another one",
  },
  { errno: E.BUSY, path: CGROUP, advice: "somebody else uses the cgroup: try another --cgroup-parent" },
  {
    errno: E.PERM,
    op: /^(mount|pivot_root|move_mount|open_tree|mount_setattr|unshare|clone3|setns|bpf)$/,
    advice: "the daemon may not do this here: it needs root's capabilities, in a container --privileged",
  },
  { errno: E.ROFS, path: CGROUP, advice: "the cgroup tree is read-only for the daemon: mount it writable" },
  { errno: E.ROFS, advice: "the file system is read-only: see dmesg, or choose another --data-root" },
  { errno: E.NOSYS, advice: "this kernel is too old for it: Linux 5.4 is the least" },
  { errno: E.TOOBIG, op: /^exec$/, advice: "arguments and environment together are too long" },
  { errno: E.TIMEDOUT, op: /^netlink$/, advice: "the kernel is overloaded: try again" },
  { errno: E.IO, advice: "the device has failed: see dmesg" },
];

/** Returns the advice, "" where there is none. */
export function remedyOf({ op, path, errno, text }: SysError): string {
  // The kernel's texts begin with a capital letter, keel's own do not.
  if (!/^[A-Z]/.test(text)) return "";
  const fits = (r: Remedy): boolean =>
    r.errno === errno && (r.op?.test(op) ?? true) && (r.path?.test(path) ?? true);
  return REMEDIES.find(fits)?.advice ?? "";
}
