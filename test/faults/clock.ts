// A clock that jumps while a daemon works, and what has to go on as if it had not: whatever waits for a time to pass waits for just that time.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { closeSync, constants, mkdtempSync, openSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { clients, type TestDaemon } from "../e2e/harness.ts";

const berth = clients[0] as (typeof clients)[number];
const HOUR = 3600;

/** Sets what the daemon takes for the wall clock so many seconds ahead of what it was at first. */
export type SetClock = (aheadSeconds: number) => void;

/** A wall clock that only those programs have which `wrap` starts. */
export class ShiftedClock implements Disposable {
  readonly #dir = mkdtempSync(join(tmpdir(), "berth-clock-"));

  constructor() {
    this.set(0);
    const source = join(import.meta.dirname, "clock.c");
    execFileSync("gcc", ["-O1", "-Wall", "-Werror", "-shared", "-fPIC", "-o", this.#library, source]);
  }

  get #library(): string {
    return join(this.#dir, "clock.so");
  }

  readonly set: SetClock = (aheadSeconds) => {
    const shift = Buffer.alloc(8);
    shift.writeBigInt64LE(BigInt(aheadSeconds));
    // In place: the daemon has it mapped.
    const file = openSync(join(this.#dir, "shift"), constants.O_WRONLY | constants.O_CREAT);
    writeSync(file, shift, 0, shift.length, 0);
    closeSync(file);
  };

  wrap(argv: readonly string[]): string[] {
    const environment = [`LD_PRELOAD=${this.#library}`, `SHIFTED_CLOCK=${join(this.#dir, "shift")}`];
    return ["env", ...environment, ...argv];
  }

  [Symbol.dispose](): void {
    rmSync(this.#dir, { recursive: true, force: true });
  }
}

/** What each jump does to a daemon that waits for everything that it can wait for. */
export async function jumpAround(daemon: TestDaemon, set: SetClock): Promise<void> {
  await jump(daemon, () => set(6 * HOUR));
  await jump(daemon, () => set(-6 * HOUR));
  await daemon.kill();
  await daemon.up();
  await jump(daemon, () => set(-30 * HOUR));
  await daemon.kill();
  set(0);
  await daemon.up();
  await jump(daemon, () => set(0));
}

const GOES_WHEN_TOLD =
  "trap 'until test -e /go; do sleep 0.05; done; exit 7' TERM; while :; do sleep 0.05; done";
const COUNTS = "i=0; while :; do echo line $i; i=$((i+1)); sleep 0.05; done";

async function jump(daemon: TestDaemon, leap: () => void): Promise<void> {
  const text = (...args: string[]): Promise<string> => daemon.text(berth, args);
  const run = (name: string, flags: readonly string[], script: string): Promise<string> =>
    text("run", "-d", "--name", name, ...flags, "busybox", "sh", "-c", script);
  const probe = ["--health-cmd", "test ! -e /ill", "--health-interval", "200ms", "--health-retries", "1"];
  await run("checked", probe, "exec sleep 100000");
  await run("stubborn", [], GOES_WHEN_TOLD);
  await run("counting", [], COUNTS);
  await run("leaving", [], "until test -e /go; do sleep 0.05; done; exit 9");
  const kinds = ["health_status", "kill", "die"].map((kind) => `--filter=event=${kind}`);
  const reader = daemon.live(berth, ["events", ...kinds], { timeoutMs: 170_000 });
  const logs = daemon.live(berth, ["logs", "-f", "counting"], { timeoutMs: 170_000 });
  const wait = daemon.live(berth, ["wait", "leaving"], { timeoutMs: 170_000 });
  await logs.prints("line 3\n");
  await run("failing", ["--restart", "on-failure:4"], "exit 5");
  const stop = daemon.live(berth, ["stop", "-t", "3000", "stubborn"], { timeoutMs: 170_000 });
  await reader.prints(/container kill .*name=stubborn/);

  leap();
  const seen = Number(/line (\d+)\n$/.exec(logs.output)?.[1] ?? 0);
  await logs.prints(`line ${seen + 20}\n`);
  // A check that waits for its time would find out about neither.
  await text("exec", "checked", "touch", "/ill");
  await reader.prints(/health_status: unhealthy .*name=checked/);
  await text("exec", "checked", "rm", "/ill");
  await reader.prints(/health_status: unhealthy [^]*health_status: healthy .*name=checked/);
  assert.equal(await text("wait", "failing"), "5");
  await reader.prints(/(container die .*name=failing[^]*){5}/);
  assert.equal((await daemon.inspect("failing")).RestartCount, 4);
  await text("exec", "leaving", "touch", "/go");
  assert.deepEqual([(await wait.ended).status, wait.output], [0, "9\n"]);
  assert.equal((await daemon.inspect("stubborn")).State.Running, true, "fifty minutes are not over");
  await text("exec", "stubborn", "touch", "/go");
  assert.equal((await stop.ended).status, 0);
  assert.equal((await daemon.inspect("stubborn")).State.ExitCode, 7);
  await run("dallying", ["--stop-timeout", "1"], "trap '' TERM; while :; do sleep 1; done");
  await text("stop", "dallying");
  assert.equal((await daemon.inspect("dallying")).State.ExitCode, 137);

  assert.match(await text("ps", "--format", "{{.Names}} {{.Status}}"), /^counting Up /m);
  assert.notEqual(await text("stats", "--no-stream", "counting"), "");
  assert.equal(await text("run", "--rm", "busybox", "echo", "there"), "there");
  for (const follower of [reader, logs]) follower.kill("SIGTERM");
  await Promise.all([reader.ended, logs.ended]);
  await daemon.removeContainers();
}
