// /proc/PID/mountinfo (proc_pid_mountinfo(5)) as records. A parser only; it opens nothing.

/** One mount. Paths have their octal escapes undone. */
export interface MountInfo {
  id: number;
  parentId: number;
  /** Root of the mount inside its file system. */
  root: string;
  mountpoint: string;
  /** Per-mount options, comma-separated. */
  options: string;
  /** Optional fields, such as `shared:1` or `master:2`, separated by blanks. */
  optional: string;
  fstype: string;
  source: string;
  /** Per-super-block options, comma-separated. */
  superOptions: string;
}

/** Returns the mounts in the kernel's order; lines that do not have the documented form are skipped. */
export function parseMountInfo(text: string): MountInfo[] {
  const mounts: MountInfo[] = [];
  for (const line of text.split("\n")) {
    const mount = parseLine(line);
    if (mount) mounts.push(mount);
  }
  return mounts;
}

function parseLine(line: string): MountInfo | undefined {
  const separator = line.indexOf(" - ");
  if (separator < 0) return undefined;
  const left = line.slice(0, separator).split(" ");
  const [fstype, source, superOptions] = line.slice(separator + 3).split(" ");
  const [id, parentId, , root, mountpoint, options] = left;
  if (!root || !mountpoint || fstype === undefined) return undefined;
  return {
    id: Number(id),
    parentId: Number(parentId),
    root: unescapeOctal(root),
    mountpoint: unescapeOctal(mountpoint),
    options: options ?? "",
    optional: left.slice(6).join(" "),
    fstype,
    source: unescapeOctal(source ?? ""),
    superOptions: superOptions ?? "",
  };
}

/** Blank, tab, newline and backslash appear as \040, \011, \012 and \134. */
function unescapeOctal(text: string): string {
  if (!text.includes("\\")) return text;
  return text.replace(/\\([0-7]{3})/g, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 8)),
  );
}

/** Returns where the resctrl file system is mounted, undefined where it is not. */
export function findResctrl(mountInfo: string): string | undefined {
  return parseMountInfo(mountInfo).find(({ fstype }) => fstype === "resctrl")?.mountpoint;
}
