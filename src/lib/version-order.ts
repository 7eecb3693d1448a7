// API version numbers `major.minor` and their order; "1.9" is older than "1.10".

/** Returns a negative number when `a` is older than `b`, 0 when equal, else a positive one. Missing parts count as 0. */
export function compareVersions(a: string, b: string): number {
  const left = a.split(".");
  const right = b.split(".");
  for (let i = 0; i < Math.max(left.length, right.length); i++) {
    const difference = (Number(left[i]) || 0) - (Number(right[i]) || 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

/** Returns whether `version` is `minimum` or newer. */
export function isAtLeast(version: string, minimum: string): boolean {
  return compareVersions(version, minimum) >= 0;
}
