// Events: the same stream as Docker Engine's for the same work, filters, times, forms of the stream, replay after a restart
// and a kill of the daemon, and resuming from a number.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, afterEach, before, describe, test } from "node:test";
import { run } from "./command.ts";
import { type Story, tellStory } from "./event-story.ts";
import { clients, TestDaemon } from "./harness.ts";

let daemon: TestDaemon;
before(async () => {
  daemon = await TestDaemon.start();
});
afterEach(() => daemon.removeContainers());
after(() => daemon.close());

const hasDocker = clients.some(({ name }) => name === "docker");
const [berth] = clients as [(typeof clients)[number]];

interface Message {
  readonly Type: string;
  readonly Action: string;
  readonly Actor: { readonly ID: string; readonly Attributes: Readonly<Record<string, string>> };
  readonly Sequence: number;
}

/** What has happened up to now, by a query. */
async function past(query = ""): Promise<Message[]> {
  const target = `http://d/events?until=${(Date.now() + 1) / 1000}${query}`;
  const { stdout } = await run(["curl", "-sf", "-g", "--unix-socket", daemon.socket, target]);
  return stdout
    .split("\n")
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Message);
}

const filters = (by: Readonly<Record<string, readonly string[]>>): string =>
  `&filters=${encodeURIComponent(JSON.stringify(by))}`;

async function container(...args: string[]): Promise<string> {
  return daemon.text(berth, ["run", "-d", "--network", "none", ...args, "busybox", "sleep", "1000"]);
}

test("the story has the events that Docker Engine gave it", { skip: !hasDocker }, async () => {
  const file = new URL("./testdata/events.json", import.meta.url);
  const expected = JSON.parse(await readFile(file, "utf8")) as Story;
  const seen = await tellStory({ socket: daemon.socket, dir: daemon.dir });
  for (const [chapter, events] of Object.entries(expected)) assert.deepEqual(seen[chapter], events, chapter);
});

test("a container that runs out of memory says so before it dies", async () => {
  const dd = ["dd", "if=/dev/zero", "of=/dev/null", "bs=64M", "count=1"];
  await daemon.run(berth, ["run", "--name", "hungry", "-m", "6m", "--memory-swap", "6m", "busybox", ...dd]);
  const actions = (await past(filters({ container: ["hungry"], type: ["container"] }))).map((e) => e.Action);
  assert.deepEqual(actions, ["create", "attach", "start", "oom", "die"]);
});

test("pruning says how much it has reclaimed", async () => {
  await daemon.text(berth, ["run", "--name", "wrote", "busybox", "sh", "-c", "echo 12345 > /file"]);
  await daemon.text(berth, ["container", "prune", "-f"]);
  await daemon.text(berth, ["image", "prune", "-f"]);
  await daemon.text(berth, ["builder", "prune", "-f"]);
  const pruned = (await past(filters({ event: ["prune"] }))).map((e) => [e.Type, e.Actor]);
  assert.deepEqual(pruned, [
    ["container", { ID: "", Attributes: { reclaimed: "6" } }],
    ["image", { ID: "", Attributes: { reclaimed: "0" } }],
    ["builder", { ID: "", Attributes: { reclaimed: "0" } }],
  ]);
});

test("a daemon that takes over its configuration says so", async () => {
  const live = daemon.events();
  process.kill(daemon.pid, "SIGHUP");
  await live.prints('"Action":"reload"');
  live.kill("SIGKILL");
  const [event] = await past(filters({ type: ["daemon"] }));
  const { Name, ID } = (await daemon.request("GET", "/info")).body as { Name: string; ID: string };
  assert.equal(event?.Actor.ID, ID);
  assert.deepEqual(event?.Actor.Attributes, {
    debug: "false",
    "insecure-registries": "[]",
    labels: "[]",
    "live-restore": "true",
    "max-concurrent-downloads": "3",
    "max-concurrent-uploads": "5",
    "max-download-attempts": "5",
    name: Name,
    "registry-mirrors": "[]",
    "shutdown-timeout": "15",
  });
});

test("an image that is made is an event since API 1.46, before it gets a name", async () => {
  await daemon.text(berth, ["create", "--name", "source", "busybox", "true"]);
  const id = await daemon.text(berth, ["commit", "source", "made:1"]);
  const actions = async (version: string): Promise<string[]> => {
    const query = `until=${(Date.now() + 1) / 1000}${filters({ type: ["image"], image: [id, "made"] })}`;
    const { stdout } = await run([
      "curl",
      "-sfg",
      "--unix-socket",
      daemon.socket,
      `http://d/${version}/events?${query}`,
    ]);
    return stdout
      .split("\n")
      .filter(Boolean)
      .map((line) => (JSON.parse(line) as Message).Action);
  };
  assert.deepEqual(await actions("v1.46"), ["create", "tag"]);
  assert.deepEqual(await actions("v1.45"), ["tag"]);
  await daemon.text(berth, ["rm", "source"]);
  await daemon.text(berth, ["rmi", "made:1"]);
});

test("filters choose by object, label, image, type, action and scope, as Docker's do", async () => {
  const id = await container("--name", "chosen", "--label", "tier=front", "--label", "zone=a");
  await container("--name", "other", "--label", "tier=front");
  const names = async (by: Readonly<Record<string, readonly string[]>>): Promise<string> =>
    (await past(filters({ event: ["create"], ...by }))).map((e) => e.Actor.Attributes["name"]).join();
  assert.equal(await names({ container: ["chosen", "other"] }), "chosen,other");
  assert.equal(await names({ container: [id.slice(0, 12)] }), "chosen");
  assert.equal(await names({ container: ["chos"] }), "chosen");
  assert.equal(await names({ label: ["tier=front"], type: ["container"] }), "chosen,other");
  assert.equal(await names({ label: ["tier=front", "zone"] }), "chosen");
  assert.equal(await names({ image: ["busybox"], label: ["zone=a"] }), "chosen");
  assert.equal(await names({ image: ["busybox:latest"], label: ["zone=a"] }), "");
  assert.equal(await names({ scope: ["swarm"] }), "");
  assert.equal(await names({ colour: ["red"], label: ["zone=a"] }), "chosen");
});

test("times that are none, and an end before the beginning, are refused", async () => {
  const refusal = async (query: string) => (await daemon.request("GET", `/events?${query}`)).body;
  assert.deepEqual(await refusal("since=soon"), {
    message: `invalid value for 'since': invalid timestamp "soon": invalid seconds "soon": invalid syntax`,
  });
  assert.deepEqual(await refusal("until=1.x"), {
    message: `invalid value for 'until': invalid timestamp "1.x": invalid nanoseconds: invalid character 'x' at position 0`,
  });
  assert.deepEqual(await refusal("since=2&until=1"), {
    message: "`since` time (2) cannot be after `until` time (1)",
  });
});

test("the stream has the form that is asked for", async () => {
  const form = async (version: string, accept?: string): Promise<string[]> => {
    const head = accept === undefined ? [] : ["-H", `Accept: ${accept}`];
    const target = `http://d/${version}/events?since=1&until=2`;
    const { stdout } = await run(["curl", "-si", ...head, "--unix-socket", daemon.socket, target]);
    return /^content-type: (.*)\r$/im.exec(stdout)?.slice(1) ?? [];
  };
  assert.deepEqual(await form("v1.51"), ["application/json"]);
  assert.deepEqual(await form("v1.52"), ["application/jsonl"]);
  assert.deepEqual(await form("v1.52", "text/plain, */*"), ["application/jsonl"]);
  assert.deepEqual(await form("v1.41", "application/x-ndjson"), ["application/x-ndjson"]);
  assert.deepEqual(await form("v1.52", "application/jsonl;q=0.5, application/json-seq"), [
    "application/json-seq",
  ]);
  const target = "http://d/v1.52/events?until=2000000000&since=0";
  const head = ["-H", "Accept: application/json-seq", "-m", "1"];
  const { stdout } = await run(["curl", "-s", ...head, "--unix-socket", daemon.socket, target]);
  const [first, ...rest] = stdout.split("\u001e");
  assert.equal(first, "");
  assert.ok(rest.length > 0);
  for (const record of rest) assert.match(record, /^\{"Type":.*\}\n$/);
});

test("history and numbers go on over a restart and a kill of the daemon, and a client resumes where it was", async () => {
  await container("--name", "before");
  const seen = await past();
  await daemon.terminate();
  await daemon.up();
  assert.deepEqual(await past(`&until=${Date.now() / 1000}`), seen);
  const { Sequence: last = 0 } = seen.at(-1) ?? {};
  await daemon.text(berth, ["rename", "before", "renamed"]);
  await daemon.kill();
  await daemon.up();
  await daemon.text(berth, ["rename", "renamed", "again"]);
  const since = await past(`&after=${last}`);
  assert.deepEqual(
    since.map((e) => [e.Action, e.Actor.Attributes["oldName"], e.Sequence]),
    [
      ["rename", "/before", last + 1],
      ["rename", "/renamed", last + 2],
    ],
  );
  const ahead = await daemon.request("GET", `/events?after=${last + 3}`);
  assert.deepEqual(ahead, {
    status: 400,
    body: { message: `cannot resume after event ${last + 3}: the latest event is ${last + 2}` },
  });
});

describe("the command line", () => {
  test("resumes with --after and shows numbers", async () => {
    await container("--name", "numbered");
    const [first] = (await past(filters({ container: ["numbered"] }))) as [Message];
    const args = ["--after", String(first.Sequence), "--until", String(Math.ceil(Date.now() / 1000))];
    const format = ["--format", "{{.Sequence}} {{.Action}}", "--filter", "type=container"];
    const text = await daemon.text({ name: "berth", argv: berth.argv }, ["events", ...args, ...format]);
    assert.equal(text, `${first.Sequence + 2} start`);
    const refused = await daemon.run(berth, ["events", "--after", "x"]);
    assert.equal(refused.status, 125);
    assert.match(refused.stderr, /invalid argument "x" for "--after" flag/);
  });

  test("prints what docker prints", { skip: !hasDocker }, async () => {
    await daemon.text(berth, [
      "run",
      "--rm",
      "--label",
      "b=2",
      "--label",
      "a=1 2",
      "--name",
      "same",
      "busybox",
      "true",
    ]);
    const until = ["--since", "1h", "--until", String(Math.ceil(Date.now() / 1000))];
    for (const args of [
      [],
      ["--format", "json"],
      ["--format", "{{json .}}"],
      [
        "--format",
        "{{.Type}}\t{{.Action}} {{.Status}} {{.ID}} {{.From}} {{.TimeNano}} {{.Actor.Attributes}}",
      ],
      ["-f", "type=network", "-f", "event=connect", "-f", "event=disconnect"],
      ["-f", "container=same", "--since", "2020-01-01T00:00:00"],
    ]) {
      const [ours, theirs] = await Promise.all(
        clients.map((client) => daemon.text(client, ["events", ...until, ...args])),
      );
      assert.ok((ours?.length ?? 0) > 100, args.join(" "));
      assert.equal(ours, theirs, args.join(" "));
    }
    for (const args of [
      ["--since", "soon"],
      ["--until", "2020-13-01"],
      ["--until", "2020-02-31"],
      ["--since", "2021-02-29T10"],
      ["--since", "2020-01-01T24:00"],
      ["--format", "{{.Nosuch}}"],
      ["-f", "x"],
    ]) {
      const [ours, theirs] = await Promise.all(
        clients.map((client) => daemon.run(client, ["events", ...args])),
      );
      assert.deepEqual(
        [ours?.status, ours?.stderr.replaceAll("berth", "docker")],
        [theirs?.status, theirs?.stderr],
        args.join(" "),
      );
    }
  });
});
