// Staying with a process in the foreground: its signals come from us, its end is ours. Output and terminal are keel's (relay.c).

import { constants } from "node:os";
import type { Foreground } from "./keel-run.ts";

/** What concerns us alone: children, terminal size (keel follows it), broken pipes, urgent data; and what cannot be caught. */
const OWN: ReadonlySet<string> = new Set(["SIGCHLD", "SIGWINCH", "SIGPIPE", "SIGURG", "SIGKILL", "SIGSTOP"]);
/** Faults of our own. */
const FAULTS: ReadonlySet<string> = new Set([
  "SIGSEGV",
  "SIGBUS",
  "SIGFPE",
  "SIGILL",
  "SIGTRAP",
  "SIGSYS",
  "SIGABRT",
]);

/** Signals that arrive from now on; they are passed on as soon as there is somebody to take them. */
export class SignalForwarder {
  #pid = 0;
  #waiting: number[] = [];

  constructor() {
    const seen = new Set<number>();
    for (const [name, number] of Object.entries(constants.signals)) {
      if (OWN.has(name) || FAULTS.has(name) || seen.has(number)) continue;
      seen.add(number);
      process.on(name, () => this.#take(number));
    }
  }

  #take(signo: number): void {
    if (this.#pid === 0) this.#waiting.push(signo);
    else send(this.#pid, signo);
  }

  forwardTo(pid: number): void {
    this.#pid = pid;
    for (const signo of this.#waiting.splice(0)) send(pid, signo);
  }
}

function send(pid: number, signo: number): void {
  try {
    process.kill(pid, signo);
  } catch {} // ignored: it has just ended
}

/** Returns the process's exit code. */
export async function stayWith(
  signals: SignalForwarder,
  pid: number,
  foreground: Foreground,
): Promise<number> {
  signals.forwardTo(pid);
  return await foreground.ended;
}
