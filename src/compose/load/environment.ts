// The variables that Compose files see: the process's own, then those of .env files, which never replace the former.

import { readFileSync, statSync } from "node:fs";
import { Fault } from "../../lib/errors.ts";
import { parseDotenv } from "./dotenv.ts";

/** Returns the variables of env files, later files on top. Throws a Fault for a file that is not there or malformed. */
export function readEnvFiles(
  files: readonly string[],
  environment: ReadonlyMap<string, string>,
  onUnset?: (name: string) => void,
): Map<string, string> {
  const variables = new Map<string, string>();
  for (const file of files) {
    parseDotenv(readEnvFile(file), variables, {
      file,
      lookup: (name) => environment.get(name) ?? variables.get(name),
      onUnset,
    });
  }
  return variables;
}

function readEnvFile(file: string): string {
  const stats = statSync(file, { throwIfNoEntry: false });
  if (stats === undefined)
    throw new Fault("notFound", `couldn't find env file: ${file}`, { code: "compose.env-file" });
  if (stats.isDirectory())
    throw new Fault("invalidParameter", `${file} is a directory`, { code: "compose.env-file" });
  return readFileSync(file, "utf8");
}
