// The environment of a process as execve(2) gets it.

import { Fault } from "../../../lib/errors.ts";

/**
 * Returns the variables with the last of several equal names in the place of the last. Throws Fault invalidParameter for a text that is
 * no variable.
 */
export function environment(env: readonly string[]): string[] {
  const byName = new Map<string, string>();
  for (const text of env) {
    const equals = text.indexOf("=");
    if (equals < 1) {
      const problem = equals < 0 ? "missing '='" : "name cannot be empty";
      throw new Fault("invalidParameter", `invalid environment variable: ${problem}`, {
        code: "process.env",
      });
    }
    const name = text.slice(0, equals);
    byName.delete(name);
    byName.set(name, text);
  }
  return [...byName.values()];
}
