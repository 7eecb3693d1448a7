import assert from "node:assert/strict";
import { test } from "node:test";
import { ALL_OPERATIONS } from "./all.ts";

test("names and method-path pairs of operations are unique", () => {
  const names = ALL_OPERATIONS.map((operation) => operation.name);
  assert.equal(new Set(names).size, names.length);
  const targets = ALL_OPERATIONS.map(({ method, path }) => `${method} ${path.replace(/\{\w+\}/, "{}")}`);
  assert.equal(new Set(targets).size, targets.length);
  assert.ok(names.length >= 60, `only ${names.length} operations`);
});

test("every schema of every operation loads", async () => {
  for (const { name, body, success } of ALL_OPERATIONS) {
    const thunks = [body, success].flatMap((part) => (part && "schema" in part ? [part.schema] : []));
    for (const thunk of thunks) assert.ok((await thunk()).kind, name);
  }
});

test("parameters do not collide with each other or with the body", () => {
  for (const { name, path, query, headers } of ALL_OPERATIONS) {
    const properties = [
      ...(path.match(/(?<=\{)\w+(?=\})/g) ?? []),
      ...Object.keys(query ?? {}),
      ...Object.keys(headers ?? {}),
      "body",
    ];
    assert.equal(new Set(properties).size, properties.length, name);
  }
});
