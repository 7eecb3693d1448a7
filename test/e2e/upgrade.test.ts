// Another build of the daemon takes over the directories of the one before, forwards and back: containers, their streams, logs,
// ports and policies go on under shims of the other build.
import assert from "node:assert/strict";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { Live } from "./command.ts";
import { type Client, clients, TestDaemon } from "./harness.ts";
import { buildNewer, NEWER_VERSION } from "./newer-build.ts";

const client = clients[0] as Client;
let daemon: TestDaemon;
let scratch: string;
let newer: string;

before(async () => {
  scratch = await mkdtemp(join(tmpdir(), "berth-upgrade-"));
  newer = await buildNewer(scratch);
  daemon = await TestDaemon.start();
});
after(async () => {
  await daemon.close();
  await rm(scratch, { recursive: true, force: true });
});

const text = (...args: string[]) => daemon.text(client, args);
const serverVersion = () => text("version", "--format", "{{.Server.Version}}");
const page = async (port: number): Promise<string> =>
  (await daemon.network.run(["curl", "-s", "--max-time", "2", `http://127.0.0.1:${port}/`])).stdout;

async function startService(name: string, port: number): Promise<number> {
  const program =
    "echo page > /tmp/index.html; httpd -p 80 -h /tmp; echo ready; while read -r line; do echo heard $line; done";
  const args = ["-i", "--restart", "unless-stopped", "-p", `${port}:80`, "busybox", "sh", "-c", program];
  await text("run", "-d", "--name", name, ...args);
  const logs = daemon.live(client, ["logs", "-f", name]);
  await logs.prints("ready");
  logs.kill("SIGKILL");
  return (await daemon.inspect(name)).State.Pid;
}

/** Connects to a published port; whoever writes a line to it has it back from the container. */
async function connectTo(address: string): Promise<Live> {
  const [host, port] = address.split(/:(?=\d+$)/) as [string, string];
  const script =
    'exec 3<>"/dev/tcp/$0/$1"; echo connected; while read -r line; do echo "$line" >&3; read -r line <&3; echo "back $line"; done';
  const live = new Live(daemon.network.wrap(["bash", "-c", script, host, port]), { timeoutMs: 170_000 });
  await live.prints("connected");
  return live;
}

/** Everything that a running container has must work. */
async function checkService(name: string, port: number, pid: number, word: string): Promise<void> {
  assert.equal((await daemon.inspect(name)).State.Pid, pid, "the same process");
  assert.equal(await page(port), "page\n");
  assert.equal(await text("exec", name, "cat", "/tmp/index.html"), "page");
  const attached = daemon.live(client, ["attach", name]);
  attached.stdin.write(`${word}\n`);
  await attached.prints(`heard ${word}`);
  attached.kill("SIGKILL");
  assert.match(await text("logs", name), new RegExp(`^ready\n[^]*heard ${word}$`));
}

test("connections to published ports stay open over an upgrade and a kill", async () => {
  const older = daemon.program;
  const echo = ["busybox", "nc", "-ll", "-p", "81", "-e", "cat"];
  await text("run", "-d", "--name", "echo", "-p", "18203:81", ...echo);
  const { NetworkSettings } = await daemon.inspect("echo");
  const addresses = ["127.0.0.1:18203", `${NetworkSettings.Networks["bridge"]?.Gateway}:18203`];
  const open = await Promise.all(addresses.map((address) => connectTo(address)));
  const says = async (word: string): Promise<void> => {
    for (const [i, connection] of open.entries()) {
      connection.stdin.write(`${word}${i}\n`);
      await connection.prints(`back ${word}${i}`);
    }
  };
  await says("before");
  await daemon.terminate();
  await says("meanwhile");
  daemon.program = [newer];
  await daemon.up();
  await says("newer");
  await daemon.kill();
  daemon.program = older;
  await daemon.up();
  await says("older");
  for (const connection of open) connection.kill("SIGKILL");
  await text("rm", "-f", "echo");
});

test("an upgrade and the way back leave containers, streams, logs and ports intact", async () => {
  const older = daemon.program;
  const oldVersion = await serverVersion();
  assert.notEqual(oldVersion, NEWER_VERSION);
  const first = await startService("first", 18201);

  await daemon.terminate();
  daemon.program = [newer];
  await daemon.up();
  assert.equal(await serverVersion(), NEWER_VERSION);
  await checkService("first", 18201, first, "one");
  const second = await startService("second", 18202);
  const keels = (await readdir(daemon.path("run"))).filter((name) => name.startsWith("keel-"));
  assert.equal(keels.length, 2, "each shim has the keel it was started with");

  // The other way it is not even asked.
  await daemon.kill();
  daemon.program = older;
  await daemon.up();
  assert.equal(await serverVersion(), oldVersion);
  await checkService("first", 18201, first, "two");
  await checkService("second", 18202, second, "three");
  await text("restart", "-t", "0", "second");
  assert.notEqual(
    (await daemon.inspect("second")).State.Pid,
    second,
    "the other build's container starts again",
  );
  for (const name of ["first", "second"]) await text("rm", "-f", name);
  assert.equal(await page(18201), "");
});
