// Clients that do not behave: more of them than the daemon has descriptors, heads that never end, readers that sleep.
// The others are answered, memory stays bounded, and when they are gone all is as it was.
import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { after, before, test } from "node:test";
import { clients, procStatus, TestDaemon } from "../e2e/harness.ts";
import { Api } from "../torture/api.ts";

const berth = clients[0] as (typeof clients)[number];
const DESCRIPTORS = 200;
const FLOOD = 500;
/** The long form is that of `make torture`. */
const EVENTS = process.env["BERTH_TORTURE"] === "1" ? 100_000 : 3000;
/** What the daemon may grow by, whatever others do not read. */
const MOST_GROWTH_KB = 96 << 10;

let daemon: TestDaemon;
before(async () => {
  const wrap = (argv: string[]): string[] => ["prlimit", `--nofile=${DESCRIPTORS}:${DESCRIPTORS}`, ...argv];
  daemon = await TestDaemon.start({
    wrap,
    expectedErrors: /EMFILE|too many open files/i,
  });
});
after(() => daemon.close());

const descriptors = (): number => readdirSync(`/proc/${daemon.pid}/fd`).length;
const memoryKb = async (): Promise<number> => Number.parseInt(await procStatus(daemon.pid, "VmRSS"), 10);

/** Opens so many connections, each of which sends `head` and nothing else. */
async function flood(count: number, head: string): Promise<Socket[]> {
  return Promise.all(
    Array.from(
      { length: count },
      () =>
        new Promise<Socket>((resolve) => {
          const socket = connect(daemon.socket, () => {
            socket.write(head);
            resolve(socket);
          });
          // A connection may be refused, or ended by the daemon.
          socket.on("error", () => resolve(socket));
        }),
    ),
  );
}

/** Ends them, and waits until the daemon has noticed. */
async function release(sockets: readonly Socket[], before: number): Promise<void> {
  for (const socket of sockets) socket.destroy();
  const end = Date.now() + 60_000;
  while (descriptors() > before && Date.now() < end) await daemon.request("GET", "/_ping");
  assert.equal(descriptors() <= before, true, `${descriptors()} descriptors, ${before} before`);
}

test("a flood of more clients than there are descriptors is survived, and the next client is answered", async () => {
  await daemon.text(berth, ["run", "-d", "--name", "box", "busybox", "sleep", "1000"]);
  await daemon.request("GET", "/_ping");
  const before = descriptors();
  const sockets = await flood(FLOOD, "GET /events HTTP/1.1\r\nHost: x\r\n\r\n");
  assert.equal(descriptors() <= DESCRIPTORS, true);
  for (const socket of sockets) socket.destroy();
  assert.equal((await daemon.request("GET", "/_ping")).status, 200);
  await release([], before);
  assert.equal(await daemon.text(berth, ["exec", "box", "echo", "inside"]), "inside");
  assert.equal(await daemon.text(berth, ["run", "--rm", "busybox", "echo", "there"]), "there");
  await daemon.text(berth, ["rm", "-f", "box"]);
});

test("heads and bodies that never end hold nobody up", async () => {
  await daemon.text(berth, ["run", "--rm", "busybox", "true"]); // connections to the agent stay
  const before = descriptors();
  const heads = await flood(50, "GET /version HTTP/1.1\r\nHost: ");
  const bodies = await flood(
    30,
    "POST /containers/create HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{",
  );
  assert.equal(await daemon.text(berth, ["run", "--rm", "busybox", "echo", "there"]), "there");
  await release([...heads, ...bodies], before);
});

test("readers of events that sleep cost no memory, and whoever wakes up has them all in order", async () => {
  const api = new Api(daemon.socket, 8);
  const sleepers = await flood(10, "GET /events?since=1 HTTP/1.1\r\nHost: x\r\n\r\n");
  for (const sleeper of sleepers) sleeper.pause();
  const before = await memoryKb();
  for (let i = 0; i < EVENTS; i++) await api.text("POST", `/images/busybox/tag?repo=r&tag=${i}`);
  const growth = (await memoryKb()) - before;
  assert.equal(growth < MOST_GROWTH_KB, true, `${growth} kB more than before`);
  assert.deepEqual(
    await tagsReadBy(sleepers[0] as Socket),
    Array.from({ length: EVENTS }, (_, i) => i),
  );
  for (const sleeper of sleepers) sleeper.destroy();
  for (let i = 0; i < EVENTS; i++) await api.text("DELETE", `/images/r:${i}`);
  api.close();
});

/** Wakes it up, and returns the numbers of the tags of which it hears, up to the last one. */
async function tagsReadBy(sleeper: Socket): Promise<number[]> {
  let text = "";
  sleeper.setEncoding("utf8");
  for await (const chunk of sleeper as AsyncIterable<string>) {
    text += chunk;
    if (text.includes(`"name":"r:${EVENTS - 1}"`)) break;
  }
  return [...text.matchAll(/"name":"r:(\d+)"/g)].map((match) => Number(match[1]));
}
