import assert from "node:assert/strict";
import { test } from "node:test";
import type { OperationSpec } from "../api/contract.ts";
import { createRouter } from "./router.ts";

const route = (method: string, path: string) => ({ operation: { method, path } as OperationSpec });
const router = createRouter([
  route("GET", "/images/json"),
  route("GET", "/images/{name}/json"),
  route("DELETE", "/containers/{id}"),
  route("DELETE", "/containers/{id}/checkpoints/{checkpoint}"),
  route("GET", "/containers/{id}/checkpoints"),
]);
const match = (method: string, path: string) => {
  const found = router.match(method, path);
  return found && [found.route.operation.path, found.params];
};

test("an exact path comes before one with a parameter, which may contain slashes", () => {
  assert.deepEqual(match("GET", "/images/json"), ["/images/json", {}]);
  assert.deepEqual(match("GET", "/images/json/"), ["/images/json", {}]);
  assert.deepEqual(match("GET", "/images/a/b:c/json"), ["/images/{name}/json", { name: "a/b:c" }]);
  assert.deepEqual(match("GET", "/containers/x/checkpoints"), ["/containers/{id}/checkpoints", { id: "x" }]);
  assert.equal(match("GET", "/images//json"), undefined);
  assert.equal(match("POST", "/images/json"), undefined);
});

test("a second parameter is the last segment", () => {
  const path = "/containers/{id}/checkpoints/{checkpoint}";
  assert.deepEqual(match("DELETE", "/containers/x/checkpoints/one"), [path, { id: "x", checkpoint: "one" }]);
  assert.deepEqual(match("DELETE", "/containers/x"), ["/containers/{id}", { id: "x" }]);
  for (const other of [
    "/containers/x/checkpoints/",
    "/containers/x/checkpoint/one",
    "/containers//checkpoints/one",
  ])
    assert.notEqual(match("DELETE", other)?.[0], path, other);
});
