// File modes as Go writes them (os.FileMode): type and special bits at the upper end of 32 bits.

export type GoFileType = "file" | "directory" | "symlink" | "other";

const TYPE_BITS: readonly (readonly [bit: number, type: GoFileType])[] = [
  [31, "directory"],
  [27, "symlink"],
  [26, "other"],
  [25, "other"],
  [24, "other"],
];
const SPECIAL: readonly (readonly [bit: number, mode: number])[] = [
  [23, 0o4000],
  [22, 0o2000],
  [20, 0o1000],
];
const hasBit = (mode: number, bit: number): boolean => Math.floor(mode / 2 ** bit) % 2 === 1;

/** Reads Go's mode. */
export function readGoMode(mode: number): { type: GoFileType; mode: number } {
  const type = TYPE_BITS.find(([bit]) => hasBit(mode, bit))?.[1] ?? "file";
  const special = SPECIAL.reduce((sum, [bit, value]) => sum + (hasBit(mode, bit) ? value : 0), 0);
  return { type, mode: (mode % 512) + special };
}

/** Writes Go's mode of a file, directory or symlink with permission bits (special ones included). */
export function goMode(type: "file" | "directory" | "symlink", mode: number): number {
  const typeBit = TYPE_BITS.find(([, name]) => name === type)?.[0];
  const special = SPECIAL.reduce((sum, [bit, value]) => sum + ((mode & value) === 0 ? 0 : 2 ** bit), 0);
  return (mode & 0o777) + special + (typeBit === undefined ? 0 : 2 ** typeBit);
}
