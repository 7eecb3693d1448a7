// From a Fault to what the user reads and the exit code: Docker's sentences for errors of the daemon and of the
// connection. The only place of the client where faults become text; commands choose prefixes and codes.

import { DAEMON_CONNECT, DAEMON_PERMISSION, DAEMON_UNREACHABLE } from "../api/errors.ts";
import { fs } from "../lib/builtins.ts";
import { Fault, messageOf } from "../lib/errors.ts";
import { runtimeDir } from "../lib/user-dirs.ts";

/** Code of a Fault that names its exit code. */
const EXIT = "cli.exit";

/** A failure that ends the program with the code; the message is printed as it is, an empty one not at all. */
export function exitWith(exitCode: number, message = ""): Fault {
  return new Fault("system", message, { code: EXIT, detail: { exitCode } });
}

/** Makes a Fault of a sentence for the user. */
export function complain(message: string): Fault {
  return new Fault("invalidParameter", message, { code: "cli.complaint" });
}

/** Returns the exit code of a failure: its own, or 1. */
export function exitCodeOf(error: unknown): number {
  if (!(error instanceof Fault)) return 1;
  const { exitCode } = error.detail;
  return typeof exitCode === "number" ? exitCode : 1;
}

/** Where Berth's daemon listens unless told otherwise; set by BERTH_HOST, -H or a context. A user's own daemon comes first. */
export const DEFAULT_HOST = ownSocket() ?? "unix:///run/berth/berth.sock";

function ownSocket(): string | undefined {
  if (process.getuid?.() === 0) return undefined;
  const path = `${runtimeDir()}/berth.sock`;
  return fs().existsSync(path) ? `unix://${path}` : undefined;
}

/** Returns the text for the user, in Docker's words where Docker has some. */
export function describeFailure(error: unknown): string {
  if (!(error instanceof Fault)) return messageOf(error);
  const host = typeof error.detail["host"] === "string" ? error.detail["host"] : "";
  switch (error.code) {
    case "daemon.error":
      return `Error response from daemon: ${error.message}`;
    case DAEMON_UNREACHABLE:
      return `Cannot connect to the Docker daemon at ${host}. Is the docker daemon running?${howToStart(host)}`;
    case DAEMON_PERMISSION:
      return (
        `permission denied while trying to connect to the Docker daemon socket at ${host}: ` +
        `dial unix ${host.replace(/^unix:\/\//, "")}: connect: permission denied`
      );
    default:
      return error.message;
  }
}

function howToStart(host: string): string {
  if (host !== DEFAULT_HOST) return "";
  return "\nStart Berth's daemon with `berth daemon` (as root), or with `systemctl start berth` where it is installed.";
}

/** Tells whether the daemon answered "not found". */
export function isNotFound(error: unknown): boolean {
  return error instanceof Fault && error.kind === "notFound" && error.code === "daemon.error";
}

/** Tells whether no daemon answered at all. */
export function isUnreachable(error: unknown): boolean {
  return (
    error instanceof Fault && [DAEMON_CONNECT, DAEMON_PERMISSION, DAEMON_UNREACHABLE].includes(error.code)
  );
}
