import assert from "node:assert/strict";
import { test } from "node:test";
import { consecutive, findAccount, findSubIds } from "./subid.ts";

const PASSWD = "root:x:0:0:root:/root:/bin/sh\nweb:x:1000:1001::/home/web:/bin/sh\nbad:x:minus:0::/:\n";

test("accounts are found by name and by number", () => {
  assert.deepEqual(findAccount(PASSWD, "web"), { name: "web", id: 1000 });
  assert.deepEqual(findAccount(PASSWD, 0), { name: "root", id: 0 });
  assert.equal(findAccount(PASSWD, "bad"), undefined);
  assert.equal(findAccount(PASSWD, ""), undefined);
});

test("set-aside ids are the account's by name or number, and no others", () => {
  const text =
    "web:100000:65536\n1000:300000:10\nother:1:1\nweb:x:1\nweb:5:0\nweb:4294967290:65536\nweb:4294967296:1\n";
  const ranges = findSubIds(text, { name: "web", id: 1000 });
  assert.deepEqual(ranges, [
    { first: 100000, size: 65536 },
    { first: 300000, size: 10 },
  ]);
  assert.deepEqual(consecutive(ranges, 1), [
    { inside: 1, outside: 100000, size: 65536 },
    { inside: 65537, outside: 300000, size: 10 },
  ]);
});
