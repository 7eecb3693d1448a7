import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  watch,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { Fault, SysError } from "../lib/errors.ts";
import { cannotRun, KEEL, openBench } from "./_keel-testing.ts";
import { connectFrames } from "./frame-socket.ts";
import { startKeel } from "./keel.ts";
import { decodeLinks, dumpLinks, getLink, newVeth } from "./netlink/link.ts";
import { netlinkOp, NETLINK_ROUTE } from "./netlink/message.ts";
import { addTable, deleteTable, nftOp } from "./nft/ruleset.ts";
import { HOST_NS, host, type Op } from "./ops.ts";
import { parseIdMap } from "./idmap.ts";
import { asBytes, asList, asText, encodeFrame } from "./wire.ts";

const skip = cannotRun;
const ENOENT = 2;
const EEXIST = 17;
const EINVAL = 22;
const ENOTEMPTY = 39;
const EOPNOTSUPP = 95;
const ETIMEDOUT = 110;

/** Waits for a rejection with SysError and returns it. */
async function sysError(promise: Promise<unknown>): Promise<SysError> {
  const outcome = await promise.then(
    () => "success",
    (error: unknown) => error,
  );
  assert.ok(outcome instanceof SysError, `expected a SysError, got ${String(outcome)}`);
  return outcome;
}

/** Resolves when `isTrue` holds, which only a change in `dir` can bring about. */
function changed(dir: string, isTrue: () => boolean): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const watcher = watch(dir, () => {
    if (isTrue()) resolve();
  });
  return promise.finally(() => watcher.close());
}

test("usernsMaps reads the maps of a user namespace, and takes nothing else for one", { skip }, async () => {
  await using bench = await openBench();
  const holder = spawn("unshare", ["--user", "--map-root-user", "sh", "-c", "echo ready; read x"], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  await new Promise((resolve) => holder.stdout.once("data", resolve));
  const { results } = await bench.keel.run([host.usernsMaps(`/proc/${holder.pid}/ns/user`)]);
  holder.stdin.end();
  const [uids, gids] = asList(results[0]).map((text) => parseIdMap(asText(text)));
  const own = (outside = -1) => [{ inside: 0, outside, size: 1 }];
  assert.deepEqual([uids, gids], [own(process.getuid?.()), own(process.getgid?.())]);
  for (const [path, errno] of [
    ["/proc/self/ns/net", EINVAL],
    ["/etc/passwd", EINVAL],
    ["/nowhere", ENOENT],
  ] as const)
    assert.equal((await sysError(bench.keel.run([host.usernsMaps(path)]))).errno, errno);
});

test("run performs host operations in order and yields a result for each", { skip }, async () => {
  await using bench = await openBench();
  const at = (name: string) => join(bench.dir, name);
  const { results, warnings } = await bench.keel.run([
    host.mkdir(at("a/b/c"), 0o750, { parents: true }),
    host.mkdir(at("a/b/c"), 0o700),
    host.put(at("a/file"), "first", 0o600),
    host.put(at("a/file"), "second", 0o640),
    host.write(at("a/file"), "S"),
    host.write(at("a/file"), "not blank", { ifBlank: true }),
    host.put(at("a/blank"), " \n"),
    host.write(at("a/blank"), "filled", { ifBlank: true }),
    host.write(at("a/missing"), "x", { optional: true }),
    host.rename(at("a/file"), at("a/renamed")),
    host.rmdir(at("a/b/c")),
    host.rmdir(at("a/b/c")),
    host.syncfs(bench.dir),
    host.remove(at("nothing")),
  ]);
  assert.deepEqual(results, Array(14).fill(0));
  assert.deepEqual(warnings, [`write ${at("a/missing")}: No such file or directory`]);
  assert.equal(readFileSync(at("a/renamed"), "utf8"), "Second");
  assert.equal(readFileSync(at("a/blank"), "utf8"), "filled");
  assert.equal(statSync(at("a/renamed")).mode & 0o7777, 0o640);
  assert.equal(statSync(at("a/b")).mode & 0o7777, 0o750);
  assert.equal(existsSync(at("a/b/c")), false);
});

test("run reports the failed operation and undoes, newest first", { skip }, async () => {
  await using bench = await openBench();
  const at = (name: string) => join(bench.dir, name);
  const error = await sysError(
    bench.keel.run([
      host.mkdir(at("outer")),
      host.onFailure(host.rmdir(at("outer"))),
      host.mkdir(at("outer/inner")),
      host.onFailure(host.rmdir(at("outer/inner"))), // oldest first would find outer not empty
      host.write(at("missing"), "x"),
      host.mkdir(at("never")),
    ]),
  );
  assert.deepEqual(
    { op: error.op, path: error.path, errno: error.errno, index: error.index },
    { op: "write", path: at("missing"), errno: ENOENT, index: 4 },
  );
  assert.equal(existsSync(at("outer")), false);
  assert.equal(existsSync(at("never")), false);
});

test("a malformed list is refused before anything is done", { skip }, async () => {
  await using bench = await openBench();
  const made = join(bench.dir, "made");
  const bad: Op[] = [
    [9999],
    [2, "path"],
    [2, "path", "mode", 0],
    [2, "nul\0path", 0, 0],
    [128, made, 0, 0, 0, 0, 0],
    [1, [1, [2]]],
  ];
  for (const op of bad) {
    const error = await sysError(bench.keel.run([host.mkdir(made), op]));
    assert.deepEqual([error.op, error.errno, error.index], ["protocol", EINVAL, 1]);
  }
  assert.equal(existsSync(made), false);
});

test("mkdir and rmdir tell what is in the way", { skip }, async () => {
  await using bench = await openBench();
  writeFileSync(join(bench.dir, "file"), "");
  assert.equal((await sysError(bench.keel.run([host.mkdir(join(bench.dir, "file"))]))).errno, EEXIST);
  assert.equal((await sysError(bench.keel.run([host.mkdir(join(bench.dir, "x/y"))]))).errno, ENOENT);
  assert.equal((await sysError(bench.keel.run([host.rmdir(bench.dir)]))).errno, ENOTEMPTY);
});

test("remove takes a tree and leaves what its symlinks point to", { skip }, async () => {
  await using bench = await openBench();
  const tree = join(bench.dir, "tree");
  mkdirSync(join(tree, "locked/deep"), { recursive: true });
  mkdirSync(join(bench.dir, "keep"));
  writeFileSync(join(bench.dir, "keep/file"), "x");
  symlinkSync("../keep", join(tree, "link"));
  chmodSync(join(tree, "locked"), 0);
  await bench.keel.run([host.remove(tree)]);
  assert.equal(existsSync(tree), false);
  assert.equal(existsSync(join(bench.dir, "keep/file")), true);
  assert.equal((await sysError(bench.keel.run([host.remove(`${bench.dir}/..`)]))).errno, EINVAL);
});

test("a new network namespace has its loopback up and is not the host's", { skip }, async () => {
  await using bench = await openBench();
  const { results } = await bench.keel.run([
    host.netnsNew(0),
    netlinkOp(NETLINK_ROUTE, 0, [dumpLinks()]),
    netlinkOp(NETLINK_ROUTE, HOST_NS, [dumpLinks()]),
  ]);
  const [inside, outside] = [decodeLinks(asBytes(results[1])), decodeLinks(asBytes(results[2]))];
  const loopback = inside.find((link) => link.name === "lo");
  assert.equal(loopback?.isUp, true);
  // Another test's namespace has nothing but what the kernel puts into each.
  assert.ok(inside.every((link) => link.isLoopback || !link.isUp));
  assert.deepEqual(outside.map((link) => link.name).includes("lo"), true);
  assert.equal((await sysError(bench.keel.run([host.netnsNew(0), host.netnsNew(0)]))).errno, EINVAL);
  assert.equal((await sysError(bench.keel.run([netlinkOp(NETLINK_ROUTE, 3, [dumpLinks()])]))).errno, EINVAL);
});

test("netlink messages carry the descriptors of registers", { skip }, async () => {
  await using bench = await openBench();
  const { results } = await bench.keel.run([
    host.netnsNew(0),
    host.netnsNew(31),
    netlinkOp(NETLINK_ROUTE, 0, [newVeth({ name: "near0" }, { name: "far0", netns: 31 })]),
    netlinkOp(NETLINK_ROUTE, 0, [getLink({ name: "near0" })]),
    netlinkOp(NETLINK_ROUTE, 31, [dumpLinks()]),
  ]);
  assert.deepEqual(
    decodeLinks(asBytes(results[3])).map((link) => [link.name, link.kind]),
    [["near0", "veth"]],
  );
  assert.ok(decodeLinks(asBytes(results[4])).some((link) => link.name === "far0"));
});

test("a failed netlink message is told by number and by the kernel's own sentence", { skip }, async () => {
  await using bench = await openBench();
  const unknown = newVeth({ name: "x0" }, { name: "x1" });
  const bytes = netlinkOp(NETLINK_ROUTE, 0, [dumpLinks(), unknown]);
  const broken = Buffer.from(asBytes(Buffer.from(bytes[3] as Uint8Array)));
  broken.write("nope", broken.indexOf("veth\0"));
  const error = await sysError(bench.keel.run([host.netnsNew(0), host.netlink(NETLINK_ROUTE, 0, broken)]));
  assert.deepEqual([error.op, error.errno, error.index], ["netlink", EOPNOTSUPP, 1]);
  assert.match(error.message, /: Unknown device type\.? \(message 2\)$/);
  for (const malformed of [Buffer.alloc(0), Buffer.alloc(8), Buffer.from(broken.subarray(0, 20))])
    assert.equal(
      (await sysError(bench.keel.run([host.netlink(NETLINK_ROUTE, HOST_NS, malformed)]))).errno,
      EINVAL,
    );
});

test("an nftables batch is applied whole or not at all", { skip }, async () => {
  await using bench = await openBench();
  const [kept, other] = [
    { family: "inet", name: "kept" } as const,
    { family: "inet", name: "other" } as const,
  ];
  await bench.keel.run([host.netnsNew(0), nftOp([addTable(kept)], 0), nftOp([deleteTable(kept)], 0)]);
  const error = await sysError(
    bench.keel.run([host.netnsNew(0), nftOp([addTable(kept), deleteTable(other), addTable(other)], 0)]),
  );
  assert.deepEqual([error.errno, error.index], [ENOENT, 1]);
  assert.match(error.message, /\(message 3\)$/); // the begin of the batch is the first
});

test("thousands of messages in one batch are all acknowledged", { skip }, async () => {
  await using bench = await openBench();
  const tables = Array.from({ length: 4000 }, (_, i) => addTable({ family: "ip", name: `t${i}` }));
  const { results } = await bench.keel.run([host.netnsNew(0), nftOp(tables, 0)]);
  assert.equal(asBytes(results[1]).length, 0); // acknowledgements are not handed on
});

test("sysctlHost writes the namespace's value only", { skip }, async () => {
  await using bench = await openBench();
  const name = "net/ipv4/ip_default_ttl";
  const before = readFileSync(`/proc/sys/${name}`, "utf8");
  await bench.keel.run([host.netnsNew(0), host.sysctlHost(0, name, "77")]);
  assert.equal(readFileSync(`/proc/sys/${name}`, "utf8"), before);
  const error = await sysError(
    bench.keel.run([host.netnsNew(0), host.sysctlHost(0, "net/ipv4/nothing", "1")]),
  );
  assert.deepEqual([error.op, error.errno], ["sysctl", ENOENT]);
  assert.equal(
    (await sysError(bench.keel.run([host.sysctlHost(HOST_NS, "../../etc/passwd", "1")]))).op,
    "sysctl",
  );
});

test("netnsOpen takes network namespaces only", { skip }, async () => {
  await using bench = await openBench();
  await bench.keel.run([host.netnsOpen(0, "/proc/self/ns/net"), netlinkOp(NETLINK_ROUTE, 0, [dumpLinks()])]);
  for (const path of ["/proc/self/ns/mnt", "/etc/passwd", "/dev/null"])
    assert.equal((await sysError(bench.keel.run([host.netnsOpen(0, path)]))).errno, EINVAL);
});

test("many requests run at the same time, each on a connection of its own", { skip }, async () => {
  await using bench = await openBench();
  const names = Array.from({ length: 40 }, (_, i) => join(bench.dir, `d${i}`));
  await Promise.all(names.map((name) => bench.keel.run([host.mkdir(name)])));
  assert.ok(names.every((name) => existsSync(name)));
});

test("an aborted run stops before its next operation and undoes", { skip }, async () => {
  await using bench = await openBench();
  const cancelled = (error: unknown) => error instanceof Fault && error.kind === "cancelled";
  await assert.rejects(bench.keel.run([], { signal: AbortSignal.abort("early") }), cancelled);
  const [made, file] = [join(bench.dir, "made"), join(bench.dir, "file")];
  await bench.keel.run([host.mkdir(made)]);
  const begun = changed(bench.dir, () => existsSync(file));
  const undone = changed(bench.dir, () => !existsSync(made));
  const controller = new AbortController();
  const running = bench.keel.run(
    [host.onFailure(host.rmdir(made)), ...Array.from({ length: 100_000 }, () => host.put(file, "x"))],
    { signal: controller.signal },
  );
  await Promise.race([begun, running]);
  controller.abort("changed my mind");
  await assert.rejects(running, cancelled);
  await undone;
  await bench.keel.run([]); // others are not affected
});

test("socket paths longer than an address may be", { skip }, async () => {
  await using bench = await openBench();
  const dir = mkdtempSync(join(bench.dir, `${"long-".repeat(30)}`));
  const keel = await startKeel({ keelPath: KEEL, socketPath: join(dir, "agent.sock") });
  assert.deepEqual((await keel.run([])).results, []);
  assert.equal(statSync(join(dir, "agent.sock")).mode & 0o777, 0o600);
  await keel.close();
  assert.equal(existsSync(join(dir, "agent.sock")), false);
  await assert.rejects(
    keel.run([]),
    (error: unknown) => error instanceof Fault && error.kind === "unavailable",
  );
});

test("startKeel tells when keel does not start", { skip }, async () => {
  await using bench = await openBench();
  const unavailable = (error: unknown) => error instanceof Fault && error.kind === "unavailable";
  await assert.rejects(
    startKeel({ keelPath: "/nonexistent/keel", socketPath: join(bench.dir, "s") }),
    unavailable,
  );
  await assert.rejects(startKeel({ keelPath: "/bin/true", socketPath: join(bench.dir, "s") }), unavailable);
});

test("a second agent takes over the socket of a dead one", { skip }, async () => {
  await using bench = await openBench();
  const path = join(bench.dir, "agent.sock");
  const server = createServer().listen(path);
  await new Promise((resolve) => server.once("listening", resolve));
  const keel = await startKeel({ keelPath: KEEL, socketPath: path });
  await keel.run([]);
  await keel.close();
  server.close();
});

test("agent and handlers end when the daemon is killed", { skip }, async () => {
  await using bench = await openBench();
  const socketPath = join(bench.dir, "agent.sock");
  const script = `
    import { startKeel } from ${JSON.stringify(join(import.meta.dirname, "keel.ts"))};
    const keel = await startKeel({ keelPath: ${JSON.stringify(KEEL)}, socketPath: ${JSON.stringify(socketPath)} });
    globalThis.session = await keel.openFs({ kind: "dir", path: ${JSON.stringify(bench.dir)} });
    console.log("ready");
    setInterval(() => {}, 1000);`;
  writeFileSync(join(bench.dir, "daemon.ts"), script);
  const daemon = spawn(process.execPath, [join(bench.dir, "daemon.ts")], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  await new Promise((resolve) => daemon.stdout.once("data", resolve));
  // Our own connection is served by a handler of that agent: when it is closed, the handler is dead.
  const connection = await connectFrames(socketPath);
  void connection.send(encodeFrame([1]));
  const handler = Number((await connection.receive())?.[2]);
  const agent = Number(/^PPid:\s+(\d+)/m.exec(readFileSync(`/proc/${handler}/status`, "utf8"))?.[1]);
  assert.match(readFileSync(`/proc/${agent}/comm`, "utf8"), /^keel-agent/);
  // Stdio, the connection and what shims execute are all a handler has; nothing else is inherited.
  assert.deepEqual(readdirSync(`/proc/${handler}/fd`).sort(), ["0", "1", "2", "3", "4"]);
  daemon.kill("SIGKILL");
  assert.equal(await connection.receive().catch(() => null), null);
  await connection.finish();
  // The handler's end was the agent's, which may wait as a zombie for whoever inherited it.
  const status = existsSync(`/proc/${agent}`) ? readFileSync(`/proc/${agent}/status`, "utf8") : "State:\tZ";
  assert.match(status, /^State:\s+[ZX]/m);
});

test("a killed handler is Fault unavailable, and the next request gets a new one", { skip }, async () => {
  await using bench = await openBench();
  const connection = await connectFrames(bench.socketPath);
  void connection.send(encodeFrame([1]));
  const handler = Number((await connection.receive())?.[2]);
  process.kill(handler, "SIGKILL");
  assert.equal(await connection.receive().catch(() => null), null);
  assert.throws(() => connection.send(encodeFrame([1])), Fault);
  connection.destroy();
  await bench.keel.run([]);
});

test("onExit is called when the agent is killed, not when it is closed", { skip }, async () => {
  await using bench = await openBench();
  let exits = 0;
  const quiet = await startKeel({ keelPath: KEEL, socketPath: join(bench.dir, "a"), onExit: () => exits++ });
  await quiet.close();
  assert.equal(exits, 0);
  const exited = Promise.withResolvers<void>();
  const loud = await startKeel({ keelPath: KEEL, socketPath: join(bench.dir, "b"), onExit: exited.resolve });
  const connection = await connectFrames(join(bench.dir, "b"));
  void connection.send(encodeFrame([1]));
  const handler = Number((await connection.receive())?.[2]);
  process.kill(
    Number(/^PPid:\s+(\d+)/m.exec(readFileSync(`/proc/${handler}/status`, "utf8"))?.[1]),
    "SIGKILL",
  );
  await exited.promise;
  await assert.rejects(
    loud.run([]),
    (error: unknown) => error instanceof Fault && error.kind === "unavailable",
  );
  connection.destroy();
  await loud.close();
});

test("program runs a program of the host's with its input and yields how it ended and what it wrote", {
  skip,
}, async () => {
  await using bench = await openBench();
  const shell = (script: string, input = "", timeoutMs = 10_000) =>
    host.program(["/bin/sh", "-c", script], ["PATH=/bin:/usr/bin", "A=b"], input, timeoutMs);
  const { results } = await bench.keel.run([
    shell("cat; echo $A >&2; ls /proc/self/fd | tr '\\n' ' '; exit 3", "in "),
    shell("kill -TERM $$"),
  ]);
  const said = (index: number) => {
    const [code, output] = asList(results[index]);
    return [code, Buffer.from(asBytes(output)).toString()];
  };
  assert.deepEqual(said(0), [3, "in b\n0 1 2 3 "], "nothing is open but its stdio and what ls opens");
  assert.deepEqual(said(1), [128 + 15, ""]);
  const missing = await sysError(bench.keel.run([host.program(["/proc/missing"], [], "", 1000)]));
  assert.deepEqual([missing.op, missing.path, missing.errno], ["program", "/proc/missing", ENOENT]);
  const late = await sysError(bench.keel.run([shell("sleep 1000", "", 50)]));
  assert.deepEqual([late.op, late.errno], ["program", ETIMEDOUT]);
  for (const wrong of [host.program([], [], "", 1000), host.program(["/bin/true"], [], "", 0)])
    assert.equal((await sysError(bench.keel.run([wrong]))).errno, EINVAL);
});
