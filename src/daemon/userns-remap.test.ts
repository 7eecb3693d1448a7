import assert from "node:assert/strict";
import { test } from "node:test";
import { Fault } from "../lib/errors.ts";
import { freeRange, remapOf } from "./userns-remap.ts";

const files = {
  passwd: "root:x:0:0:::\ndockremap:x:998:997:::\nweb:x:1000:1000:::\nalone:x:1001:1001:::\n",
  group: "root:x:0:\ndockremap:x:997:\nweb:x:1000:\nteam:x:50:\nalone:x:1001:\n",
  subuid: "dockremap:100000:65536\nweb:200000:1000\nweb:300000:500\n",
  subgid: "dockremap:110000:65536\nweb:210000:1000\n50:400000:10\n",
};
const range = (inside: number, outside: number, size: number) => ({ inside, outside, size });

test("remapOf reads dockerd's words", () => {
  const web = {
    uids: [range(0, 200000, 1000), range(1000, 300000, 500)],
    gids: [range(0, 210000, 1000)],
  };
  assert.equal(remapOf("", files), undefined);
  assert.equal(remapOf("root", files), undefined);
  assert.deepEqual(remapOf("default", files), {
    uids: [range(0, 100000, 65536)],
    gids: [range(0, 110000, 65536)],
  });
  for (const setting of ["web", "1000", "web:web", "1000:1000", "web:1000"])
    assert.deepEqual(remapOf(setting, files), web);
  assert.deepEqual(remapOf("web:team", files), { ...web, gids: [range(0, 400000, 10)] });
  assert.deepEqual(remapOf("web:50", files)?.gids, [range(0, 400000, 10)]);
});

test("remapOf says what is missing", () => {
  const cases = [
    ["a:b:c", /Invalid user\/group specification in --userns-remap: "a:b:c"/],
    ["nobody", /Error during uid lookup for "nobody"/],
    ["4000", /Uid 4000 has no entry in \/etc\/passwd/],
    ["web:nobody", /Error during gid lookup for "nobody"/],
    ["web:4000", /Gid 4000 has no entry in \/etc\/group/],
    ["alone", /no ids are set aside for "alone" in \/etc\/subuid/],
  ] as const;
  for (const [setting, message] of cases)
    assert.throws(
      () => remapOf(setting, files),
      (e) => e instanceof Fault && e.kind === "invalidParameter" && message.test(e.message),
      setting,
    );
});

test("a new range begins behind all others", () => {
  assert.equal(freeRange(""), 100000);
  assert.equal(freeRange(files.subuid), 300500);
});
