import assert from "node:assert/strict";
import { test } from "node:test";
import { withHostMoved, withHosts, withoutHosts } from "./hosts-edit.ts";

const own = { ip: "10.0.0.2", names: ["box.lan", "box"] };

test("lines come once, at the end, and go again; what a program wrote stays", () => {
  const before = "127.0.0.1\tlocalhost\n# mine\n10.0.0.2 other";
  const joined = withHosts(before, [own]);
  assert.equal(joined, "127.0.0.1\tlocalhost\n# mine\n10.0.0.2 other\n10.0.0.2\tbox.lan box\n");
  assert.equal(withHosts(joined, [own]), joined);
  assert.equal(withoutHosts(joined, [own]), `${before}\n`);
  assert.equal(withoutHosts(before, [own]), before);
});

test("an address moves for the line of its first name and its family only", () => {
  const text = "10.0.0.3\tdb 0123 db-1\nfd00::3\tdb 0123 db-1\n10.0.0.4\tdb2 db\n";
  assert.equal(withHostMoved(text, "db", "10.0.0.9"), text.replace("10.0.0.3", "10.0.0.9"));
  assert.equal(withHostMoved(text, "db", "fd00::9"), text.replace("fd00::3", "fd00::9"));
  assert.equal(withHostMoved(text, "no", "10.0.0.9"), text);
});
