// The build history of BuildKit's control service, by its messages, as `docker buildx history` asks: builds are listed with how they ended, what they
// said is there, removal is final.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { createClient } from "../../src/api/client.ts";
import { buildControl } from "../../src/api/operations/build.ts";
import { openSession } from "../../src/cli/build/session/session.ts";
import {
  CONTROL_METHODS,
  empty,
  solveRequest,
  solveResponse,
  statusRequest,
  statusResponse,
} from "../../src/lib/build-protocol/control.ts";
import {
  HISTORY_EVENT,
  historyEvent,
  historyRequest,
  updateHistoryRequest,
} from "../../src/lib/build-protocol/history.ts";
import { GrpcClient } from "../../src/lib/grpc/client.ts";
import type { Message } from "../../src/lib/protobuf/message.ts";
import { withContext } from "./context.ts";
import { TestDaemon } from "./harness.ts";

let daemon: TestDaemon;
before(async () => {
  daemon = await TestDaemon.start();
});
after(() => daemon.close());

/** Calls a method that answers any number of messages, and returns them. */
async function all<Q, A>(
  grpc: GrpcClient,
  path: string,
  types: { request: Message<Q>; response: Message<A> },
  request: Partial<Q>,
): Promise<A[]> {
  const call = grpc.start(path);
  await call.messages.send(types.request.encode(request));
  call.end();
  const answers: A[] = [];
  for (let next = await call.messages.next(); next !== undefined; next = await call.messages.next())
    answers.push(types.response.decode(next));
  await call.finished;
  return answers;
}

test("builds are listed with their ends, say what they said, and go when they are removed", () =>
  withContext(
    { Dockerfile: "FROM busybox\nARG WORD\nRUN echo said-$WORD\n", bad: "FROM busybox\nRUN exit 3\n" },
    async (dir) => {
      const client = createClient({ host: `unix://${daemon.socket}` });
      const session = await openSession(client, {
        directories: new Map([
          ["context", dir],
          ["dockerfile", dir],
        ]),
        uploads: new Map(),
        stores: new Map(),
        secrets: [],
        agents: new Map(),
        config: {},
        sharedKey: "",
      });
      const { socket } = await client.hijack(buildControl, {});
      const grpc = new GrpcClient(socket);
      const solve = (ref: string, frontendAttrs: Record<string, string>, isInternal = false) =>
        grpc.unary(
          CONTROL_METHODS.solve,
          { request: solveRequest, response: solveResponse },
          {
            ...{ ref, session: session.id, frontend: "dockerfile.v0", frontendAttrs, isInternal },
            exporters: [{ type: "moby", attrs: { name: ref } }],
          },
        );
      const types = { request: historyRequest, response: historyEvent };
      const listed = (request: Partial<ReturnType<typeof historyRequest.decode>> = {}) =>
        all(grpc, CONTROL_METHODS.listenHistory, types, { earlyExit: true, ...request });
      const refs = async () => (await listed()).map(({ record }) => record?.ref);
      try {
        await solve("good", { filename: "Dockerfile", "build-arg:WORD": "this" });
        await assert.rejects(solve("failed", { filename: "bad" }), /exit code: 3/);
        await solve("hidden", { filename: "Dockerfile" }, true);
        assert.deepEqual(await refs(), ["failed", "good"]);
        const [good] = await listed({ ref: "good" });
        const { type, record } = good ?? assert.fail("there is no record");
        assert.equal(type, HISTORY_EVENT.complete);
        assert.equal(record?.frontendAttrs?.["build-arg:WORD"], "this");
        assert.equal(record?.error, undefined);
        assert.ok(record?.exporterResponse?.["containerimage.config.digest"]?.startsWith("sha256:"));
        assert.ok((record?.completedSteps ?? 0) >= 3 && record?.completedSteps === record?.totalSteps);
        const [bad] = await listed({ ref: "failed" });
        assert.match(bad?.record?.error?.message ?? "", /did not complete successfully: exit code: 3/);
        const said = await all(
          grpc,
          CONTROL_METHODS.status,
          { request: statusRequest, response: statusResponse },
          { ref: "good" },
        );
        const text = said.flatMap(({ logs }) => logs.map(({ data }) => Buffer.from(data ?? []).toString()));
        assert.match(text.join(""), /^said-this$/m);
        const change = { request: updateHistoryRequest, response: empty };
        await grpc.unary(CONTROL_METHODS.updateHistory, change, { ref: "good", deletes: true });
        assert.deepEqual(await refs(), ["failed"]);
        await assert.rejects(
          grpc.unary(CONTROL_METHODS.updateHistory, change, { ref: "good", deletes: true }),
          /no build record "good"/,
        );
      } finally {
        session.close();
        grpc.close();
      }
    },
  ));
