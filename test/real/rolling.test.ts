// `compose up --rolling` under the load of wrk: every request that was made while the containers changed has its answer.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Live } from "../e2e/command.ts";
import { ComposeProject } from "../e2e/compose-project.ts";
import { TestDaemon } from "../e2e/harness.ts";
import { rollingService } from "../e2e/rolling-service.ts";

const URL = "http://127.0.0.1:18090/";
let daemon: TestDaemon;
before(async () => {
  daemon = await TestDaemon.start();
});
after(() => daemon.close());

for (const headers of [[], ["-H", "Connection: close"]])
  test(`no request of wrk's fails while a service is replaced three times (${headers.at(-1) ?? "connections kept"})`, async () => {
    const project = new ComposeProject(daemon, "wrk", { "compose.yaml": rollingService("first") });
    await project.compose("up", "-d", "--wait");
    const load = new Live(daemon.network.wrap(["wrk", "-t", "2", "-c", "8", "-d", "15", ...headers, URL]), {
      timeoutMs: 120_000,
    });
    const rolled = [];
    for (const word of ["second", "third", "fourth"]) {
      project.write("compose.yaml", rollingService(word));
      await project.compose("up", "-d", "--rolling");
      rolled.push(word);
    }
    assert.ok(!load.hasEnded, "the load lasted longer than the changes");
    const { status, stdout } = await load.ended;
    assert.equal(status, 0);
    assert.doesNotMatch(stdout, /Socket errors|Non-2xx/, stdout);
    assert.ok(Number(/(\d+) requests in/.exec(stdout)?.[1]) > 1000, stdout);
    const answer = await daemon.network.run(["curl", "-s", URL]);
    assert.equal(answer.stdout, `${rolled.at(-1)}\n`);
    await project.remove();
  });
