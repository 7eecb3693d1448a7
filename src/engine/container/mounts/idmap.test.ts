import assert from "node:assert/strict";
import { test } from "node:test";
import { checkIdMap, type IdMap, idMapTexts, outsideId } from "../../../linux/idmap.ts";
import { checkMountIdMap, listedMap, ownerMap } from "./idmap.ts";

const END = 2 ** 32 - 1;
const whole = [{ inside: 0, outside: 0, size: END }];
const HOST: IdMap = { uids: whole, gids: whole };
const OWN: IdMap = {
  uids: [{ inside: 0, outside: 300_000, size: 65_536 }],
  gids: [{ inside: 0, outside: 400_000, size: 65_536 }],
};

/** Who is shown (as the host's id) for a user on the disk. */
const shown = (map: IdMap, disk: number): number | undefined => outsideId(map.uids, disk);

test("ownerMap lets the container's root and the owner be the same, and root on the disk be nobody", () => {
  const map = ownerMap(HOST, { uid: 0, gid: 0 }, { uid: 1000, gid: 1001 });
  assert.deepEqual(
    [0, 999, 1000, 1001, END - 1].map((id) => shown(map, id)),
    [undefined, 999, 0, 1001, END - 1],
  );
  assert.equal(outsideId(map.gids, 1001), 0);
  assert.equal(outsideId(map.gids, 1000), 1000);
  checkIdMap(map);
});

test("ownerMap exchanges two ordinary users", () => {
  const map = ownerMap(HOST, { uid: 999, gid: 999 }, { uid: 1000, gid: 1000 });
  assert.deepEqual(
    [0, 998, 999, 1000, 1001].map((id) => shown(map, id)),
    [0, 998, 1000, 999, 1001],
  );
  checkIdMap(map);
  const same = ownerMap(HOST, { uid: 5, gid: 5 }, { uid: 5, gid: 5 });
  assert.deepEqual(
    [0, 4, 5, 6].map((id) => shown(same, id)),
    [0, 4, 5, 6],
  );
});

test("ownerMap shows the others of a user namespace as it has them", () => {
  const map = ownerMap(OWN, { uid: 0, gid: 0 }, { uid: 70_000, gid: 1000 });
  assert.deepEqual(
    [0, 1, 70_000, 65_535].map((id) => shown(map, id)),
    [undefined, 300_001, 300_000, 365_535],
  );
  assert.equal(outsideId(map.gids, 1000), 400_000);
  checkIdMap(map);
});

test("listedMap takes the host's ids, or with @ the container's; what is not listed is as it was", () => {
  assert.equal(idMapTexts(listedMap(HOST, "uids=0-1-10#10-11-10")).uids, "0 1 10\n10 11 10\n");
  assert.deepEqual(listedMap(OWN, "uids=@1000-5-2").uids, [{ inside: 1000, outside: 300_005, size: 2 }]);
  assert.deepEqual(listedMap(OWN, "uids=1000-5-2").uids, [{ inside: 1000, outside: 5, size: 2 }]);
  assert.deepEqual(listedMap(OWN, "uids=0-1-1").gids, OWN.gids);
  assert.throws(() => listedMap(OWN, "gids=@0-65535-2"), { message: /does not have the ids 65535 to 65536/ });
});

test("checkMountIdMap refuses what is no map", () => {
  for (const text of ["owner", "uids=0-1-10", "gids=@0-1-1;uids=1-1-1#2-2-1"])
    assert.equal(checkMountIdMap(text), text);
  const wrong = [
    "",
    "x",
    "uids=",
    "uids=1-1",
    "uids=1-1-1;",
    "uids=1-1-1;uids=2-2-1",
    "uids=-1-1-1",
    "uids=1-1-0",
  ];
  for (const text of [...wrong, "uids=1-1-4294967295", "uids=99999999999-1-1"])
    assert.throws(() => checkMountIdMap(text), { kind: "invalidParameter", code: "mount.idmap" }, text);
});
