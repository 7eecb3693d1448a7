// Makes sure that only one daemon uses a data root. The lock is an fcntl lock that SQLite holds on an empty
// database: the kernel drops it when the process dies, however it dies, so nothing can be left behind and there is
// no race in taking over. (Node has no flock(2), and a pid file cannot be taken over without a race.)

import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { Fault, messageOf } from "../../lib/errors.ts";

/** A held lock. */
export interface Lock {
  release(): void;
}

const SQLITE_BUSY = 5;

/** Locks of this process: a database that nothing refers to is closed when it is collected, and its lock is gone. */
const held = new Set<DatabaseSync>();

/** Takes the lock of `dir`. Fails at once with conflict, naming the holder, when another process has it. */
export async function acquireLock(dir: string): Promise<Lock> {
  const holderPath = join(dir, "lock.pid");
  let database: DatabaseSync;
  try {
    database = new DatabaseSync(join(dir, "lock.db"));
  } catch (cause) {
    throw new Fault("system", `cannot lock ${JSON.stringify(dir)}: ${messageOf(cause)}`, {
      code: "store.lock-failed",
      cause,
    });
  }
  try {
    // Without a journal there is no second file; nothing is ever written.
    database.exec("PRAGMA busy_timeout = 0; PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE");
  } catch (cause) {
    database.close();
    throw await lockFault(dir, holderPath, cause);
  }
  held.add(database);
  await writeFile(holderPath, `${process.pid}\n`, { mode: 0o600 });
  return {
    release: () => {
      if (held.delete(database)) database.close();
    },
  };
}

async function lockFault(dir: string, holderPath: string, cause: unknown): Promise<Fault> {
  const isBusy = (cause as { errcode?: number }).errcode === SQLITE_BUSY;
  if (!isBusy) {
    return new Fault("system", `cannot lock ${JSON.stringify(dir)}: ${messageOf(cause)}`, {
      code: "store.lock-failed",
      cause,
    });
  }
  const holder = (await readFile(holderPath, "utf8").catch(() => "")).trim(); // ignored: the pid is a courtesy
  const who = /^\d+$/.test(holder) ? ` (process ${holder})` : "";
  return new Fault(
    "conflict",
    `data root is in use by another daemon${who}: ${JSON.stringify(dir)} is locked`,
    {
      code: "store.locked",
      detail: { dir, pid: Number(holder) || undefined },
      cause,
    },
  );
}
