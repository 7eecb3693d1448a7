// The keys of `compose up` on a terminal.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Live } from "./command.ts";
import { ComposeProject } from "./compose-project.ts";
import { clients, TestDaemon } from "./harness.ts";

const [berth] = clients as [(typeof clients)[0]];
let daemon: TestDaemon;
before(async () => {
  daemon = await TestDaemon.start();
});
after(() => daemon.close());

test("on a terminal keys switch watching on and off and leave the containers running", async () => {
  const project = new ComposeProject(daemon, "menu", {
    "compose.yaml": `services:
  web:
    build: .
    init: true
    stop_grace_period: 0s
    command: [sh, -c, "echo here; exec sleep 1000"]
    develop: {watch: [{path: ./src, action: sync, target: /src}]}
`,
    Dockerfile: "FROM busybox\n",
    "src/one": "1",
  });
  const env = { PWD: project.directory };
  const onTerminal = (...args: string[]): Live =>
    daemon.onTerminal(berth, ["compose", ...args], {
      cwd: project.directory,
      env,
      timeoutMs: 100_000,
    });
  const up = onTerminal("up");
  await up.prints(/ Enable Watch.*here\r\n[^\n]* Enable Watch[^\n]* Detach/s);
  up.stdin.write("w");
  await up.prints("Watch enabled");
  await up.prints(/ Disable Watch/);
  project.write("src/two", "2");
  await up.prints(/Syncing service "web"/);
  up.stdin.write("d");
  assert.equal((await up.ended).status, 0);
  const state = (await daemon.inspect("menu-web-1")).State;
  assert.equal(state.Running, true);
  // The same container, and Ctrl-C stops it.
  const again = onTerminal("up");
  await again.prints(/ Detach/);
  again.stdin.write("\x03");
  assert.equal((await again.ended).status, 130);
  const stopped = (await daemon.inspect("menu-web-1")).State;
  assert.deepEqual([stopped.Running, stopped.StartedAt], [false, state.StartedAt]);
  // Nobody is there to press keys.
  const plain = project.live(["up"]);
  await plain.prints(/Attaching to/);
  plain.kill("SIGINT");
  assert.doesNotMatch((await plain.ended).stdout, /Detach/);
  await project.remove();
});
