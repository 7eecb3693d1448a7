// The operation `datagrams` with the real keel: perl receives, since neither Node nor Bun can.
import assert from "node:assert/strict";
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { SysError } from "../lib/errors.ts";
import { KEEL } from "./_keel-testing.ts";
import { type Keel, startKeel } from "./keel.ts";
import { host } from "./ops.ts";

const ECONNREFUSED = 111;
const EAGAIN = 11;
const ENAMETOOLONG = 36;
/** Takes a datagram for each line at its standard input, and prints its size and end. */
const RECEIVER = `
  use Socket; $| = 1; my $path = shift;
  socket(my $s, AF_UNIX, SOCK_DGRAM, 0) or die; bind($s, pack_sockaddr_un($path)) or die; print "ready\\n";
  while (<STDIN>) { recv($s, my $data, 1 << 24, 0); print length $data, " ", substr($data, -3), "\\n" }`;

const dir = mkdtempSync(join(tmpdir(), "berth-datagrams-"));
const path = join(dir, "s");
let keel: Keel;
let receiver: ChildProcessWithoutNullStreams;
let output = "";

before(async () => {
  keel = await startKeel({ keelPath: KEEL, socketPath: join(dir, "agent.sock"), onExit: () => {} });
  receiver = spawn("perl", ["-e", RECEIVER, path]);
  receiver.stdout.on("data", (data: Buffer) => {
    output += data.toString();
  });
  await printed("ready\n");
});
after(async () => {
  receiver.kill();
  await keel.close();
  rmSync(dir, { recursive: true });
});

async function printed(text: string): Promise<void> {
  while (!output.includes(text)) await once(receiver.stdout, "data");
}

async function send(messages: readonly string[], timeoutMs = 1000): Promise<unknown> {
  return (
    await keel.run([
      host.datagrams(
        path,
        messages.map((m) => Buffer.from(m)),
        timeoutMs,
      ),
    ])
  ).results[0];
}

test("datagrams arrive whole, also large and empty ones", async () => {
  assert.deepEqual(await send(["one", "", `${"x".repeat(300_000)}end`]), [3, 0]);
  receiver.stdin.write("\n\n\n");
  await printed("3 one\n0 \n300003 end\n");
  assert.deepEqual(await send([]), [0, 0], "to see whether somebody is there");
});

test("a receiver that is full takes a part, and the rest is told after the time it had", async () => {
  const [sent, errno] = (await send(
    Array.from({ length: 2000 }, (_, i) => `${i}`),
    50,
  )) as [number, number];
  assert.ok(sent > 0 && sent < 2000);
  assert.equal(errno, EAGAIN);
  receiver.stdin.write("\n".repeat(sent));
  await printed(` ${String(sent - 1).slice(-3)}\n`);
});

test("nobody there, and a path that no socket can have, are failures", async () => {
  const failing = (target: string, errno: number) =>
    assert.rejects(
      keel.run([host.datagrams(target, [], 100)]),
      (e) => e instanceof SysError && e.op === "connect" && e.errno === errno,
    );
  await failing(join(dir, "nothing"), 2);
  await failing(`/${"x".repeat(200)}`, ENAMETOOLONG);
  receiver.kill();
  await once(receiver, "exit");
  await failing(path, ECONNREFUSED);
});
