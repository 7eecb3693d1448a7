import assert from "node:assert/strict";
import { test } from "node:test";
import { Fault } from "../../../lib/errors.ts";
import { IdRanges } from "./id-ranges.ts";
import { autoSize, chooseIds } from "./userns.ts";

const map = { uids: [{ inside: 0, outside: 1, size: 2 }], gids: [{ inside: 0, outside: 1, size: 2 }] };
const plain = { UsernsMode: "", Privileged: false, NetworkMode: "bridge", PidMode: "" };
const pool = { uids: [{ first: 7000, size: 100_000 }], gids: [{ first: 8000, size: 100_000 }] };
const idRanges = new IdRanges(
  () => pool,
  () => [],
);
const remapped = { idMap: map, idRanges };
const plainSource = { idMap: undefined, idRanges };

test("a container has the daemon's remapped ids unless it asks for the host's", () => {
  assert.equal(chooseIds(plain, remapped).idMap, map);
  assert.equal(chooseIds(plain, plainSource).idMap, undefined);
  const host = { ...plain, UsernsMode: "host", Privileged: true, NetworkMode: "host" };
  assert.equal(chooseIds(host, remapped).idMap, undefined);
});

test("auto is a range of the container's own", () => {
  using chosen = chooseIds({ ...plain, UsernsMode: "auto:size=1000" }, plainSource);
  assert.equal(chosen.hasOwnRange, true);
  assert.deepEqual(chosen.idMap?.uids, [{ inside: 0, outside: 7000, size: 1000 }]);
  assert.deepEqual(chosen.idMap?.gids, [{ inside: 0, outside: 8000, size: 1000 }]);
  assert.throws(
    () => chooseIds({ ...plain, UsernsMode: "auto" }, remapped),
    /cannot be used with userns-remap/,
  );
});

test("autoSize reads sizes and takes no others", () => {
  assert.equal(autoSize("auto"), 65_536);
  assert.equal(autoSize("auto:size=5"), 5);
  for (const mode of ["", "host", "auto:", "auto:size=0", "auto:size=-1", "auto:size=4294967296", "autos"])
    assert.equal(autoSize(mode), undefined, mode);
});

test("what needs the host's ids is refused with moby's words", () => {
  const wishes = [
    [{ Privileged: true }, /^privileged mode is incompatible with user namespaces\. {2}You must run/],
    [{ NetworkMode: "host" }, /^cannot share the host's network namespace when user namespaces are enabled$/],
    [{ PidMode: "host" }, /^cannot share the host PID namespace when user namespaces are enabled$/],
  ] as const;
  for (const [wish, message] of wishes) {
    assert.equal(chooseIds({ ...plain, ...wish }, plainSource).idMap, undefined);
    for (const [mode, source] of [
      ["", remapped],
      ["auto", plainSource],
    ] as const)
      assert.throws(
        () => chooseIds({ ...plain, ...wish, UsernsMode: mode }, source),
        (e) => e instanceof Fault && e.kind === "invalidParameter" && message.test(e.message),
      );
  }
});
