// For tests that need the kernel's network: the test file runs once more in a network namespace of its own
// (`unshare -n`), so nothing it does can touch the host's network, and talks to a real keel there.

import { execFile, spawnSync } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { type Keel, startKeel } from "./keel.ts";

const run = promisify(execFile);
const INSIDE = "BERTH_TEST_NAMESPACE";
const ROOT = resolve(import.meta.dirname, "../..");

/** Runs `define` in a copy of this test process that has a network namespace of its own; outside it is one test that does so. */
export function inOwnNamespace(file: string, define: () => void): void {
  if (process.env[INSIDE] === file) {
    define();
    return;
  }
  void test(`${file.slice(ROOT.length + 1)} in a network namespace of its own`, { timeout: 600_000 }, () => {
    const script = 'ip link set lo up && exec "$0" "$@"';
    const argv = [
      "-n",
      "sh",
      "-c",
      script,
      process.execPath,
      // bun's own limit of a test is five seconds, which a loaded machine needs.
      ...(process.versions.bun ? ["test", "--timeout", "120000"] : ["--test"]),
      file,
    ];
    const { status, stdout, stderr } = spawnSync("unshare", argv, {
      env: { ...process.env, [INSIDE]: file },
      encoding: "utf8",
    });
    if (status !== 0) throw new Error(`${stdout}\n${stderr}`);
  });
}

/** Runs a command and returns its output; rejects when it fails. */
export async function sh(...argv: string[]): Promise<string> {
  const { stdout } = await run(argv[0] as string, argv.slice(1), { encoding: "utf8", timeout: 20_000 });
  return stdout;
}

/** Starts the real keel in this namespace. `KEEL` names the program, default build/keel. */
export async function realKeel(): Promise<{ keel: Keel; stop(): Promise<void> }> {
  const dir = await mkdtemp(join(tmpdir(), "berth-net-"));
  const keel = await startKeel({
    keelPath: process.env.KEEL ?? join(ROOT, "build/keel"),
    socketPath: join(dir, "keel.sock"),
  });
  return {
    keel,
    stop: async () => {
      await keel.close();
      await rm(dir, { recursive: true });
    },
  };
}
