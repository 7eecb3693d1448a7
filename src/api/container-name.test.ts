import assert from "node:assert/strict";
import { test } from "node:test";
import { ownName } from "./container-name.ts";

test("a container's own name is found among its links, wherever it stands", () => {
  assert.equal(ownName(["/aweb/db", "/db", "/web/data"]), "db");
  assert.equal(ownName(["/db"]), "db");
  for (const none of [[], null, undefined]) assert.equal(ownName(none), "");
});
