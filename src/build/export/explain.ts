// Failures of builds in the words that clients with BuildKit know.

import type { Fault } from "../../lib/errors.ts";

/** compat: BuildKit's words for a command that failed, and for a target that is not there. */
export function explainForBuildKit(fault: Fault): string {
  const { exitCode, command, target, hint } = fault.detail;
  if (fault.code === "dockerfile.target")
    return `target stage ${JSON.stringify(target)} could not be found${String(hint)}`;
  if (fault.code !== "build.step-failed") return fault.message;
  return `process ${JSON.stringify(command)} did not complete successfully: exit code: ${exitCode}`;
}
