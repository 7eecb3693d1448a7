// Three hundred containers at once: all run, all are listed, a new daemon finds them all, and nothing is left of them.
import assert from "node:assert/strict";
import { Agent, request } from "node:http";
import { after, before, test } from "node:test";
import { Lane } from "../../src/lib/lanes.ts";
import { type Client, clients, isAlive, TestDaemon } from "./harness.ts";

const COUNT = 300;
/** Of these so many have an address; the others have no network. */
const ON_BRIDGE = 30;
/** Requests at a time, as an impatient orchestrator would send them. */
const WIDTH = 16;

let daemon: TestDaemon;
const agent = new Agent({ keepAlive: true, maxSockets: WIDTH });
before(async () => {
  daemon = await TestDaemon.start();
});
after(async () => {
  agent.destroy();
  await daemon.close();
});

/** A request without a program of its own. */
function send(method: string, path: string, body?: unknown): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const headers = body === undefined ? {} : { "Content-Type": "application/json" };
    const outgoing = request({ socketPath: daemon.socket, method, path, agent, headers }, (answer) => {
      let text = "";
      answer.setEncoding("utf8");
      answer.on("data", (chunk: string) => {
        text += chunk;
      });
      answer.on("end", () => resolve({ status: answer.statusCode ?? 0, text }));
    });
    outgoing.on("error", reject);
    outgoing.end(body === undefined ? undefined : JSON.stringify(body));
  });
}

async function onAll(names: readonly string[], work: (name: string) => Promise<void>): Promise<void> {
  const lane = new Lane(WIDTH);
  await Promise.all(names.map((name) => lane.run(() => work(name))));
}

async function start(name: string): Promise<void> {
  const isOnBridge = Number(name.slice(1)) < ON_BRIDGE;
  const HostConfig = { NetworkMode: isOnBridge ? "bridge" : "none" };
  const body = { Image: "busybox", Cmd: ["sleep", "100000"], HostConfig };
  const created = await send("POST", `/containers/create?name=${name}`, body);
  assert.equal(created.status, 201, created.text);
  const started = await send("POST", `/containers/${name}/start`);
  assert.equal(started.status, 204, started.text);
}

interface Listed {
  Id: string;
  Names: string[];
  State: string;
  NetworkSettings: { Networks: Record<string, { IPAddress: string }> };
}
const list = async (): Promise<Listed[]> =>
  JSON.parse((await send("GET", "/containers/json?all=1")).text) as Listed[];

async function pids(names: readonly string[]): Promise<Map<string, number>> {
  const found = new Map<string, number>();
  await onAll(names, async (name) => {
    const { text } = await send("GET", `/containers/${name}/json`);
    found.set(name, (JSON.parse(text) as { State: { Pid: number } }).State.Pid);
  });
  return found;
}

test("three hundred containers", async () => {
  const client = clients[0] as Client;
  const names = Array.from({ length: COUNT }, (_, i) => `n${i}`);
  await onAll(names, start);
  const all = await list();
  assert.equal(all.filter((c) => c.State === "running").length, COUNT);
  const addresses = all.flatMap((c) => c.NetworkSettings.Networks["bridge"]?.IPAddress ?? []);
  assert.equal(new Set(addresses).size, ON_BRIDGE);
  assert.equal((await daemon.text(client, ["ps", "-q"])).split("\n").length, COUNT);
  assert.equal(await daemon.text(client, ["exec", "n299", "echo", "inside"]), "inside");

  const before = await pids(names);
  await daemon.kill();
  agent.destroy();
  await daemon.up();
  assert.deepEqual(await pids(names), before, "the next daemon has them all");
  assert.equal(await daemon.text(client, ["exec", "n0", "echo", "inside"]), "inside");

  await onAll(names, async (name) => {
    const removed = await send("DELETE", `/containers/${name}?force=1`);
    assert.equal(removed.status, 204, removed.text);
  });
  assert.deepEqual(await list(), []);
  for (const pid of before.values()) assert.equal(await isAlive(pid), false);
});
