// Failures of builds in the words that clients with BuildKit know.

import type { Fault } from "../../lib/errors.ts";

/** compat: BuildKit's words for a command that failed. */
export function explainForBuildKit(fault: Fault): string {
  const { exitCode, command } = fault.detail;
  if (fault.code !== "build.step-failed") return fault.message;
  return `process ${JSON.stringify(command)} did not complete successfully: exit code: ${exitCode}`;
}
