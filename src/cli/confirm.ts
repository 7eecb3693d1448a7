// Asks before something is destroyed.

import { readSync } from "node:fs";
import { exitWith } from "./failure.ts";
import { print } from "./output.ts";

/** Asks; anything but "y" ends the program without a word, with exit code 1, and a signal with 0: nothing was done. */
export async function confirm(question: string): Promise<void> {
  if (!(await isConfirmed(question))) throw exitWith(1);
}

/** Asks; true for "y". A signal ends the program with exit code 0. */
export async function isConfirmed(question: string): Promise<boolean> {
  const answer = await answerTo(`${question} [y/N] `);
  if (answer !== undefined) return answer.trim().toLowerCase() === "y";
  print("\n");
  throw exitWith(0);
}

/** What has been read behind the last answer: that of the next question. */
let unread = "";

/** Asks and reads a line of stdin; undefined when a signal comes first. */
async function answerTo(question: string): Promise<string | undefined> {
  const { promise, resolve } = Promise.withResolvers<string | undefined>();
  const interrupt = (): void => resolve(undefined);
  const take = (chunk: Buffer | string): void => {
    unread += chunk.toString();
    const end = unread.indexOf("\n");
    if (end < 0) return;
    resolve(unread.slice(0, end));
    unread = unread.slice(end + 1);
    stdin.removeListener("data", take);
  };
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, interrupt);
  const { stdin } = process;
  stdin.on("data", take);
  stdin.resume(); // after an earlier answer it stands still
  const finish = (): void => resolve(unread);
  for (const event of ["end", "error"] as const) stdin.once(event, finish);
  // Last, so that whoever has seen the question is heard.
  print(question);
  take("");
  if (stdin.readableEnded) finish();
  try {
    return await promise;
  } finally {
    stdin.removeListener("data", take);
    for (const event of ["end", "error"] as const) stdin.removeListener(event, finish);
    stdin.pause();
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.removeListener(signal, interrupt);
  }
}

/** Reads one line of stdin. */
export function readLine(): string {
  const bytes: number[] = [];
  const one = Buffer.alloc(1);
  for (;;) {
    try {
      if (readSync(0, one, 0, 1, null) === 0) break;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EAGAIN") break; // ignored: a closed stdin is an empty answer
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10);
      continue;
    }
    if (one[0] === 10) break;
    bytes.push(one[0] ?? 0);
  }
  return Buffer.from(bytes).toString();
}
