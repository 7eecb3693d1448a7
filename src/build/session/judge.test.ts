// A client's policy is asked over its session: the answers that let a source pass, and those that do not.
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import {
  CHECK_POLICY,
  POLICY_ACTION,
  policyAnswer,
  policyQuestion,
} from "../../lib/build-protocol/policy.ts";
import { serveGrpc, unary } from "../../lib/grpc/server.ts";
import { Session } from "./session.ts";

type Answer = Parameters<typeof policyAnswer.encode>[0];

/** Asks a client that gives this answer, and returns what it was asked. */
async function judge(answer: Answer): Promise<ReturnType<typeof policyQuestion.decode> | undefined> {
  const directory = await mkdtemp(join(tmpdir(), "judge-"));
  const server = createServer();
  try {
    const accepted = new Promise<Socket>((resolve) => server.once("connection", resolve));
    await new Promise<void>((resolve) => server.listen(join(directory, "s"), resolve));
    const ours = connect(join(directory, "s"));
    let asked: ReturnType<typeof policyQuestion.decode> | undefined;
    const theirs = serveGrpc(await accepted, {
      [CHECK_POLICY]: unary(policyQuestion, policyAnswer, async (question) => {
        asked = question;
        return answer;
      }),
    });
    const session = new Session(ours, { id: "s", sharedKey: "", methods: [CHECK_POLICY] });
    try {
      const platform = { os: "linux", architecture: "arm64" };
      const source = { identifier: "git://host/app.git", attrs: { "git.fullurl": "https://host/app.git" } };
      await session.judge({ ...source, platform }, new AbortController().signal);
    } finally {
      session.close();
      await theirs.closed;
    }
    return asked;
  } finally {
    server.close();
    await rm(directory, { recursive: true });
  }
}

test("a policy is told what a source is, and what it allows passes", async () => {
  const asked = await judge({ decision: { action: POLICY_ACTION.allow } });
  assert.equal(asked?.source?.source?.identifier, "git://host/app.git");
  assert.deepEqual({ ...asked?.source?.source?.attrs }, { "git.fullurl": "https://host/app.git" });
  assert.equal(asked?.platform?.architecture, "arm64");
});

test("what a policy denies does not pass, for its reasons; nor does what it cannot be answered", async () => {
  const denials = [{ message: "not from here" }];
  await assert.rejects(judge({ decision: { action: POLICY_ACTION.deny, denials } }), {
    kind: "forbidden",
    message: 'source "git://host/app.git" not allowed by policy: action DENY: not from here',
  });
  for (const answer of [
    {},
    { decision: { action: POLICY_ACTION.convert, update: { identifier: "git://other" } } },
    { wish: { source: { identifier: "git://host/app.git" } } },
  ])
    await assert.rejects(judge(answer), { kind: "notImplemented", code: "build.policy" });
});
