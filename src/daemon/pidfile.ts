// The daemon's pid file: written at start, refused when another live daemon's pid is in it, removed at the end.
import { readFileSync, rmSync, writeFileSync, mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { Fault } from "../lib/errors.ts";

/** Takes the pid file; fails with conflict when a living process holds it. */
export function takePidfile(path: string): Disposable {
  const holder = livingHolder(path);
  if (holder !== null)
    throw new Fault("conflict", `process with PID ${holder} is still running; its pid file is ${path}`, {
      code: "daemon.running",
    });
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, `${process.pid}\n`);
  return { [Symbol.dispose]: () => rmSync(path, { force: true }) };
}

function livingHolder(path: string): number | null {
  try {
    const pid = Number(readFileSync(path, "utf8").trim());
    if (!Number.isInteger(pid) || pid <= 1 || pid === process.pid) return null;
    process.kill(pid, 0);
    // A number that was used again after a crash belongs to somebody else.
    return readFileSync(`/proc/${pid}/cmdline`, "latin1").includes("daemon") ? pid : null;
  } catch {
    return null; // ignored: no file, or nobody of that number
  }
}
