import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { agentMessages, agentFrame } from "../../../lib/ssh-agent/agent.ts";
import { parseSsh } from "./agents.ts";

let dir = "";
let server: Server;
const file = (name: string): string => join(dir, name);
before(async () => {
  dir = mkdtempSync(join(tmpdir(), "berth-agents-"));
  writeFileSync(file("text"), "no key");
  for (const [name, passphrase] of [
    ["one", ""],
    ["two", ""],
    ["locked", "x"],
  ] as const)
    execFileSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", passphrase, "-f", file(name)]);
  // Answers each message with itself.
  const answer = async (socket: Socket): Promise<void> => {
    for await (const message of agentMessages(socket)) socket.write(agentFrame(message));
  };
  server = createServer((socket) => void answer(socket).catch(() => undefined)); // ignored: the client has seen enough
  await new Promise<void>((resolve) => server.listen(file("sock"), resolve));
});
after(() => {
  server.close();
  rmSync(dir, { recursive: true });
});

const ask = async (text: string, request: readonly number[]): Promise<number[]> => {
  const [source] = parseSsh([text]).values();
  assert.ok(source);
  using agent = await source();
  return [...(await agent.answer(Buffer.from(request)))];
};

test("parseSsh takes a socket, or keys, under a name", async () => {
  const agents = parseSsh([`a=${file("text")}`, `=${file("sock")}`, `a=${file("sock")}`]);
  assert.deepEqual([...agents.keys()], ["a", "default"]);
  assert.deepEqual(await ask(`default=${file("sock")}`, [11, 7]), [11, 7]);
  assert.deepEqual((await ask(`k=${file("one")},${file("two")}`, [11])).slice(0, 5), [12, 0, 0, 0, 2]);
});

test("the user's agent is asked for nothing but keys and signatures", async () => {
  assert.deepEqual(await ask(`default=${file("sock")}`, [19]), [5]);
});

test("parseSsh says what is wrong with a path", () => {
  const wrong = (text: string, expected: RegExp): void =>
    assert.throws(() => parseSsh([text]), expected, text);
  wrong(`default=${file("none")}`, /none: no such file/);
  wrong(`default=${file("text")}`, /failed to parse .*text: ssh: no key found/);
  wrong(
    `default=${file("locked")}`,
    /locked: ssh: this private key is passphrase protected \(load it into an agent/,
  );
  wrong(`default=${file("one")},${file("sock")}`, /not both/);
  wrong(`default=${dir}`, /failed to open/);
});
