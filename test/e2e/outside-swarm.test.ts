// Commands of parts that Berth does not have answer as Docker does where they are not in use: an engine outside of a swarm, without
// experimental features; and where there are no managed plugins.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { clients, TestDaemon } from "./harness.ts";

let daemon: TestDaemon;
before(async () => {
  daemon = await TestDaemon.start();
});
after(() => daemon.close());

const NO_MANAGER =
  'Error response from daemon: This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" to connect this node to swarm and try again.\n';
const CASES: readonly (readonly [args: string, stdout: string, stderr: RegExp | string])[] = [
  ["service ls", "", NO_MANAGER],
  ["service create --name web --replicas 3 busybox", "", NO_MANAGER],
  ["node ls", "", NO_MANAGER],
  ["secret ls", "", NO_MANAGER],
  ["config inspect it", "[]\n", NO_MANAGER],
  ["stack ls", "", NO_MANAGER],
  ["swarm leave", "", "Error response from daemon: This node is not part of a swarm\n"],
  ["plugin inspect it", "[]\n", 'Error response from daemon: plugin "it" not found\n'],
  ["plugin rm it", "", 'Error response from daemon: plugin "it" not found\n'],
  ["plugin enable it", "", 'Error response from daemon: plugin "it" not found\n'],
];

for (const client of clients)
  describe(client.name, () => {
    for (const [args, stdout, stderr] of CASES)
      test(args, async () => {
        const outcome = await daemon.run(client, args.split(" "));
        assert.equal(outcome.status, 1);
        assert.equal(outcome.stdout, stdout);
        if (typeof stderr === "string") assert.equal(outcome.stderr, stderr);
        else assert.match(outcome.stderr, stderr);
      });

    test("plugin ls is empty", async () => {
      const outcome = await daemon.run(client, ["plugin", "ls"]);
      assert.deepEqual([outcome.status, outcome.stdout], [0, "ID        NAME      DESCRIPTION   ENABLED\n"]);
    });
  });

test("what this client does not do is said at once, whatever the daemon", async () => {
  for (const args of [
    ["swarm", "init"],
    ["trust", "sign", "it"],
    ["trust", "signer", "add", "--key", "cert.pem", "alice", "it"],
    ["trust", "key", "generate", "alice"],
  ]) {
    const outcome = await daemon.berth(...args);
    assert.equal(outcome.status, 1);
    assert.match(outcome.stderr, /not supported/);
  }
});
