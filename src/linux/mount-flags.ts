// Mount options as text (fstab style, mount(8), OCI config.md "Linux mount options") and as the kernel's bits:
// MS_* for mount(2), MOUNT_ATTR_* for mount_setattr(2). Tables and a parser; mounts nothing.

export const MS = {
  RDONLY: 1,
  NOSUID: 2,
  NODEV: 4,
  NOEXEC: 8,
  SYNCHRONOUS: 16,
  REMOUNT: 32,
  MANDLOCK: 64,
  DIRSYNC: 128,
  NOSYMFOLLOW: 256,
  NOATIME: 1024,
  NODIRATIME: 2048,
  BIND: 4096,
  REC: 16_384,
  SILENT: 32_768,
  UNBINDABLE: 1 << 17,
  PRIVATE: 1 << 18,
  SLAVE: 1 << 19,
  SHARED: 1 << 20,
  RELATIME: 1 << 21,
  I_VERSION: 1 << 23,
  STRICTATIME: 1 << 24,
  LAZYTIME: 1 << 25,
} as const;

export const MOUNT_ATTR = {
  RDONLY: 1,
  NOSUID: 2,
  NODEV: 4,
  NOEXEC: 8,
  /** The three access-time modes are one field of two bits and more; RELATIME is its zero. */
  RELATIME: 0,
  NOATIME: 0x10,
  STRICTATIME: 0x20,
  NODIRATIME: 0x80,
  NOSYMFOLLOW: 0x20_0000,
} as const;

/** Options that set (or, with true, clear) a bit of mount(2). */
const FLAGS: ReadonlyMap<string, readonly [bit: number, clears: boolean]> = new Map([
  ["async", [MS.SYNCHRONOUS, true]],
  ["atime", [MS.NOATIME, true]],
  ["bind", [MS.BIND, false]],
  ["defaults", [0, false]],
  ["dev", [MS.NODEV, true]],
  ["diratime", [MS.NODIRATIME, true]],
  ["dirsync", [MS.DIRSYNC, false]],
  ["exec", [MS.NOEXEC, true]],
  ["iversion", [MS.I_VERSION, false]],
  ["lazytime", [MS.LAZYTIME, false]],
  ["loud", [MS.SILENT, true]],
  ["mand", [MS.MANDLOCK, false]],
  ["noatime", [MS.NOATIME, false]],
  ["nodev", [MS.NODEV, false]],
  ["nodiratime", [MS.NODIRATIME, false]],
  ["noexec", [MS.NOEXEC, false]],
  ["noiversion", [MS.I_VERSION, true]],
  ["nolazytime", [MS.LAZYTIME, true]],
  ["nomand", [MS.MANDLOCK, true]],
  ["norelatime", [MS.RELATIME, true]],
  ["nostrictatime", [MS.STRICTATIME, true]],
  ["nosuid", [MS.NOSUID, false]],
  ["nosymfollow", [MS.NOSYMFOLLOW, false]],
  ["rbind", [MS.BIND | MS.REC, false]],
  ["relatime", [MS.RELATIME, false]],
  ["remount", [MS.REMOUNT, false]],
  ["ro", [MS.RDONLY, false]],
  ["rw", [MS.RDONLY, true]],
  ["silent", [MS.SILENT, false]],
  ["strictatime", [MS.STRICTATIME, false]],
  ["suid", [MS.NOSUID, true]],
  ["symfollow", [MS.NOSYMFOLLOW, true]],
  ["sync", [MS.SYNCHRONOUS, false]],
]);

/** Options that apply to a mount and everything below it, by mount_setattr with AT_RECURSIVE. */
const RECURSIVE_ATTRS: ReadonlyMap<string, readonly [attr: number, clears: boolean]> = new Map([
  ["rro", [MOUNT_ATTR.RDONLY, false]],
  ["rrw", [MOUNT_ATTR.RDONLY, true]],
  ["rnosuid", [MOUNT_ATTR.NOSUID, false]],
  ["rsuid", [MOUNT_ATTR.NOSUID, true]],
  ["rnodev", [MOUNT_ATTR.NODEV, false]],
  ["rdev", [MOUNT_ATTR.NODEV, true]],
  ["rnoexec", [MOUNT_ATTR.NOEXEC, false]],
  ["rexec", [MOUNT_ATTR.NOEXEC, true]],
  ["rnoatime", [MOUNT_ATTR.NOATIME, false]],
  ["rstrictatime", [MOUNT_ATTR.STRICTATIME, false]],
  ["rnodiratime", [MOUNT_ATTR.NODIRATIME, false]],
  ["rdiratime", [MOUNT_ATTR.NODIRATIME, true]],
  ["rnosymfollow", [MOUNT_ATTR.NOSYMFOLLOW, false]],
  ["rsymfollow", [MOUNT_ATTR.NOSYMFOLLOW, true]],
]);

const PROPAGATION: ReadonlyMap<string, number> = new Map([
  ["private", MS.PRIVATE],
  ["rprivate", MS.PRIVATE | MS.REC],
  ["slave", MS.SLAVE],
  ["rslave", MS.SLAVE | MS.REC],
  ["shared", MS.SHARED],
  ["rshared", MS.SHARED | MS.REC],
  ["unbindable", MS.UNBINDABLE],
  ["runbindable", MS.UNBINDABLE | MS.REC],
]);

/** util-linux' option for mounting a part of a file system; what follows is a path in it. */
export const SUBDIR_OPTION = "X-mount.subdir=";

export interface MountOptions {
  /** MS_* bits that are set, and those that were cleared explicitly. */
  flags: number;
  cleared: number;
  /** MOUNT_ATTR_* bits for the whole tree. */
  recursiveAttr: number;
  /** MS_PRIVATE and so on with MS_REC; 0 when not said. */
  propagation: number;
  /** The files' owners are shown as in the container's user namespace, in what is mounted below, too. */
  isIdMapped: boolean;
  isIdMapRecursive: boolean;
  /** Path in the file system that is to be mounted instead of its root, "" for the root. */
  subdir: string;
  /** What is left for the file system, in order: `size=65536k`. */
  data: string[];
}

/** Sorts options by what they are; the last of two contradicting ones counts. Unknown ones are data. */
export function parseMountOptions(options: readonly string[]): MountOptions {
  const result: MountOptions = {
    flags: 0,
    cleared: 0,
    recursiveAttr: 0,
    propagation: 0,
    isIdMapped: false,
    isIdMapRecursive: false,
    subdir: "",
    data: [],
  };
  for (const option of options) {
    const flag = FLAGS.get(option);
    const attr = RECURSIVE_ATTRS.get(option);
    const propagation = PROPAGATION.get(option);
    if (flag) {
      const [bit, clears] = flag;
      result.flags = clears ? result.flags & ~bit : result.flags | bit;
      result.cleared = clears ? result.cleared | bit : result.cleared & ~bit;
    } else if (attr) {
      const [bit, clears] = attr;
      result.recursiveAttr = clears ? result.recursiveAttr & ~bit : result.recursiveAttr | bit;
    } else if (propagation !== undefined) {
      result.propagation = propagation;
    } else if (option === "idmap" || option === "ridmap") {
      result.isIdMapped = true;
      result.isIdMapRecursive = option === "ridmap";
    } else if (option.startsWith(SUBDIR_OPTION)) {
      result.subdir = option.slice(SUBDIR_OPTION.length);
    } else if (option !== "") {
      result.data.push(option);
    }
  }
  return result;
}

/** Returns the bit that an option is about, -1 for propagation (of which there is one), undefined for data. */
export function mountOptionKey(option: string): number | undefined {
  return PROPAGATION.has(option) ? -1 : FLAGS.get(option)?.[0];
}

/** Returns the MS_ bits of a propagation's name, undefined for any other word. */
export function propagationFlags(name: string): number | undefined {
  return PROPAGATION.get(name);
}

const ATTR_OF_FLAG: readonly (readonly [flag: number, attr: number])[] = [
  [MS.RDONLY, MOUNT_ATTR.RDONLY],
  [MS.NOSUID, MOUNT_ATTR.NOSUID],
  [MS.NODEV, MOUNT_ATTR.NODEV],
  [MS.NOEXEC, MOUNT_ATTR.NOEXEC],
  [MS.NOATIME, MOUNT_ATTR.NOATIME],
  [MS.STRICTATIME, MOUNT_ATTR.STRICTATIME],
  [MS.NODIRATIME, MOUNT_ATTR.NODIRATIME],
  [MS.NOSYMFOLLOW, MOUNT_ATTR.NOSYMFOLLOW],
];

/** Returns the MOUNT_ATTR_* bits that say the same of a mount as MS_* bits do. */
export function mountAttrOfFlags(flags: number): number {
  let attr = 0;
  for (const [flag, bit] of ATTR_OF_FLAG) if (flags & flag) attr |= bit;
  return attr;
}
