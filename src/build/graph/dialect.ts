// The two histories that Docker writes: the classic builder's, in the name of a shell, and BuildKit's. Which one an image
// gets depends on the API that its build was asked for with; files and configuration hardly differ.

export type Dialect = "classic" | "buildkit";

/** What BuildKit notes beside every step. */
export const BUILDKIT_COMMENT = "buildkit.dockerfile.v0";

/** Returns the created_by of a RUN. */
export function runCreatedBy(dialect: Dialect, recorded: readonly string[], args: readonly string[]): string {
  const prefix = recorded.length > 0 ? [`|${recorded.length}`, ...recorded] : [];
  const text = [...prefix, ...args].join(" ");
  return dialect === "classic" ? text : `RUN ${text} # buildkit`;
}
