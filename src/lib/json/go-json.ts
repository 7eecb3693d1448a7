// JSON as Go's encoding/json writes it, for files and output that are shared with programs written in Go.

/** Returns `value` as json.Marshal writes it: as JSON.stringify, with what means something in HTML escaped. */
export function goJson(value: unknown): string {
  return escapeHtml(JSON.stringify(value));
}

/** Returns JSON text with what means something in HTML or ends a line of JavaScript escaped. */
export function escapeHtml(json: string): string {
  return json.replace(
    /[<>&\u2028\u2029]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/** Returns `value` with the members of all its objects in the order of their names, as Go's maps are written. */
export function withSortedMembers(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withSortedMembers);
  if (typeof value !== "object" || value === null) return value;
  const members = Object.entries(value).map(([name, member]) => [name, withSortedMembers(member)] as const);
  return Object.fromEntries(members.sort(([a], [b]) => (a < b ? -1 : 1)));
}
