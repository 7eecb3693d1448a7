// A container's own name among those that a list gives it. Source: the Engine API, ContainerSummary.Names.

/** Returns the container's own name without its slash, "" when it has none: the others are links, "/web/db", and may come first. */
export function ownName(names: readonly string[] | null | undefined): string {
  return names?.find((name) => name.lastIndexOf("/") === 0)?.slice(1) ?? "";
}
