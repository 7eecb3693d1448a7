import assert from "node:assert/strict";
import { test } from "node:test";
import { Fault } from "../../../lib/errors.ts";
import { idMapFor } from "./userns.ts";

const map = { uids: [{ inside: 0, outside: 1, size: 2 }], gids: [{ inside: 0, outside: 1, size: 2 }] };
const plain = { UsernsMode: "", Privileged: false, NetworkMode: "bridge", PidMode: "" };

test("a container has the daemon's remapped ids unless it asks for the host's", () => {
  assert.equal(idMapFor(plain, map), map);
  assert.equal(idMapFor(plain, undefined), undefined);
  assert.equal(
    idMapFor({ ...plain, UsernsMode: "host", Privileged: true, NetworkMode: "host" }, map),
    undefined,
  );
});

test("what needs the host's ids is refused with moby's words", () => {
  const wishes = [
    [{ Privileged: true }, /^privileged mode is incompatible with user namespaces\. {2}You must run/],
    [{ NetworkMode: "host" }, /^cannot share the host's network namespace when user namespaces are enabled$/],
    [{ PidMode: "host" }, /^cannot share the host PID namespace when user namespaces are enabled$/],
  ] as const;
  for (const [wish, message] of wishes) {
    assert.equal(idMapFor({ ...plain, ...wish }, undefined), undefined);
    assert.throws(
      () => idMapFor({ ...plain, ...wish }, map),
      (e) => e instanceof Fault && e.kind === "invalidParameter" && message.test(e.message),
    );
  }
});
