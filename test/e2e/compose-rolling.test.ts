// `compose up --rolling`: a service's containers are replaced while requests go on, and none of them fails.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { ComposeProject } from "./compose-project.ts";
import { run } from "./command.ts";
import { TestDaemon } from "./harness.ts";
import { rollingService } from "./rolling-service.ts";

let daemon: TestDaemon;
before(async () => {
  daemon = await TestDaemon.start();
});
after(() => daemon.close());

/** Asks again and again until the file is gone; prints every answer, and "failed" for none. */
const asker = (stop: string): string =>
  `while [ -e ${stop} ]; do curl -s --max-time 5 http://127.0.0.1:18090/ || echo failed; done`;

test("no request fails while a published service is replaced, and the new one has its ports afterwards", async () => {
  const project = new ComposeProject(daemon, "rolling", { "compose.yaml": rollingService("old"), going: "" });
  await project.compose("up", "-d", "--wait");
  const before = (await project.ids())["rolling-web-1"];
  const askers = [1, 2, 3].map(() =>
    run(daemon.network.wrap(["sh", "-c", asker(`${project.directory}/going`)]), { timeoutMs: 120_000 }),
  );
  project.write("compose.yaml", rollingService("new"));
  await project.compose("up", "-d", "--rolling");
  await run(["rm", `${project.directory}/going`]);
  const answers = (await Promise.all(askers)).flatMap(({ stdout }) => stdout.trim().split("\n"));
  assert.deepEqual([...new Set(answers)].sort(), ["new", "old"]);
  const after = await daemon.inspect("rolling-web-1");
  assert.notEqual(after.Id, before);
  assert.deepEqual(after.HostConfig["PortBindings"], {
    "80/tcp": [{ HostIp: "127.0.0.1", HostPort: "18090" }],
  });
  assert.deepEqual(Object.keys(await project.ids()), ["rolling-web-1"]);
  // The ports are the container's own now: they come back with it, and another up leaves it alone.
  await project.compose("restart", "-t", "0");
  const again = await run(
    daemon.network.wrap(["curl", "-s", "--retry", "5", "--retry-connrefused", "http://127.0.0.1:18090/"]),
  );
  assert.equal(again.stdout, "new\n");
  await project.compose("up", "-d");
  assert.equal((await daemon.inspect("rolling-web-1")).Id, after.Id);
  await project.remove();
});

test("a new version that does not come up leaves the old one serving", async () => {
  const project = new ComposeProject(daemon, "failing", { "compose.yaml": rollingService("old") });
  await project.compose("up", "-d", "--wait");
  const before = (await project.ids())["failing-web-1"];
  project.write("compose.yaml", rollingService("new").replace("exec httpd", "exit 3; exec httpd"));
  const { status, stderr } = await project.run(["up", "-d", "--rolling"]);
  assert.equal(status, 1);
  assert.match(stderr, /exited \(3\)/);
  assert.deepEqual(await project.ids(), { "failing-web-1": before });
  const answer = await run(daemon.network.wrap(["curl", "-s", "http://127.0.0.1:18090/"]));
  assert.equal(answer.stdout, "old\n");
  await project.remove();
});

test("ports are only moved between running containers, and not onto those of another", async () => {
  const project = new ComposeProject(daemon, "moves", {
    "compose.yaml": `services:
  a: {image: busybox, init: true, stop_grace_period: 0s, command: [sleep, '1000'], ports: ["127.0.0.1:18091:80"]}
  b: {image: busybox, init: true, stop_grace_period: 0s, command: [sleep, '1000'], ports: ["127.0.0.1:18092:80"]}
  c: {image: busybox, init: true, stop_grace_period: 0s, command: [sleep, '1000']}
`,
  });
  await project.compose("up", "-d");
  const take = (taker: string, giver: string) =>
    daemon.request("POST", `/containers/moves-${taker}-1/take-ports?from=moves-${giver}-1`);
  assert.equal((await take("a", "b")).status, 409);
  assert.equal((await take("a", "a")).status, 409);
  assert.equal((await take("c", "nope")).status, 404);
  assert.equal((await take("c", "a")).status, 204);
  assert.equal((await take("b", "a")).status, 409);
  assert.deepEqual((await daemon.inspect("moves-c-1")).NetworkSettings.Ports["80/tcp"], [
    { HostIp: "127.0.0.1", HostPort: "18091" },
  ]);
  await project.compose("stop", "-t", "0", "c");
  assert.equal((await take("b", "c")).status, 409);
  await project.remove();
});
