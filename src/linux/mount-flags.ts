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

/** The whole field of access times, which has to be cleared before one of its values is set. */
const ATIME = 0x70;

/** Options that apply to a mount and everything below it, by mount_setattr with AT_RECURSIVE: what they set and what they clear. */
const RECURSIVE_ATTRS: ReadonlyMap<string, readonly [set: number, clear: number]> = new Map([
  ["ratime", [MOUNT_ATTR.RELATIME, ATIME]],
  ["rdev", [0, MOUNT_ATTR.NODEV]],
  ["rdiratime", [0, MOUNT_ATTR.NODIRATIME]],
  ["rexec", [0, MOUNT_ATTR.NOEXEC]],
  ["rnoatime", [MOUNT_ATTR.NOATIME, ATIME]],
  ["rnodev", [MOUNT_ATTR.NODEV, 0]],
  ["rnodiratime", [MOUNT_ATTR.NODIRATIME, 0]],
  ["rnoexec", [MOUNT_ATTR.NOEXEC, 0]],
  // the kernel's default is relatime, also where nobody asks for it
  ["rnorelatime", [0, 0]],
  ["rnostrictatime", [MOUNT_ATTR.RELATIME, ATIME]],
  ["rnosuid", [MOUNT_ATTR.NOSUID, 0]],
  ["rnosymfollow", [MOUNT_ATTR.NOSYMFOLLOW, 0]],
  ["rrelatime", [MOUNT_ATTR.RELATIME, ATIME]],
  ["rro", [MOUNT_ATTR.RDONLY, 0]],
  ["rrw", [0, MOUNT_ATTR.RDONLY]],
  ["rstrictatime", [MOUNT_ATTR.STRICTATIME, ATIME]],
  ["rsuid", [0, MOUNT_ATTR.NOSUID]],
  ["rsymfollow", [0, MOUNT_ATTR.NOSYMFOLLOW]],
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

/** Not the kernel's: what a tmpfs covers is copied into it; a bind shows its files with other owners. */
const EXTENSIONS = ["tmpcopyup", "idmap", "ridmap"] as const;

/** util-linux' option for mounting a part of a file system; what follows is a path in it. */
export const SUBDIR_OPTION = "X-mount.subdir=";

/** MOUNT_ATTR_* bits as mount_setattr(2) takes them: the clear ones go first. */
export interface AttrChange {
  set: number;
  clear: number;
}

export interface MountOptions {
  /** MS_* bits that are set, and those that were cleared explicitly. */
  flags: number;
  cleared: number;
  /** What the whole tree gets, and what it loses. */
  recursive: AttrChange;
  /** MS_PRIVATE and so on with MS_REC; 0 when not said. */
  propagation: number;
  /** The files' owners are shown as in the container's user namespace, in what is mounted below, too. */
  isIdMapped: boolean;
  isIdMapRecursive: boolean;
  /** Path in the file system that is to be mounted instead of its root, "" for the root. */
  subdir: string;
  /** `tmpcopyup`. */
  copiesUp: boolean;
  /** What is left for the file system, in order: `size=65536k`. */
  data: string[];
}

/** Sorts options by what they are; the last of two contradicting ones counts. Unknown ones are data. */
export function parseMountOptions(options: readonly string[]): MountOptions {
  const result: MountOptions = {
    flags: 0,
    cleared: 0,
    recursive: { set: 0, clear: 0 },
    propagation: 0,
    isIdMapped: false,
    isIdMapRecursive: false,
    subdir: "",
    copiesUp: false,
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
      result.recursive = withChange(result.recursive, ...attr);
    } else if (propagation !== undefined) {
      result.propagation = propagation;
    } else if (option === "tmpcopyup") {
      result.copiesUp = true;
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

function withChange(change: AttrChange, set: number, clear: number): AttrChange {
  return { set: (change.set & ~clear) | set, clear: (change.clear & ~(set & ~ATIME)) | clear };
}

/** Returns the names of all options that are understood here, sorted; others are the file systems' own. */
export function knownMountOptions(): string[] {
  return [...FLAGS.keys(), ...RECURSIVE_ATTRS.keys(), ...PROPAGATION.keys(), ...EXTENSIONS].sort();
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

/** Returns what options that set and clear MS_* bits of one mount ask of mount_setattr(2). */
export function attrChangeOf(options: Pick<MountOptions, "flags" | "cleared">): AttrChange {
  const set = mountAttrOfFlags(options.flags);
  const times = MS.NOATIME | MS.RELATIME | MS.STRICTATIME;
  // clearing noatime, or asking for relatime, is a choice of another access time
  const choosesTime = ((options.flags | options.cleared) & times) !== 0 && (set & ATIME) === 0;
  const clear = mountAttrOfFlags(options.cleared & ~times) | (choosesTime ? ATIME : 0);
  return { set, clear };
}

/** What a bind that says anything of itself does not say of itself goes, but for its access time. */
const UNSAID =
  MOUNT_ATTR.RDONLY | MOUNT_ATTR.NOSUID | MOUNT_ATTR.NODEV | MOUNT_ATTR.NOEXEC | MOUNT_ATTR.NOSYMFOLLOW;
const TIMES = MS.NOATIME | MS.NODIRATIME | MS.RELATIME | MS.STRICTATIME;

/**
 * compat: returns what runc makes of a bind's options: with none the mount is as its source, with any it has those alone, as far as the
 * kernel lets it (`must`: what was said). A word that only takes an access time away is none.
 */
export function exactAttrChangeOf(
  options: Pick<MountOptions, "flags" | "cleared">,
): AttrChange & { must: number } {
  const { flags, cleared } = options;
  const set = mountAttrOfFlags(flags);
  if (set === 0 && cleared === 0 && (flags & TIMES) === 0) return { set: 0, clear: 0, must: 0 };
  const times = flags & TIMES ? ATIME | MOUNT_ATTR.NODIRATIME : 0;
  const clear = ((UNSAID | times) & ~set) | (times & ATIME);
  // the kernel keeps nosymfollow nowhere
  const must = (mountAttrOfFlags(cleared & ~TIMES) | times | MOUNT_ATTR.NOSYMFOLLOW) & clear;
  return { set, clear, must };
}

/** Returns the MOUNT_ATTR_* bits that say the same of a mount as MS_* bits do. */
export function mountAttrOfFlags(flags: number): number {
  let attr = 0;
  for (const [flag, bit] of ATTR_OF_FLAG) if (flags & flag) attr |= bit;
  return attr;
}
