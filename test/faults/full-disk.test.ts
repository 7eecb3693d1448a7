// A disk that is full, at every stage of what writes to it: what cannot be written is told with the reason, leaves nothing, and works again
// when there is room.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { after, afterEach, before, test } from "node:test";
import { clients, type TestDaemon } from "../e2e/harness.ts";
import { TestRegistry } from "../e2e/registry.ts";
import { Api } from "../torture/api.ts";
import { BadDisk } from "./bad-disk.ts";

const berth = clients[0] as (typeof clients)[number];
const NO_SPACE = /no space left on device/i;
/** How much room there is at the tries: a little for the records, and some for a part of the content. */
const ROOM = [64 << 10, 2 << 20];
const BIG = 4 << 20;

let disk: BadDisk;
let daemon: TestDaemon;
before(async () => {
  disk = await BadDisk.make(32, "-m", "0");
  daemon = await disk.start({ expectedErrors: /space|ENOSPC/i, config: { undo: false } });
});
after(async () => {
  await disk.free();
  await daemon.close();
  await disk[Symbol.asyncDispose]();
});

afterEach(() => disk.free());

const text = (...args: string[]) => daemon.text(berth, args);

/** What there is: containers, images, volumes, the cache of builds, and the files that are not records. */
async function everything(): Promise<string[]> {
  const lists = ["/containers/json?all=1", "/images/json?all=1", "/volumes", "/system/df?type=build-cache"];
  const api = new Api(daemon.socket);
  const answers = await Promise.all(lists.map((path) => api.text("GET", path)));
  api.close();
  const ids = answers.join("\n").match(/"(Id|ID|Name)":"[^"]+"/g) ?? [];
  const files = await disk.run("find", disk.path(), "-mindepth", "2", "-maxdepth", "3", "-printf", "%P\n");
  const named = files.stdout.split("\n").filter((f) => !/^(meta|events|lost\+found)\/|^$/.test(f));
  return [...ids, ...named].sort();
}

/** Tries it with ever more room until it has enough; it works in the end. */
async function fails(what: readonly string[], input?: Uint8Array): Promise<string> {
  let earlier = await everything();
  while (earlier.some((file) => file.startsWith("trash/"))) earlier = await everything(); // it is being emptied
  for (const room of ROOM) {
    await disk.leave(room);
    const failed = await daemon.run(berth, what, input === undefined ? {} : { input });
    const told = failed.stdout + failed.stderr;
    assert.notEqual(failed.status, 0, `${what.join(" ")} with ${room} bytes of room: ${told}`);
    assert.match(told, NO_SPACE, `${what.join(" ")} with ${room} bytes of room`);
    assert.equal((await daemon.request("GET", "/_ping")).status, 200);
    await disk.free();
    // What is thrown away goes behind the answer.
    const deadline = Date.now() + 20_000;
    let now = await everything();
    while (String(now) !== String(earlier) && Date.now() < deadline) now = await everything();
    assert.deepEqual(now, earlier, `${what.join(" ")} with ${room} bytes of room left something`);
  }
  return daemon.text(berth, what, input === undefined ? {} : { input });
}

async function isClean(): Promise<void> {
  assert.match(await text("system", "check"), /all is well/);
}

test("create and start", async () => {
  const kept = await text("create", "--name", "kept", "busybox", "true");
  await disk.leave(0);
  for (let attempt = 0; attempt < 3; attempt++) {
    const failed = await daemon.run(berth, [
      "create",
      "--name",
      "fresh",
      "-v",
      "/anonymous",
      "busybox",
      "true",
    ]);
    assert.notEqual(failed.status, 0);
    assert.match(failed.stderr, NO_SPACE);
  }
  assert.equal(await text("ps", "-aq", "--no-trunc"), kept);
  assert.equal((await daemon.inspect("kept")).State.Running, false);
  await disk.free();
  // What could not be taken out of the records goes when the next volume is made.
  await text("volume", "create", "next");
  assert.equal(await text("volume", "ls", "-q"), "next");
  assert.equal(await text("run", "--rm", "--name", "fresh", "busybox", "echo", "there"), "there");
  assert.equal(await text("start", "-a", "kept"), "");
  await text("rm", "kept");
  await text("volume", "rm", "next");
  await isClean();
});

/** Makes an image "big" with a file that does not compress. */
async function makeBig(): Promise<void> {
  await writeFile(daemon.path("content"), randomBytes(BIG));
  await text("create", "--name", "box", "busybox", "true");
  await text("cp", daemon.path("content"), "box:/big");
  await text("commit", "box", "big");
  await text("rm", "box");
}

const isWhole = async (image: string): Promise<void> =>
  assert.match(await text("run", "--rm", image, "wc", "-c", "/big"), new RegExp(`^${BIG} `));

test("load and import", async () => {
  await makeBig();
  const archive = (await daemon.run(berth, ["save", "big"])).bytes;
  const root = (await daemon.run(berth, ["run", "--rm", "big", "tar", "-c", "/big", "/bin"])).bytes;
  await text("rmi", "big");
  await fails(["load"], archive);
  await isWhole("big");
  await text("rmi", "big");
  await fails(["import", "-", "big"], root);
  await isWhole("big");
  await text("rmi", "big");
  await isClean();
});

test("pull", async () => {
  const registry = await TestRegistry.start(daemon.path("registry"), daemon.network, {});
  const name = `${registry.address}/big`;
  await makeBig();
  await text("tag", "big", name);
  await text("push", name);
  await text("rmi", name, "big");
  await fails(["pull", name]);
  await isWhole(name);
  await text("rmi", name);
  await registry.stop();
  await isClean();
});

test("build", async () => {
  const context = daemon.path("context");
  await mkdir(context);
  await writeFile(`${context}/big`, randomBytes(BIG));
  await writeFile(`${context}/Dockerfile`, "FROM busybox\nCOPY big /big\n");
  await fails(["build", "-t", "big", context]);
  await isWhole("big");
  await text("rmi", "big");
  await text("builder", "prune", "-af");
  const run = `FROM busybox\nRUN dd if=/dev/urandom of=/big bs=65536 count=${BIG >> 16}\n`;
  await writeFile(`${context}/Dockerfile`, run);
  await fails(["build", "-t", "big", context]);
  await isWhole("big");
  await text("rmi", "big");
  await text("builder", "prune", "-af");
  await isClean();
});

test("cp and commit", async () => {
  await writeFile(daemon.path("content"), randomBytes(BIG));
  await text("create", "--name", "box", "busybox", "true");
  await disk.leave(1 << 20);
  const failed = await daemon.run(berth, ["cp", daemon.path("content"), "box:/big"]);
  assert.notEqual(failed.status, 0);
  assert.match(failed.stderr, NO_SPACE);
  await disk.free();
  await text("cp", daemon.path("content"), "box:/big");
  await fails(["commit", "box", "big"]);
  await isWhole("big");
  await text("rm", "box");
  await text("rmi", "big");
  await isClean();
});

test("the first filling of a volume", async () => {
  await makeBig();
  await text("create", "--name", "box", "-v", "vol:/full", "busybox", "true");
  await text("rm", "box");
  await text("volume", "rm", "vol");
  const context = daemon.path("filled");
  await mkdir(context);
  await writeFile(`${context}/Dockerfile`, "FROM big\nRUN mkdir /full && mv /big /full/big\n");
  await text("build", "-t", "filled", context);
  const start = ["run", "--rm", "-v", "vol:/full", "filled", "wc", "-c", "/full/big"];
  await disk.leave(2 << 20);
  const failed = await daemon.run(berth, start);
  assert.notEqual(failed.status, 0);
  assert.match(failed.stderr, NO_SPACE);
  await disk.free();
  // It is not taken for filled.
  assert.match(await text(...start), new RegExp(`^${BIG} `));
  await text("volume", "rm", "vol");
  await text("rmi", "filled", "big");
  await text("builder", "prune", "-af");
  await isClean();
});

test("records: names, tags, networks", async () => {
  await text("create", "--name", "box", "busybox", "true");
  await disk.leave(0);
  // A few find room in the last block of the records' file.
  let name = "box";
  for (let round = 0; ; round++) {
    const failed = await daemon.run(berth, ["rename", name, `box${round}`]);
    if (failed.status === 0) name = `box${round}`;
    else assert.match(failed.stderr, NO_SPACE);
    if (failed.status !== 0) break;
  }
  const changes = [
    ["rename", name, "other"],
    ["tag", "busybox", "other"],
    ["network", "create", "other"],
    ["volume", "create", "other"],
  ];
  for (const change of changes) {
    const failed = await daemon.run(berth, change);
    assert.notEqual(failed.status, 0, change.join(" "));
    assert.match(failed.stderr, NO_SPACE, change.join(" "));
  }
  assert.equal((await daemon.inspect(name)).Name, `/${name}`);
  await daemon.kill();
  await disk.free();
  await daemon.up();
  assert.equal((await daemon.inspect(name)).Name, `/${name}`);
  assert.equal(await text("network", "ls", "-q", "--filter", "name=other"), "");
  for (const change of changes) await text(...change);
  await text("rm", "other");
  await text("rmi", "other");
  await text("network", "rm", "other");
  await text("volume", "rm", "other");
  await isClean();
});

test("containers end, are stopped and are removed, and with them there is room again", async () => {
  await text("create", "--name", "ends", "busybox", "sh", "-c", "head -c 200000 /dev/urandom; exit 7");
  await text(
    "run",
    "-d",
    "--restart",
    "always",
    "--stop-signal",
    "KILL",
    "--name",
    "runs",
    "busybox",
    "sleep",
    "1000",
  );
  await text("create", "--name", "leaves", "--rm", "busybox", "sh", "-c", "exit 8");
  await text("exec", "runs", "dd", "if=/dev/zero", "of=/big", "bs=65536", `count=${BIG >> 16}`);
  await disk.leave(256 << 10);
  const ended = await daemon.run(berth, ["start", "-a", "ends"]);
  assert.equal(ended.status, 7, ended.stderr);
  assert.equal(ended.bytes.length, 200_000);
  await disk.leave(256 << 10);
  const gone = await daemon.run(berth, ["start", "-a", "leaves"]);
  assert.equal(gone.status, 8, gone.stderr);
  await disk.leave(0);
  await text("stop", "runs");
  const { State } = await daemon.inspect("runs");
  assert.deepEqual([State.Status, State.ExitCode], ["exited", 137]);
  await text("rm", "runs");
  await text("create", "--name", "fresh", "busybox", "true");
  await disk.free();
  await daemon.kill();
  await daemon.up();
  const left = await text("ps", "-a", "--format", "{{.Names}} {{.State}}");
  assert.deepEqual(left.split("\n").sort(), ["ends exited", "fresh created"]);
  assert.equal((await daemon.inspect("ends")).State.ExitCode, 7);
  await text("rm", "ends", "fresh");
  await isClean();
});

test("how a container ended is not forgotten, although the daemon is killed before there is room", async () => {
  await text("create", "-i", "--name", "box", "busybox", "sh", "-c", "read line; exit 9");
  const live = daemon.live(berth, ["start", "-ai", "box"]);
  while (!(await daemon.inspect("box")).State.Running);
  await disk.leave(0);
  live.stdin.end("go\n");
  assert.equal((await live.ended).status, 9);
  assert.equal((await daemon.inspect("box")).State.ExitCode, 9);
  await daemon.kill();
  await disk.free();
  await daemon.up();
  const { State } = await daemon.inspect("box");
  assert.deepEqual([State.Status, State.ExitCode], ["exited", 9]);
  await text("rm", "box");
  await isClean();
});

test("a container that goes when it ends is gone although that cannot be written", async () => {
  const script = "read line; exit 9";
  const names = ["one", "two", "three", "four", "five"];
  const running = names.map((name) =>
    daemon.live(berth, [
      "run",
      "-i",
      "--rm",
      "-v",
      "/anonymous",
      "--name",
      name,
      "busybox",
      "sh",
      "-c",
      script,
    ]),
  );
  for (const name of names)
    while ((await daemon.run(berth, ["ps", "-q", "--filter", `name=${name}`])).stdout === "");
  await disk.leave(0);
  for (const live of running) {
    live.stdin.end("go\n");
    assert.equal((await live.ended).status, 9);
  }
  assert.equal(await text("ps", "-aq"), "");
  await daemon.kill();
  await disk.free();
  await daemon.up();
  assert.equal(await text("ps", "-aq"), "");
  assert.equal(await text("volume", "ls", "-q"), "");
  await isClean();
});

test("a log that cannot be written holds nobody up, and goes on when there is room", async () => {
  const script = "while read line; do echo said $line; done";
  await text("run", "-d", "-i", "--name", "box", "busybox", "sh", "-c", script);
  const attached = daemon.live(berth, ["attach", "box"]);
  attached.stdin.write("first\n");
  await attached.prints("said first");
  await disk.leave(0);
  for (let line = 0; line < 500; line++) attached.stdin.write(`${line} ${"x".repeat(200)}\n`);
  await attached.prints("said 499");
  await disk.free();
  attached.stdin.write("last\n");
  await attached.prints("said last");
  const log = await text("logs", "box");
  assert.match(log, /^said first\n/);
  assert.match(log, /said last$/);
  attached.kill("SIGKILL");
  await text("rm", "-f", "box");
  await isClean();
});
