// A program that shows containers live, as ctop and lazydocker do: it lists them, follows the events, keeps a stream of statistics of each
// open, the stopped ones included, and reads the ends of logs. Another client, in the same program, makes something happen. Prints what
// it saw, the same with every run, and fails with the first step that fails.
import assert from "node:assert/strict";
import type { Readable } from "node:stream";
import Docker from "dockerode";

// Both engines know this version.
const reader = new Docker({ version: "v1.41" });
const actor = new Docker({ version: "v1.41" });
const say = (...words: unknown[]): void => console.log(...words);

/** The items of a stream of JSON lines, and waiting for one. */
class Feed<T> {
  readonly #items: T[] = [];
  readonly #looks = new Set<() => void>();
  readonly stream: Readable;
  hasEnded = false;

  constructor(stream: NodeJS.ReadableStream) {
    this.stream = stream as Readable;
    let rest = "";
    this.stream.on("data", (chunk: Buffer) => {
      const lines = (rest + chunk.toString()).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) if (line.trim() !== "") this.#items.push(JSON.parse(line) as T);
      this.#look();
    });
    for (const end of ["end", "close", "error"])
      this.stream.on(end, () => {
        this.hasEnded = true;
        this.#look();
      });
  }

  #look(): void {
    for (const look of this.#looks) look();
  }

  /** Resolves to what `find` makes of the items as soon as it makes something. */
  #when<R>(find: () => R | undefined): Promise<R> {
    return new Promise((resolve) => {
      const look = (): void => {
        const found = find();
        if (found === undefined) return;
        this.#looks.delete(look);
        resolve(found);
      };
      this.#looks.add(look);
      look();
    });
  }

  get length(): number {
    return this.#items.length;
  }

  /** The first item behind `from` that `wanted` takes. */
  next(wanted: (item: T) => boolean, from = 0): Promise<T> {
    return this.#when(() => this.#items.slice(from).find(wanted));
  }

  ended(): Promise<true> {
    return this.#when(() => this.hasEnded || undefined);
  }
}

interface Event {
  Type: string;
  Action: string;
  Actor: { ID: string; Attributes: Record<string, string> };
}
interface Stats extends Docker.ContainerStats {
  name: string;
  id: string;
}

const runs = (stats: Stats): boolean => (stats.pids_stats?.current ?? 0) > 0;
/** The names of the fields, two levels deep, which a reader takes for granted; those of Debian's engine. */
const shapeOf = (stats: Stats): string[] =>
  Object.entries(stats)
    .flatMap(([key, value]) =>
      ["cpu_stats", "precpu_stats", "networks"].includes(key)
        ? Object.keys(value as object).map((inner) => `${key}.${inner}`)
        : [key],
    )
    .filter((key) => key !== "os_type")
    .sort();

/** What the frames of a log that is not followed hold. */
async function logs(container: Docker.Container, options: object): Promise<string> {
  const bytes = await container.logs({ stdout: true, stderr: true, ...options, follow: false });
  let text = "";
  for (let at = 0, end; at < bytes.length; at = end) {
    end = at + 8 + bytes.readUInt32BE(at + 4);
    text += bytes.subarray(at + 8, end).toString();
  }
  return text;
}

const make = (name: string, script: string): Promise<Docker.Container> =>
  actor.createContainer({ name, Image: "busybox", Cmd: ["sh", "-c", script], Labels: { by: "reader" } });
const busy = await make(
  "busy",
  "i=0; while [ $i -lt 50 ]; do echo line $i; i=$((i+1)); done; exec sleep 600",
);
await busy.start();
const idle = await make("idle", "read x < /dev/null; exec sleep 600");

// What it begins with.
const events = new Feed<Event>((await reader.getEvents({})) as NodeJS.ReadableStream);
const listed = await reader.listContainers({ all: true, filters: { label: ["by=reader"] } });
for (const c of listed.sort((a, b) => (a.Names[0] ?? "").localeCompare(b.Names[0] ?? "")))
  say("listed", c.Names, c.Image, c.Command, c.State, Object.keys(c.NetworkSettings.Networks));
const feeds = new Map<string, Feed<Stats>>();
for (const { Id } of listed)
  feeds.set(Id, new Feed<Stats>(await reader.getContainer(Id).stats({ stream: true })));
const feedOf = (container: Docker.Container): Feed<Stats> => {
  const feed = feeds.get(container.id);
  assert.ok(feed !== undefined);
  return feed;
};

// Two samples of one that runs make a rate.
const first = await feedOf(busy).next(runs);
const second = await feedOf(busy).next((s) => runs(s) && s.read > first.read);
assert.equal(second.preread, first.read);
assert.deepEqual(second.precpu_stats.cpu_usage.total_usage, first.cpu_stats.cpu_usage.total_usage);
assert.ok(second.cpu_stats.system_cpu_usage > first.cpu_stats.system_cpu_usage);
assert.ok(second.cpu_stats.online_cpus > 0 && second.memory_stats.usage > 0 && second.memory_stats.limit > 0);
assert.ok((second.networks["eth0"]?.rx_bytes ?? -1) >= 0);
say("statistics of", second.name, second.id === busy.id, shapeOf(second));
// One that does not run is there with nothing.
const none = await feedOf(idle).next(() => true);
say(
  "statistics of",
  none.name,
  runs(none),
  none.cpu_stats.cpu_usage.total_usage,
  none.networks ?? "no networks",
);

// It starts: the same stream goes on with numbers.
const silent = feedOf(idle).length;
await idle.start();
await events.next((e) => e.Action === "start" && e.Actor.ID === idle.id);
await feedOf(idle).next(runs, silent);
say("idle runs:", (await idle.inspect()).State.Status);

// The ends of logs.
say("tail", JSON.stringify(await logs(busy, { tail: 3 })));
say("tail 0", JSON.stringify(await logs(busy, { tail: 0 })));
const stamped = await logs(busy, { tail: 1, timestamps: true });
assert.match(stamped, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z line 49\n$/);
assert.equal(await logs(busy, { since: Math.floor(Date.now() / 1000) + 60 }), "");

// Something happens to them while all streams are open.
const exec = await busy.exec({ Cmd: ["true"] });
await exec.start({});
await events.next((e) => e.Action === "exec_die");
await busy.pause();
const paused = feedOf(busy).length;
await feedOf(busy).next(runs, paused);
say("busy is", (await busy.inspect()).State.Status, "and has statistics");
await busy.unpause();
await busy.rename({ name: "active" });
await idle.restart({ t: 0 });
const again = feedOf(idle).length;
await feedOf(idle).next(runs, again);
await busy.stop({ t: 0 });
const stopped = feedOf(busy).length;
const last = await feedOf(busy).next((s) => !runs(s), stopped);
say("statistics of", last.name, runs(last));

// A stream ends with its container, the others go on.
await busy.remove();
await feedOf(busy).ended();
const rest = feedOf(idle).length;
await feedOf(idle).next(runs, rest);
say("idle goes on:", !feedOf(idle).hasEnded);
await assert.rejects(reader.getContainer(busy.id).stats({ stream: true }), { statusCode: 404 });
await idle.remove({ force: true });
await feedOf(idle).ended();

// What the events said, and in which order.
await events.next((e) => e.Action === "destroy" && e.Actor.ID === idle.id);
events.stream.destroy();
for (const container of [busy, idle]) {
  const told: string[] = [];
  for (let from = 0; ; from++) {
    if (from >= events.length) break;
    const e = await events.next(() => true, from);
    if (e.Type === "container" && e.Actor.ID === container.id)
      told.push(`${e.Action} ${e.Actor.Attributes["name"]} ${e.Actor.Attributes["exitCode"] ?? ""}`.trim());
  }
  say(told);
}
