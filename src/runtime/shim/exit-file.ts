// What a shim leaves behind when its container has ended (exit.json), and what that tells of a start which came too late.

import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { Fault, messageOf, SysError } from "../../lib/errors.ts";
import { signalName } from "../../lib/signals.ts";
import type { ShimExit } from "./client.ts";

/** exit.json carries nanoseconds that a double cannot hold: they are picked from the text. */
const FINISHED_AT = /"finishedAtNs":(\d{1,19})/;
const ESRCH = 3;

/** Reads what a shim left behind when its container ended; null when there is nothing, or nothing whole. */
export async function readExitFile(stateDir: string): Promise<ShimExit | null> {
  const path = join(stateDir, "exit.json");
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw new Fault("system", `cannot read "${path}": ${messageOf(error)}`, {
      code: "shim.exit-file",
      cause: error,
    });
  }
  return parseExitFile(text);
}

function parseExitFile(text: string): ShimExit | null {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null; // ignored: not whole, which is what null says
  }
  const { exitCode, signal, oomKilled } = (value ?? {}) as Record<string, unknown>;
  const finishedAt = FINISHED_AT.exec(text);
  if (typeof exitCode !== "number" || typeof signal !== "number" || finishedAt === null) return null;
  return {
    exitCode,
    signal,
    isOomKilled: oomKilled === true,
    finishedAtNano: BigInt(finishedAt[1] as string),
  };
}

/**
 * Returns what became of a container whose shim said nothing more of it before the program ran; the error itself, when that is
 * not it. The shim's answers come from the socket `socketPath`.
 */
export async function earlyEnd(error: unknown, socketPath: string): Promise<unknown> {
  const isGone = error instanceof Fault && error.kind === "unavailable";
  const isOver = error instanceof SysError && error.op === "start" && error.errno === ESRCH;
  if (!isGone && !isOver) return error;
  const exit = await readExitFile(dirname(socketPath));
  return new Fault("system", `the container ended before its program ran: ${howItEnded(exit)}`, {
    code: "shim.ended-early",
    cause: error,
  });
}

function howItEnded(exit: ShimExit | null): string {
  if (exit === null) return "its shim was killed";
  // compat: runc's words
  if (exit.isOomKilled) return "container init was OOM-killed (memory limit too low?)";
  if (exit.signal === 0) return `its first process ended with code ${exit.exitCode}`;
  return `its first process was killed by ${signalName(exit.signal) ?? `signal ${exit.signal}`}`;
}
