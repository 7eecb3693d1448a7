// The options that stand between `compose` and its command: which files, which project, how progress is shown.

import { bool, type FlagValues, int, list, string } from "../../../lib/flags/spec.ts";

const fromEnvironment = (name: string): string => process.env[name] ?? "";

export const composeFlags = {
  "all-resources": bool("Include all resources, even those not used by services"),
  ansi: string('Control when to print ANSI control characters ("never"|"always"|"auto")', {
    initial: fromEnvironment("COMPOSE_ANSI") || "auto",
  }),
  compatibility: bool("Run compose in backward compatibility mode"),
  context: string("Name of the context to use", { hidden: true }),
  "dry-run": bool("Execute command in dry run mode"),
  "env-file": list("Specify an alternate environment file", { type: "stringArray" }),
  file: list("Compose configuration files", { short: "f", type: "stringArray" }),
  host: list("Daemon to connect to", { short: "H", hidden: true }),
  "insecure-registry": list("Use insecure registry to pull Compose OCI artifacts. Doesn't apply to images", {
    type: "stringArray",
    hidden: true,
  }),
  "no-ansi": bool("Do not print ANSI control characters (DEPRECATED)", { hidden: true }),
  parallel: int("Control max parallelism, -1 for unlimited", { initial: -1 }),
  profile: list("Specify a profile to enable", { type: "stringArray" }),
  progress: string("Set type of progress output (auto, tty, plain, json, quiet)", {
    initial: fromEnvironment("COMPOSE_PROGRESS"),
  }),
  "project-directory": string(
    "Specify an alternate working directory\n(default: the path of the, first specified, Compose file)",
  ),
  "project-name": string("Project name", { short: "p" }),
  verbose: bool("Show more output", { hidden: true }),
  version: bool("Show the Docker Compose version information", { short: "v" }),
  workdir: string("Specify an alternate working directory", {
    hidden: true,
    deprecated: "use --project-directory instead",
  }),
};

export type ComposeFlags = FlagValues<typeof composeFlags>;

/** What every command of Compose takes besides its own flags. */
export const commonFlags = {
  "dry-run": bool("Execute command in dry run mode"),
};
