// For this folder's tests with the real keel: where the program is, whether it can be used here, private directories. No part
// of the product. Every test has a keel and a directory of its own, so that tests run in parallel and twice.

import { existsSync, mkdtempSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Keel, startKeel } from "./keel.ts";

/** The program under test: $BERTH_KEEL, or what `make build` left. */
export const KEEL = process.env["BERTH_KEEL"] ?? fileURLToPath(new URL("../../build/keel", import.meta.url));

/** Why tests with the real keel cannot run here, or false. */
export const cannotRun: string | false = !existsSync(KEEL)
  ? `no keel at ${KEEL}`
  : process.getuid?.() !== 0
    ? "needs root"
    : false;

/** A keel and an empty directory; both are gone after disposal. */
export interface Bench extends AsyncDisposable {
  readonly keel: Keel;
  readonly dir: string;
  readonly socketPath: string;
}

/** Starts a keel with an empty directory. */
export async function openBench(): Promise<Bench> {
  const dir = mkdtempSync(join(tmpdir(), "keel-test-"));
  const socketPath = join(dir, "agent.sock");
  const keel = await startKeel({ keelPath: KEEL, socketPath });
  return {
    keel,
    dir: mkdtempSync(join(dir, "work-")),
    socketPath,
    [Symbol.asyncDispose]: async () => {
      await keel.close();
      await rm(dir, { recursive: true, force: true });
    },
  };
}
