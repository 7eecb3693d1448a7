// Saves a stream of bytes: to stdout unless that is a terminal, or to a file that appears only when it is complete.

import { closeSync, openSync, renameSync, rmSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import { complain } from "./failure.ts";
import { errnoText } from "./options/env.ts";
import { print } from "./output.ts";
import { isTerminal } from "./terminal/tty.ts";

/** Throws Docker's refusal when bytes would go to a terminal, or its complaint when the file cannot be made. */
export async function openDownload(path: string, what: string): Promise<Download> {
  if (path === "") {
    if (isTerminal(1)) throw complain("cowardly refusing to save to a terminal. Use the -o flag or redirect");
    return { write: print, commit: () => {}, [Symbol.dispose]: () => {} };
  }
  const temporary = `${dirname(path)}/.tmp-${process.pid}-${Date.now().toString(36)}`;
  let fd: number;
  try {
    fd = openSync(temporary, "wx", 0o600);
  } catch (error) {
    throw complain(`failed to ${what}: invalid output path: stat ${dirname(path)}: ${errnoText(error)}`);
  }
  let isDone = false;
  return {
    write: (chunk) => {
      for (let rest = chunk; rest.length > 0; ) rest = rest.subarray(writeSync(fd, rest));
    },
    commit: () => {
      renameSync(temporary, path);
      isDone = true;
    },
    [Symbol.dispose]: () => {
      closeSync(fd);
      if (!isDone) rmSync(temporary, { force: true });
    },
  };
}

export interface Download extends Disposable {
  write(chunk: Uint8Array): void;
  /** Puts the complete file in its place. */
  commit(): void;
}
