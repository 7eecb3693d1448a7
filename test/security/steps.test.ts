// Every step of a start fails once, one after the other: host operations (directories, cgroups, the network, the firewall, the
// shim) and the container's own (mounts, devices, masks, user, filter, program), of a container that uses all there is, and of an exec.
// After each: nothing is on the host that was not there before, the record tells the reason, and the same container starts.
import assert from "node:assert/strict";
import { readdir } from "node:fs/promises";
import { test } from "node:test";
import { run } from "../e2e/command.ts";
import { clients, TestDaemon } from "../e2e/harness.ts";
import { tracesOf } from "../../tools/leaks.ts";
import { type FaultyBuild, faultyBuild, type Place } from "./faults.ts";

const berth = clients[0] as (typeof clients)[number];
const MOST_STEPS = 400;
const LOOK_EVERY = 12;
/** `make security` takes every step, `make test` one in four: it has to be quick. */
const STRIDE = process.env["BERTH_EVERY_STEP"] === "1" ? 1 : 4;

/** A daemon whose keel fails on demand, with a container "box". */
interface Bench extends AsyncDisposable {
  readonly build: FaultyBuild;
  readonly daemon: TestDaemon;
}

async function openBench(): Promise<Bench> {
  const build = await faultyBuild();
  const daemon = await TestDaemon.start({ program: build.program, expectedErrors: /injected/ });
  const subnets = ["--subnet", "10.99.0.0/24", "--ipv6", "--subnet", "fd99::/64"];
  await daemon.text(berth, ["network", "create", ...subnets, "net"]);
  await daemon.text(berth, ["volume", "create", "vol"]);
  await daemon.text(berth, ["run", "--rm", "-v", "vol:/v", "busybox", "mkdir", "-p", "/v/sub"]);
  return {
    build,
    daemon,
    [Symbol.asyncDispose]: async () => {
      await daemon.close();
      await build[Symbol.asyncDispose]();
    },
  };
}

const EVERYTHING: readonly string[] = [
  ["--network", "net", "--network-alias", "other", "-p", "127.0.0.1:5555:80", "-p", "5556:81/udp"],
  ["-v", "vol:/vol", "--mount", "type=volume,src=vol,dst=/part,volume-subpath=sub", "--tmpfs", "/t:size=1m"],
  [
    "-v",
    "/etc/hostname:/bound:ro",
    "--shm-size",
    "1m",
    "--device",
    "/dev/null:/dev/other",
    "-w",
    "/made/here",
  ],
  [
    "--memory",
    "64m",
    "--cpus",
    "0.5",
    "--pids-limit",
    "50",
    "--ulimit",
    "nofile=100:100",
    "--oom-score-adj",
    "500",
  ],
  [
    "--sysctl",
    "net.ipv4.ip_forward=1",
    "--hostname",
    "h",
    "--domainname",
    "d",
    "--user",
    "dev",
    "--group-add",
    "extra",
  ],
  ["--init", "--security-opt", "no-new-privileges", "--read-only", "--cap-drop", "MKNOD"],
  ["--health-cmd", "true", "--health-interval", "1h", "--log-opt", "max-size=1m"],
].flat();

/** The rules, and the elements of sets and maps, one a line. */
function firewall(json: string): string[] {
  const items = (JSON.parse(json) as { nftables: Record<string, Record<string, unknown>>[] }).nftables;
  return items.flatMap((item) =>
    Object.entries(item).flatMap(([kind, { handle: _, elem = [], ...rest }]) => [
      `${kind} ${JSON.stringify(rest).replaceAll(/"(packets|bytes)":\d+/g, "")}`,
      ...(elem as unknown[]).map((e) => `element of ${String(rest["name"])}: ${JSON.stringify(e)}`),
    ]),
  );
}

/** All there is on the host of this daemon's, and what it has written. */
async function everything(daemon: TestDaemon): Promise<string[]> {
  const { Id } = await daemon.inspect("box");
  const inside = async (...argv: string[]) => (await run(daemon.network.wrap(argv))).stdout;
  const traces = tracesOf({ root: daemon.dir, containerIds: [Id], namespacePid: daemon.network.pid });
  const agents = traces.filter(
    (line) => !/^process .* (daemon|agent) /.test(line) && !line.startsWith("link "),
  );
  const links = (await inside("ip", "-o", "link")).split("\n").map((l) => /^\d+: (\S+)/.exec(l)?.[1] ?? "");
  const rules = firewall(await inside("nft", "-j", "list", "ruleset"));
  const routes = (await inside("ip", "route"))
    .split("\n")
    .map((line) => line.replace(/ linkdown\s*$/, "").trim());
  const files = (
    await run(["find", daemon.dir, "-not", "-path", "*/data/meta*", "-not", "-path", "*/data/events*"])
  ).stdout;
  const written = files.split("\n").filter((line) => !/\/data\/containers\/[0-9a-f]{64}\//.test(line));
  const mine = (await readdir(daemon.path("data/containers", Id))).filter(
    (n) => !/log$|^(hosts|hostname|resolv.conf|upper|work)$/.test(n),
  );
  return [...agents, ...links, ...rules, ...routes, ...written, ...mine]
    .filter((line) => line.trim() !== "")
    .sort();
}

/** The kernel takes a network namespace apart a moment after its last process: what stays ten seconds stays. */
async function settlesTo(daemon: TestDaemon, expected: readonly string[], what: string): Promise<void> {
  for (let attempt = 0; ; attempt++) {
    const now = await everything(daemon);
    if (attempt < 200 && now.join("\n") !== expected.join("\n")) {
      await new Promise((resolve) => setTimeout(resolve, 50));
      continue;
    }
    const [more, less] = [now.filter((l) => !expected.includes(l)), expected.filter((l) => !now.includes(l))];
    return assert.deepEqual({ more, less }, { more: [], less: [] }, what);
  }
}

async function failEach({ build, daemon }: Bench, place: Place, create: readonly string[]): Promise<number> {
  await daemon.text(berth, ["create", "--name", "box", ...create]);
  // Once for what is made at the first start and stays, such as the writable directory.
  await daemon.text(berth, ["start", "box"]);
  await daemon.text(berth, ["kill", "box"]);
  await daemon.text(berth, ["wait", "box"]);
  const clean = await everything(daemon);
  let failed = 0;
  for (let step = 0; step < MOST_STEPS; step += STRIDE) {
    await build.wish(place, step);
    const { status, stderr } = await daemon.run(berth, ["start", "box"]);
    const wasOpen = await build.takeBack();
    const { State } = await daemon.inspect("box");
    if (status !== 0) {
      failed++;
      assert.match(stderr, /injected: input\/output error/i, `${place} ${step}`);
      assert.match(State.Error, /injected/);
      assert.deepEqual([State.Running, State.Pid], [false, 0], `${place} ${step}`);
      // What is left behind stays: a look now and then finds it.
      if (failed % LOOK_EVERY === 0) await settlesTo(daemon, clean, `up to ${place} ${step}: ${stderr}`);
      await daemon.text(berth, ["start", "box"]);
    } else if (place === "inner" || wasOpen) {
      step = MOST_STEPS; // there was no such step
    }
    assert.equal((await daemon.inspect("box")).State.Running, true, `${place} ${step}`);
    await daemon.text(berth, ["kill", "box"]);
    await daemon.text(berth, ["wait", "box"]);
  }
  await settlesTo(daemon, clean, "at the end");
  await daemon.text(berth, ["rm", "box"]);
  return failed;
}

/** Each on a bench of its own, at the same time: most of it is waiting. */
const WAYS: readonly [what: string, least: number, place: Place, create: readonly string[]][] = [
  ["on the host", 20, "host", [...EVERYTHING, "busybox", "sleep", "1000"]],
  ["in the container", 40, "inner", [...EVERYTHING, "busybox", "sleep", "1000"]],
  ["with a terminal", 30, "inner", ["-t", "--network", "none", "busybox", "sleep", "1000"]],
];

test("each step of a start that fails leaves nothing", async () => {
  await Promise.all(
    WAYS.map(async ([what, least, place, create]) => {
      await using bench = await openBench();
      const failed = await failEach(bench, place, create);
      assert.ok(failed > least / STRIDE, `${what}: only ${failed} steps`);
    }),
  );
});

test("each step of an exec that fails leaves nothing", async () => {
  await using bench = await openBench();
  const { build, daemon } = bench;
  await daemon.text(berth, ["run", "-d", "--name", "box", "--user", "dev", "busybox", "sleep", "1000"]);
  const look = async () => [await daemon.text(berth, ["top", "box"]), ...(await everything(daemon))];
  const there = await look();
  let failed = 0;
  for (let step = 0; step < MOST_STEPS; step++) {
    await build.wish("inner", step);
    const { status, stdout, stderr } = await daemon.run(berth, ["exec", "box", "true"]);
    await build.takeBack();
    if (status === 0) break;
    failed++;
    assert.match(stdout + stderr, /injected: input\/output error/i, `${step}`);
    // The process that has reported its failure ends a moment later.
    for (let attempt = 0; attempt < 100 && (await look()).join() !== there.join(); attempt++)
      await new Promise((resolve) => setTimeout(resolve, 50));
    assert.deepEqual(await look(), there);
    await daemon.text(berth, ["exec", "box", "true"]);
  }
  assert.ok(failed > 4);
});
