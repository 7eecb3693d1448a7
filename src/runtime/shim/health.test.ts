// The health check as the shim makes it: when, how long, what it reports, and all of it without anybody listening. `make test` runs
// this file a second time over the sanitised keel.

import assert from "node:assert/strict";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { type HealthPlan, inner } from "../../linux/ops.ts";
import { ALL_NAMESPACES, Bed, CLONE, ENV, isAlive, type Run, skip } from "./_bed.ts";
import { openShimEvents, type ProbeCounters, type ProbeResult } from "./client.ts";

const HOUR = 3_600_000;
const SIGKILL = 9;

/** What a listener has heard. */
class Heard {
  readonly begun: number[] = [];
  readonly results: ProbeResult[] = [];
  counters: ProbeCounters = { successes: 0, failures: 0, earlyFailures: 0 };
  #wake: () => void = () => {};

  began(number: number): void {
    this.begun.push(number);
    this.#wake();
  }

  add(counters: ProbeCounters, result: ProbeResult): void {
    this.counters = counters;
    this.results.push(result);
    this.#wake();
  }

  async until(isEnough: () => boolean): Promise<void> {
    while (!isEnough()) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  /** Resolves to the first results when there are as many. */
  async first(count: number): Promise<ProbeResult[]> {
    await this.until(() => this.results.length >= count);
    return this.results.slice(0, count);
  }
}

function execPlan(script: string, more: Partial<HealthPlan> = {}): HealthPlan {
  const ops = [inner.chdir("/"), inner.exec(["sh", "-c", script], ENV)];
  return {
    intervalMs: 20,
    timeoutMs: 60_000,
    startPeriodMs: 0,
    startIntervalMs: HOUR,
    freezer: null,
    probe: {
      kind: "exec",
      exec: { execId: "health", isTty: false, hasStdin: false, rows: 0, columns: 0, ops },
    },
    ...more,
  };
}

describe("a health check", { skip }, () => {
  let bed: Bed;
  before(async () => {
    bed = await Bed.open();
  });
  after(() => bed.close());

  async function start(
    health: HealthPlan,
    options: { argv?: string[]; plan?: object; settings?: ReturnType<typeof inner.loopbackUp>[] } = {},
  ): Promise<{ run: Run; heard: Heard; [Symbol.asyncDispose]: () => Promise<void> }> {
    const run = await bed.create({
      argv: options.argv ?? ["sleep", "1000"],
      plan: { health, ...options.plan },
      settings: options.settings ?? [],
    });
    const heard = new Heard();
    await openShimEvents(run.socketPath, {
      onExit: () => {},
      onExecExit: (e) => assert.notEqual(e.execId, "health", "a probe is not an exec"),
      onWarning: () => {},
      onProbe: (number) => heard.began(number),
      onHealth: (counters, result) => heard.add(counters, result),
      onLost: () => {},
    });
    await run.shim.start();
    const end = async (): Promise<void> => {
      await run.shim.signal(SIGKILL, { all: true }).catch(() => {}); // ignored: it may have ended
      await run.exit;
      run.shim.close();
    };
    return { run, heard, [Symbol.asyncDispose]: end };
  }

  test("is made one interval after the start and after each end, in the container", async () => {
    const health = execPlan("echo out; hostname; echo err >&2; sleep 0.02", { intervalMs: 50 });
    await using c = await start(health, { settings: [inner.hostname("inside")] });
    const { startedAtNano } = await c.run.shim.state();
    const results = await c.heard.first(3);
    assert.deepEqual(
      results.map((r) => [r.number, r.ending, r.exitCode, r.isTruncated]),
      [1, 2, 3].map((n) => [n, "ended", 0, false]),
    );
    for (const r of results) assert.match(String(r.output), /out\n(err\n)?inside\n(err\n)?/);
    let previous = startedAtNano;
    for (const r of results) {
      assert.ok(r.startedAtNano - previous >= 49_000_000n, "the interval has passed");
      previous = r.endedAtNano;
    }
    assert.deepEqual(c.heard.begun.slice(0, 3), [1, 2, 3]);
  });

  test("counts failures in a row, and begins anew after a success", async () => {
    const script =
      "n=$(cat /tmp/n 2>/dev/null || echo 0); echo $((n + 1)) >/tmp/n; [ $n = 2 ] || exit $((n + 1))";
    await using c = await start(execPlan(script), { argv: ["sh", "-c", "rm -f /tmp/n; sleep 1000"] });
    const counters: ProbeCounters[] = [];
    for (let n = 1; n <= 5; n++) {
      await c.heard.first(n);
      counters.push(c.heard.counters);
    }
    assert.deepEqual(
      c.heard.results.slice(0, 5).map((r) => r.exitCode),
      [1, 2, 0, 4, 5],
    );
    const seen = counters.at(-1) as ProbeCounters;
    assert.equal(seen.successes, 1);
    assert.equal(seen.earlyFailures, 0);
    assert.ok(seen.failures >= 2);
  });

  test("keeps the start interval until its first success, and counts failures before it apart", async () => {
    const script = "[ -e /tmp/ok ]";
    const times = { intervalMs: HOUR, startPeriodMs: HOUR, startIntervalMs: 20 };
    await using c = await start(execPlan(script, times), { argv: ["sh", "-c", "rm -f /tmp/ok; sleep 1000"] });
    await c.heard.first(3);
    assert.equal(c.heard.counters.earlyFailures, c.heard.counters.failures);
    assert.ok(c.heard.counters.failures >= 3);
    await bed.exec(c.run, ["touch", "/tmp/ok"], {});
    await c.heard.until(() => c.heard.counters.successes === 1);
    assert.deepEqual(c.heard.counters, { successes: 1, failures: 0, earlyFailures: 0 });
    // From here on the interval is an hour: ten start intervals bring nothing.
    await new Promise((resolve) => setTimeout(resolve, 200));
    assert.equal((await c.run.shim.health()).counters.successes, 1);
  });

  test("is killed after its timeout, with everything it has started", async () => {
    const dir = `/sys/fs/cgroup/pids/berth-test-${process.pid}-health`;
    const v2 = "/sys/fs/cgroup/cgroup.controllers";
    const parent = existsSync(v2) ? `/sys/fs/cgroup/berth-test-${process.pid}-health` : dir;
    mkdirSync(parent);
    try {
      const script = "echo some; sleep 3331 & setsid sleep 3332 & (sleep 3333 &) ; sleep 3334; wait";
      const plan = existsSync(v2) ? { cgroup2: parent } : { cgroups: [parent] };
      const once = { intervalMs: HOUR, startPeriodMs: 1, startIntervalMs: 1 };
      const health = execPlan(script, { timeoutMs: 300, ...once });
      const c = await start(health, { plan, argv: ["sleep", "3330"] });
      try {
        const [r] = await c.heard.first(1);
        assert.equal(r?.ending, "timed-out");
        assert.equal(r.exitCode, 128 + SIGKILL);
        assert.equal(String(r.output), "some\n");
        assert.ok(r.endedAtNano - r.startedAtNano >= 300_000_000n);
        assert.deepEqual(c.heard.counters, { successes: 0, failures: 1, earlyFailures: 0 });
        assert.ok(isAlive(c.run.pid), "the container goes on");
        const left = readFileSync(join(parent, "cgroup.procs"), "utf8")
          .trim()
          .split("\n")
          .map((pid) => commandOf(Number(pid)))
          .filter((command) => command !== "");
        assert.deepEqual(left, ["sleep 3330 "]);
      } finally {
        await c[Symbol.asyncDispose]();
      }
    } finally {
      rmdirSync(parent);
    }
  });

  test("keeps 4096 bytes of output and lets the program write on", async () => {
    await using c = await start(execPlan("yes 0123456789 | head -c 3000000; echo end >&2; exit 7"));
    const [r] = await c.heard.first(1);
    assert.equal(r?.exitCode, 7);
    assert.equal(r.output.length, 4096);
    assert.equal(r.isTruncated, true);
    assert.ok(String(r.output).startsWith("0123456789\n"));
  });

  test("that fills its output exactly is not cut", async () => {
    await using c = await start(execPlan("head -c 4096 /dev/zero"));
    const [r] = await c.heard.first(1);
    assert.equal(r?.output.length, 4096);
    assert.equal(r.isTruncated, false);
  });

  test("whose program does not exist says so", async () => {
    const ops = [inner.exec(["nosuch"], ENV)];
    const exec = { execId: "health", isTty: false, hasStdin: false, rows: 0, columns: 0, ops };
    await using c = await start(execPlan("", { probe: { kind: "exec", exec } }));
    const [r] = await c.heard.first(1);
    assert.equal(r?.ending, "not-started");
    assert.equal(r.exitCode, 127);
    assert.equal(String(r.output), 'exec: "nosuch": executable file not found in $PATH');
    assert.equal(c.heard.counters.failures, 1);
  });

  test("goes on without a listener, and is told to one that comes later", async () => {
    const run = await bed.create({ argv: ["sleep", "1000"], plan: { health: execPlan("echo $$; exit 3") } });
    await run.shim.start();
    const wakes = new Heard();
    // Nobody listens but the one that awaits the ninth probe.
    await openShimEvents(run.socketPath, {
      onExit: () => {},
      onExecExit: () => {},
      onWarning: () => {},
      onHealth: (counters, result) => wakes.add(counters, result),
      onLost: () => {},
    });
    await wakes.until(() => wakes.counters.failures >= 9);
    const { counters, results } = await run.shim.health();
    assert.ok(counters.failures >= 9);
    assert.equal(results.length, 5);
    assert.deepEqual(
      results.map((r) => r.number),
      results.map((_, i) => (results[0]?.number ?? 0) + i),
    );
    assert.equal(results.at(-1)?.number, counters.failures);
    assert.match(String(results.at(-1)?.output), /^\d+\n$/);
    await run.shim.signal(SIGKILL);
    await run.exit;
    run.shim.close();
  });

  test("leaves a paused container alone", async () => {
    const path = join(bed.dir, "freezer.state");
    writeFileSync(path, "FROZEN\n");
    await using c = await start(execPlan("true", { freezer: { path, thawed: "THAWED" } }));
    await new Promise((resolve) => setTimeout(resolve, 200));
    assert.deepEqual((await c.run.shim.health()).results, []);
    writeFileSync(path, "THAWED\n");
    await c.heard.first(2);
  });

  test("that was paused in the middle has its time again", async () => {
    const path = join(bed.root, "etc/freezer.state");
    writeFileSync(path, "THAWED\n");
    // The probe itself says that it is paused, long before its time is over; its end is long after that.
    const script = "echo FROZEN >/etc/freezer.state; sleep 3; echo done";
    await using c = await start(execPlan(script, { timeoutMs: 2000, freezer: { path, thawed: "THAWED" } }));
    const [r] = await c.heard.first(1);
    assert.equal(r?.ending, "ended");
    assert.equal(String(r.output), "done\n");
  });

  test("ends with its container and has nothing to say about that", async () => {
    const c = await start(execPlan("sleep 1000"), { argv: ["sh", "-c", "read x </dev/tty; sleep 1000"] });
    await c.heard.until(() => c.heard.begun.length > 0);
    await c[Symbol.asyncDispose]();
    assert.deepEqual(c.heard.results, []);
  });

  test("leaves no descriptor, process or zombie behind", async () => {
    await using c = await start(execPlan("echo x", { intervalMs: 1 }));
    const count = (): number => readdirSync(`/proc/${c.run.shimPid}/fd`).length;
    await c.heard.first(2);
    const before = count();
    // Of what is counted some may be of the probe that is being made: a leak is there whenever one looks.
    let least = Infinity;
    for (let n = 60; n < 160 && least > before + 3; n++) {
      await c.heard.first(n);
      least = Math.min(least, count());
    }
    assert.ok(least <= before + 3, `${before} descriptors after 2 checks, never less than ${least} after 60`);
  });

  const connect = (port: number, request: string, more: Partial<HealthPlan> = {}): HealthPlan =>
    execPlan("", {
      probe: {
        kind: "connect",
        addresses: [Uint8Array.of(127, 0, 0, 1)],
        port,
        request,
        statusFrom: 200,
        statusTo: 399,
      },
      ...more,
    });
  const GET = "GET /up HTTP/1.1\r\nHost: x\r\n\r\n";

  test("that only connects asks a server in the container's network, and runs nothing in the container", async () => {
    const server = "mkdir -p /tmp/w; echo hi >/tmp/w/up; exec httpd -f -p 8080 -h /tmp/w";
    const options = { argv: ["sh", "-c", server], settings: [inner.loopbackUp()] };
    await using c = await start(connect(8080, GET), options);
    await c.heard.until(() => c.heard.counters.successes >= 2);
    assert.equal(String(c.heard.results.at(-1)?.output), "HTTP/1.1 200 OK");
    assert.deepEqual(c.heard.begun, []);
  });

  test("that only connects takes a connection for an answer without a request", async () => {
    const options = { argv: ["nc", "-ll", "-p", "9000", "-e", "true"], settings: [inner.loopbackUp()] };
    await using c = await start(connect(9000, ""), options);
    await c.heard.until(() => c.heard.counters.successes >= 2);
  });

  test("that only connects says why when nobody answers", async () => {
    await using c = await start(connect(8080, GET), { settings: [inner.loopbackUp()] });
    const [r] = await c.heard.first(1);
    assert.deepEqual([r?.ending, r?.exitCode], ["ended", 1]);
    assert.equal(String(r?.output), "connect: Connection refused");
  });

  test("that only connects is killed when the server takes too long", async () => {
    const options = {
      argv: ["nc", "-ll", "-p", "8080", "-e", "sleep", "1000"],
      settings: [inner.loopbackUp()],
    };
    await using c = await start(connect(8080, GET, { timeoutMs: 100 }), options);
    await c.heard.until(() => c.heard.results.some((r) => r.ending === "timed-out"));
  });

  test("that only connects does not keep a container that has ended", async () => {
    // A server outside of the container, which is not ended with it, takes the connection and never answers.
    const connected = Promise.withResolvers<void>();
    const server = createServer(() => connected.resolve());
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    try {
      const { port } = server.address() as AddressInfo;
      await using c = await start(connect(port, GET), { plan: { cloneFlags: ALL_NAMESPACES & ~CLONE.net } });
      await connected.promise;
      await c.run.shim.signal(SIGKILL);
      assert.notEqual(await c.run.exit, "lost");
      assert.deepEqual(c.heard.results, []);
    } finally {
      server.close();
    }
  });
});

function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ");
  } catch {
    return ""; // ignored: it is gone
  }
}
