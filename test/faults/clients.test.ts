// Clients that do not behave: more of them than the daemon has descriptors, heads that never end, readers that sleep.
// The others are answered, memory stays bounded, and when they are gone all is as it was.
import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { after, before, test } from "node:test";
import { clients, procStatus, TestDaemon } from "../e2e/harness.ts";
import { readHead } from "../e2e/raw.ts";
import { createBodyReader } from "../../src/lib/http1/body.ts";
import { tarOf } from "../security/tar.ts";
import { Api } from "../torture/api.ts";

const berth = clients[0] as (typeof clients)[number];
const DESCRIPTORS = 200;
const FLOOD = 500;
/** The long form is that of `make torture`. */
const IS_LONG = process.env["BERTH_TORTURE"] === "1";
const EVENTS = IS_LONG ? 40_000 : 4000;
/** With a queue for each of them, of all that happens, the daemon would grow by more than it may. */
const SLEEPERS = 50;
/** Of them: the others never do. */
const WAKE_UP = 9;
/** What the daemon may grow by, whatever others do not read. */
const MOST_GROWTH_KB = (IS_LONG ? 192 : 128) << 10;

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

/** Connections to the agent stay, as many as it was ever asked something at a time. */
const MOST_TO_AGENT = 8;

/** Ends them, and waits until the daemon has noticed. */
async function release(sockets: readonly Socket[], before: number): Promise<void> {
  for (const socket of sockets) socket.destroy();
  const most = before + MOST_TO_AGENT;
  const end = Date.now() + 60_000;
  while (descriptors() > most && Date.now() < end) await daemon.request("GET", "/_ping");
  assert.equal(descriptors() <= most, true, `${descriptors()} descriptors, ${before} before`);
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
  await daemon.text(berth, ["run", "--rm", "busybox", "true"]);
  const before = descriptors();
  const heads = await flood(50, "GET /version HTTP/1.1\r\nHost: ");
  const bodies = await flood(
    30,
    "POST /containers/create HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{",
  );
  assert.equal(await daemon.text(berth, ["run", "--rm", "busybox", "echo", "there"]), "there");
  await release([...heads, ...bodies], before);
});

test("events by the ten thousand a second cost readers that sleep no memory and others no answer; whoever wakes up has them all in order", async () => {
  const api = new Api(daemon.socket, 8);
  const images = await nameOften(api);
  const sleepers = await flood(
    SLEEPERS,
    "GET /events?filters={%22event%22:[%22untag%22,%22delete%22]} HTTP/1.1\r\nHost: x\r\n\r\n",
  );
  for (const sleeper of sleepers) {
    await readHead(sleeper); // from here on nothing is missed
    sleeper.pause();
  }
  const before = await memoryKb();
  let isOver = false;
  const burst = removeAll(api, images).finally(() => {
    isOver = true;
  });
  let answers = 0;
  for (; !isOver; answers++) await api.text("GET", "/_ping");
  await burst;
  assert.equal(answers > 0, true);
  assert.equal(await daemon.text(berth, ["run", "--rm", "busybox", "echo", "there"]), "there");
  const growth = (await memoryKb()) - before;
  assert.equal(growth < MOST_GROWTH_KB, true, `${growth} kB more than before`);
  const count = EVENTS + images.length;
  for (const sleeper of sleepers.slice(-WAKE_UP)) {
    const events = await eventsReadBy(sleeper, count);
    const first = events[0]?.Sequence ?? 0;
    assert.deepEqual(
      events.map(({ Sequence }) => Sequence),
      Array.from({ length: count }, (_, i) => first + i),
    );
    assert.equal(events.filter(({ Action }) => Action === "untag").length, EVENTS);
    if (sleeper === sleepers.at(-1))
      console.log(`${perSecond(events)} events a second, ${answers} answers meanwhile, ${growth} kB`);
  }
  for (const sleeper of sleepers) sleeper.destroy();
  api.close();
});

interface Told {
  readonly Action: string;
  readonly Sequence: number;
  readonly timeNano: number;
}

const NAMES = 2000;

/** Makes images with so many names each, in all as many as there are to be events: each is one when its image is removed. */
async function nameOften(api: Api): Promise<string[]> {
  const images: string[] = [];
  for (let from = 0; from < EVENTS; from += NAMES) {
    const dockerfile = { name: "Dockerfile", content: `FROM busybox\nLABEL flood=${from}\n` };
    const names = Array.from({ length: NAMES }, (_, i) => `t=flood:${from + i}`);
    await api.text("POST", `/build?${names.join("&")}`, tarOf([dockerfile]));
    images.push((await api.json<{ Id: string }>("GET", `/images/flood:${from}/json`)).Id);
  }
  return images;
}

async function removeAll(api: Api, images: readonly string[]): Promise<void> {
  for (const id of images) await api.text("DELETE", `/images/${id}?force=1`);
}

const perSecond = (events: readonly Told[]): number => {
  const [first = 0, last = 0] = [events[0], events.at(-1)].map((event) => event?.timeNano);
  return Math.round((events.length * 1e9) / (last - first));
};

/** Wakes it up, and returns the first so many events that it hears of. */
async function eventsReadBy(sleeper: Socket, count: number): Promise<Told[]> {
  const body = createBodyReader({ kind: "chunked" });
  let text = "";
  let lines = 0;
  for await (const chunk of sleeper as AsyncIterable<Buffer>) {
    const pieces = body.push(chunk).map((piece) => Buffer.from(piece).toString("latin1"));
    const news = pieces.join("");
    lines += news.split("\n").length - 1;
    text += news;
    if (lines >= count) break;
  }
  return text
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Told);
}
