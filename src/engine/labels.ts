// The `label` filter, the same for containers, images, networks and volumes.

/** Returns whether `labels` has `key`, or `key` with that value, as `--filter label=key[=value]` asks. */
export function hasLabel(
  labels: Readonly<Record<string, string>> | null | undefined,
  wanted: string,
): boolean {
  const at = wanted.indexOf("=");
  const key = at < 0 ? wanted : wanted.slice(0, at);
  if (labels === null || labels === undefined || !Object.hasOwn(labels, key)) return false;
  return at < 0 || labels[key] === wanted.slice(at + 1);
}
