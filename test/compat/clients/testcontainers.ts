// A day of testcontainers': containers that a test suite waits for, talks to and throws away.
import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { GenericContainer, Network, Wait } from "testcontainers";

// Its log streams do not keep a program alive.
setInterval(() => {}, 1000);
const step = (name: string): void => console.log(`ok ${name}`);

const web = await new GenericContainer("busybox")
  .withCommand(["sh", "-c", "echo page > /index.html; echo ready; exec httpd -f -v -h /"])
  .withExposedPorts(80)
  .withEnvironment({ COLOR: "blue" })
  .withLabels({ by: "testcontainers" })
  .withCopyContentToContainer([{ content: "copied", target: "/copied.txt" }])
  .withWaitStrategy(
    Wait.forAll([Wait.forLogMessage("ready"), Wait.forHttp("/index.html", 80), Wait.forListeningPorts()]),
  )
  .start();
const url = `http://${web.getHost()}:${web.getMappedPort(80)}`;
assert.equal(await (await fetch(`${url}/index.html`)).text(), "page\n");
assert.equal(await (await fetch(`${url}/copied.txt`)).text(), "copied");
step("wait for a log line, HTTP and ports; a mapped port");

const exec = await web.exec(["sh", "-c", "echo $COLOR; echo oops >&2; exit 3"]);
assert.deepEqual([exec.stdout, exec.stderr, exec.exitCode], ["blue\n", "oops\n", 3]);
const seen = new Promise<string>((resolve) => {
  void web
    .logs()
    .then((logs) => logs.on("data", (line) => /response:200/.test(String(line)) && resolve(String(line))));
});
assert.match(await seen, /response:200/);
await web.restart();
assert.equal(
  await (await fetch(`http://${web.getHost()}:${web.getMappedPort(80)}/index.html`)).text(),
  "page\n",
);
step("exec, logs, restart");

const network = await new Network().start();
const store = await new GenericContainer("busybox")
  .withNetwork(network)
  .withNetworkAliases("store")
  .withCommand(["sh", "-c", "echo stored > /index.html; exec httpd -f -h /"])
  .withHealthCheck({
    test: ["CMD", "wget", "-qO-", "http://127.0.0.1/index.html"],
    interval: 200,
    retries: 50,
  })
  .withWaitStrategy(Wait.forHealthCheck())
  .start();
const asker = await new GenericContainer("busybox")
  .withNetwork(network)
  .withCommand(["sleep", "600"])
  .start();
const asked = await asker.exec(["wget", "-qO-", "http://store/index.html"]);
assert.equal(asked.output, "stored\n");
step("networks, aliases, health checks");

const dir = await mkdtemp("/tmp/berth-compat-");
await writeFile(
  `${dir}/Dockerfile`,
  "FROM busybox\nARG WORD\nRUN echo $WORD > /word\nCMD cat /word && sleep 600\n",
);
const image = await GenericContainer.fromDockerfile(dir).withBuildArgs({ WORD: "argued" }).build();
const built = await image.withWaitStrategy(Wait.forLogMessage("argued")).start();
step("an image built from a Dockerfile");

for (const container of [web, store, asker, built]) await container.stop();
await network.stop();
await rm(dir, { recursive: true });
step("stop");
process.exit(0);
