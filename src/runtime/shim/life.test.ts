// The life of a shim: start, signals, exit, what it leaves behind, and who may die without whom.

import assert from "node:assert/strict";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { Fault, SysError } from "../../lib/errors.ts";
import { host, inner } from "../../linux/ops.ts";
import { ALL_NAMESPACES, Bed, CLONE, ENV, isAlive, readUntil, skip, untilGone } from "./_bed.ts";
import { connectShim, openAttach, openShimEvents, type ShimExit } from "./client.ts";
import { readExitFile } from "./exit-file.ts";

const SIGTERM = 15;
const SIGKILL = 9;
const SIGUSR1 = 10;

describe("a shim", { skip }, () => {
  let bed: Bed;
  before(async () => {
    bed = await Bed.open();
  });
  after(async () => {
    await bed.close();
  });

  test("waits at the barrier and knows its state", async () => {
    const run = await bed.create({ argv: ["sleep", "100"] });
    const created = await run.shim.state();
    assert.deepEqual(
      [created.status, created.initPid, created.shimPid, created.startedAtNano],
      ["created", run.pid, run.shimPid, 0n],
    );
    assert.equal(readFileSync(`/proc/${run.shimPid}/comm`, "utf8"), "keel-shim\n");
    assert.equal(readFileSync(`/proc/${run.shimPid}/cmdline`, "utf8"), `keel\0shim\0${run.id}\0`);
    const started = await run.shim.start();
    assert.equal(started.pid, run.pid);
    const running = await run.shim.state();
    assert.deepEqual([running.status, running.startedAtNano], ["running", started.startedAtNano]);
    assert.ok(Math.abs(Number(running.startedAtNano / 1_000_000n) - Date.now()) < 5000);
    assert.equal((await run.shim.start()).pid, run.pid); // asked again by a daemon that came back
    await run.shim.signal(SIGKILL);
    await run.exit;
  });

  test("reports exit codes and signals, in the event and in exit.json", async () => {
    const { exit, run } = await bed.run({ argv: ["sh", "-c", "exit 77"] });
    assert.deepEqual([exit.exitCode, exit.signal, exit.isOomKilled], [77, 0, false]);
    assert.deepEqual(await readExitFile(run.plan.stateDir), exit);
    const raw = JSON.parse(readFileSync(join(run.plan.stateDir, "exit.json"), "utf8")) as Record<
      string,
      unknown
    >;
    assert.deepEqual(Object.keys(raw), [
      "pid",
      "exitCode",
      "signal",
      "oomKilled",
      "startedAtNs",
      "finishedAtNs",
    ]);
    assert.equal(raw["pid"], run.pid);
    const killed = await bed.create({ argv: ["sleep", "100"] });
    await killed.shim.start();
    await killed.shim.signal(SIGKILL);
    assert.deepEqual(
      { ...((await killed.exit) as ShimExit), finishedAtNano: 0n },
      { exitCode: 137, signal: 9, isOomKilled: false, finishedAtNano: 0n },
    );
    await untilGone(killed.shimPid);
    assert.ok(!existsSync(killed.socketPath));
    assert.equal(await readExitFile("/no/such/dir"), null);
  });

  test("runs the plan's clean-up when the container is gone, failures ignored", async () => {
    const [made, kept] = [join(bed.dir, "cleanup"), join(bed.dir, "missing/dir/x")];
    mkdirSync(made);
    await bed.run({ plan: { exitOps: [host.rename(kept, `${kept}2`), host.rmdir(made)] } });
    assert.ok(!existsSync(made));
  });

  test("delivers signals to the first process, and to all", async () => {
    const script =
      "trap 'echo term; exit 9' TERM; trap 'echo usr1' USR1; (trap 'echo child usr1' USR1; echo ready; while :; do sleep 0.05; done) & while :; do sleep 0.05; done";
    const run = await bed.create({ argv: ["sh", "-c", script] });
    const { stream } = await openAttach(run.socketPath, { stdout: true });
    await run.shim.start();
    await readUntil(stream, (text) => text.includes("ready"));
    await run.shim.signal(SIGUSR1, { all: true });
    await readUntil(
      stream,
      (text) => text.includes("child usr1") && /[^ ]usr1/.test(text.replace("child usr1", "")),
    );
    await run.shim.signal(SIGTERM);
    const exit = await run.exit;
    assert.ok(exit !== "lost" && exit.exitCode === 9);
    const late = await run.shim.signal(SIGTERM).catch((e: unknown) => e);
    assert.ok(late instanceof SysError || late instanceof Fault);
  });

  test("kills what is left without a pid namespace", async () => {
    const dir = `/sys/fs/cgroup/pids/berth-test-${process.pid}-hostpid`;
    if (!existsSync("/sys/fs/cgroup/pids")) return;
    mkdirSync(dir);
    try {
      const run = await bed.create({
        argv: ["sh", "-c", "sleep 1000 & echo $!; exit 0"],
        plan: { cloneFlags: ALL_NAMESPACES & ~CLONE.pid, cgroups: [dir] },
      });
      const { stream } = await openAttach(run.socketPath, { stdout: true });
      const said = readUntil(stream, (text) => /\d\n/.test(text));
      await run.shim.start();
      const pid = Number(/(\d+)\n/.exec((await said).slice(8))?.[1]);
      assert.ok(pid > 1);
      await run.exit;
      await untilGone(pid);
    } finally {
      rmdirSync(dir);
    }
  });

  test("dies with its container: killing it leaves nobody unsupervised", async () => {
    const run = await bed.create({ argv: ["sh", "-c", "sleep 1000 & wait"] });
    await run.shim.start();
    const exec = await bed.exec(run, ["sleep", "1000"], {});
    process.kill(run.shimPid, "SIGKILL");
    assert.equal(await run.exit, "lost");
    await Promise.all([untilGone(run.pid), untilGone(exec.pid)]);
    assert.equal(await readExitFile(run.plan.stateDir), null);
    const dead = await connectShim(run.socketPath).catch((e: unknown) => e);
    assert.ok(dead instanceof Fault && dead.kind === "unavailable");
  });

  test("ignores signals that ask it to end", async () => {
    const run = await bed.create({ argv: ["sleep", "1000"] });
    await run.shim.start();
    for (const signal of ["SIGTERM", "SIGINT", "SIGHUP", "SIGPIPE", "SIGUSR1"])
      process.kill(run.shimPid, signal);
    assert.equal((await run.shim.state()).status, "running");
    await run.shim.signal(SIGKILL);
    assert.notEqual(await run.exit, "lost");
  });

  test("outlives the agent and the daemon, and is found again", async () => {
    const run = await bed.create({
      argv: ["sh", "-c", "echo before; read x; echo after; exit 4"],
      plan: { hasStdin: true },
    });
    await run.shim.start();
    await bed.replaceKeel();
    assert.ok(isAlive(run.shimPid) && isAlive(run.pid));
    const again = await connectShim(run.socketPath);
    assert.equal((await again.state()).status, "running");
    const exit = Promise.withResolvers<ShimExit>();
    await openShimEvents(run.socketPath, {
      onExit: exit.resolve,
      onExecExit: () => {},
      onWarning: () => {},
      onLost: () => {},
    });
    const { stream } = await openAttach(run.socketPath, { stdin: true, stdout: true });
    stream.write("go\n");
    await readUntil(stream, (text) => text.includes("after"));
    assert.equal((await exit.promise).exitCode, 4);
    again.close();
  });

  test("is reached over a path that is longer than a socket address", async () => {
    const plan = bed.makePlan({
      argv: ["true"],
      plan: { id: "long", stateDir: join(bed.dir, "d".repeat(120)) },
    });
    mkdirSync(plan.stateDir);
    await bed.keel.run([host.shim(plan)]);
    const shim = await connectShim(join(plan.stateDir, "shim.sock"));
    await shim.start();
    shim.close();
  });

  test("a start that comes after the end says what the end was", async () => {
    const killed = await bed.create();
    process.kill(killed.pid, "SIGKILL");
    await killed.exit;
    await untilGone(killed.shimPid);
    await assert.rejects(killed.shim.start(), /ended before its program ran: .*killed by SIGKILL$/);

    const held = await bed.create();
    const { stream } = await openAttach(held.socketPath, { stdout: true, stderr: true });
    process.kill(held.pid, "SIGKILL");
    await held.exit;
    await assert.rejects(held.shim.start(), /ended before its program ran: .*killed by SIGKILL$/);
    stream.destroy();

    const stopped = await bed.create();
    process.kill(stopped.pid, "SIGSTOP");
    const start = stopped.shim.start();
    process.kill(stopped.pid, "SIGKILL");
    await assert.rejects(start, /killed (by SIGKILL|before it could start)$/);

    const lost = await bed.create();
    process.kill(lost.shimPid, "SIGKILL");
    await untilGone(lost.shimPid);
    await assert.rejects(lost.shim.start(), /ended before its program ran: its shim was killed$/);
  });

  test("starts at once without a barrier, and tells a fault of the start as that of the operation", async () => {
    const good = bed.makePlan({ argv: ["sh", "-c", "echo hi"], isImmediate: true });
    await bed.keel.run([host.shim(good)]);
    const bad = bed.makePlan({ argv: ["nope"], isImmediate: true });
    const error = await bed.keel.run([host.shim(bad)]).catch((e: unknown) => e);
    assert.ok(error instanceof SysError && error.op === "exec" && error.errno === 2);
    assert.ok(!existsSync(join(bad.stateDir, "shim.sock")));
  });

  test("does not take a malformed request, and goes on", async () => {
    const run = await bed.create({ argv: ["sleep", "100"] });
    const { connectFrames } = await import("../../linux/frame-socket.ts");
    for (const bytes of ["", "x", "\x09\0\0\0\x03\x04\0\0\0\0\0\0\0", "\xff\xff\xff\xff", "\x01\0\0\0"]) {
      const connection = await connectFrames(run.socketPath);
      void connection.send(Buffer.from(bytes, "latin1"));
      await connection.finish();
    }
    assert.equal((await run.shim.state()).status, "created");
    await run.shim.signal(SIGKILL);
    const exit = await run.exit;
    assert.ok(exit !== "lost" && exit.exitCode === 137);
  });

  test("joins its cgroups and counts an OOM kill", async () => {
    const name = `berth-test-${process.pid}`;
    const v1 = ["pids", "memory", "freezer"]
      .map((c) => `/sys/fs/cgroup/${c}/${name}`)
      .filter((d) => existsSync(join(d, "..")));
    const v2 = existsSync("/sys/fs/cgroup/unified/cgroup.procs") ? `/sys/fs/cgroup/unified/${name}` : "";
    const dirs = v2 === "" ? v1 : [...v1, v2];
    if (v1.length < 3) return; // a host without version 1
    for (const dir of dirs) mkdirSync(dir);
    try {
      const run = await bed.create({ argv: ["sleep", "100"], plan: { cgroups: v1, cgroup2: v2 } });
      const text = readFileSync(`/proc/${run.pid}/cgroup`, "utf8");
      for (const controller of ["pids", "memory", "freezer"])
        assert.match(text, new RegExp(`:${controller}:/${name}$`, "m"));
      if (v2 !== "") assert.match(text, new RegExp(`^0::/${name}$`, "m"));
      assert.doesNotMatch(readFileSync(`/proc/${run.shimPid}/cgroup`, "utf8"), new RegExp(name));
      await run.shim.start();
      const exec = await bed.exec(run, ["sleep", "100"], {});
      assert.equal(readFileSync(`/proc/${exec.pid}/cgroup`, "utf8"), text);
      await run.shim.signal(SIGKILL);
      await run.exit;

      const memory = `/sys/fs/cgroup/memory/${name}`;
      writeFileSync(join(memory, "memory.limit_in_bytes"), String(8 << 20));
      const { exit } = await bed.run({
        argv: ["sh", "-c", "x=0123456789abcdef; while :; do x=$x$x; done"],
        plan: { cgroups: v1, oomFile: join(memory, "memory.oom_control") },
      });
      assert.deepEqual([exit.exitCode, exit.isOomKilled], [137, true]);
    } finally {
      for (const dir of dirs) rmdirSync(dir);
    }
  });

  test("costs under 300 kB a container", async () => {
    const runs = await Promise.all(Array.from({ length: 8 }, () => bed.create({ argv: ["sleep", "100"] })));
    for (const run of runs) await run.shim.start();
    const sizes = runs.map((run) =>
      Number(/^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${run.shimPid}/smaps_rollup`, "utf8"))?.[1]),
    );
    assert.ok(Math.max(...sizes) < 300, `PSS in kB: ${sizes.join(" ")}`);
    for (const run of runs) await run.shim.signal(SIGKILL);
    await Promise.all(runs.map((run) => run.exit));
  });

  test("leaves no descriptor of its own open after work", async () => {
    const run = await bed.create({ argv: ["sleep", "100"] });
    await run.shim.start();
    const count = (): number => readdirSync(`/proc/${run.shimPid}/fd`).length;
    const before = count();
    for (let i = 0; i < 30; i++) {
      const { stream } = await bed.exec(
        run,
        ["echo", "x"],
        { stdin: true, stdout: true, stderr: true },
        { isTty: i % 2 === 0 },
      );
      stream?.resume();
      stream?.end();
      await new Promise((resolve) => stream?.once("close", resolve));
    }
    await bed.exec(run, ["nope"], {}).catch(() => undefined); // ignored: only what it leaves open matters
    for (let i = 0; i < 200 && count() > before; i++) await new Promise((resolve) => setTimeout(resolve, 10));
    assert.equal(count(), before);
    await run.shim.signal(SIGKILL);
    await run.exit;
  });
});

describe("keel init", { skip }, () => {
  let bed: Bed;
  before(async () => {
    bed = await Bed.open();
  });
  after(async () => {
    await bed.close();
  });

  const withInit = (script: string): Parameters<Bed["create"]>[0] => ({
    argv: ["/sbin/docker-init", "--", "sh", "-c", script],
    env: ENV,
    mounts: [
      inner.bind(new URL("../../../build/keel", import.meta.url).pathname, "/sbin/docker-init", { attr: 1 }),
    ],
  });

  test("ends with the child's code, or 128 and its signal", async () => {
    assert.equal((await bed.run(withInit("exit 23"))).exit.exitCode, 23);
    assert.equal((await bed.run(withInit("kill -9 $$"))).exit.exitCode, 137);
    assert.equal(
      (await bed.run({ ...withInit(""), argv: ["/sbin/docker-init", "--", "nope"] })).exit.exitCode,
      127,
    );
  });

  test("forwards signals and reaps orphans", async () => {
    const script =
      "trap 'echo term; exit 3' TERM; orphan=$(sleep 0.05 >/dev/null & echo $!); echo ready $orphan; while :; do sleep 0.02; done";
    const run = await bed.create(withInit(script));
    const { stream } = await openAttach(run.socketPath, { stdout: true });
    await run.shim.start();
    const [, orphan] =
      /ready (\d+)\n/.exec(await readUntil(stream, (text) => /ready \d+\n/.test(text))) ?? [];
    // A zombie that nobody reaps stays in /proc, and this waits for ever.
    const wait = `while [ -e /proc/${orphan} ]; do sleep 0.02; done; echo reaped`;
    const reaped = await bed.exec(run, ["sh", "-c", wait], { stdout: true });
    await readUntil(reaped.stream as NonNullable<typeof reaped.stream>, (text) => text.includes("reaped"));
    await run.shim.signal(SIGTERM);
    const exit = await run.exit;
    assert.ok(exit !== "lost" && exit.exitCode === 3);
  });
});
