import assert from "node:assert/strict";
import { test } from "node:test";
import { selectNetworks } from "./filter.ts";
import { emptyRecord, type NetworkRecord } from "./record.ts";

const record = (name: string, over: Partial<NetworkRecord> = {}): NetworkRecord => ({
  ...emptyRecord({ id: `${name}-id`, name, driver: "bridge", createdAt: "" }),
  ...over,
});
const all = [
  record("bridge"),
  record("web", { labels: { tier: "front" } }),
  record("db", { driver: "macvlan" }),
];
const names = (filters: Record<string, string[]>) =>
  selectNetworks(all, filters, (r) => r.name === "web").map((r) => r.name);

test("selectNetworks knows Docker's filters", () => {
  assert.deepEqual(names({}), ["bridge", "web", "db"]);
  assert.deepEqual(names({ name: ["we"] }), ["web"]);
  assert.deepEqual(names({ name: ["^w.b$"] }), ["web"]);
  assert.deepEqual(names({ id: ["db-"] }), ["db"]);
  assert.deepEqual(names({ driver: ["macvlan"] }), ["db"]);
  assert.deepEqual(names({ type: ["custom"] }), ["web", "db"]);
  assert.deepEqual(names({ type: ["builtin"], scope: ["local"] }), ["bridge"]);
  assert.deepEqual(names({ scope: ["swarm"] }), []);
  assert.deepEqual(names({ label: ["tier"] }), ["web"]);
  assert.deepEqual(names({ label: ["tier=back"] }), []);
  assert.deepEqual(names({ dangling: ["true"] }), ["db"]);
  assert.deepEqual(names({ dangling: ["0"] }), ["bridge", "web"]);
});

test("selectNetworks refuses unknown filters and values in Docker's words", () => {
  for (const [filters, message] of [
    [{ foo: ["bar"] }, "invalid filter 'foo'"],
    [{ type: ["x"] }, "invalid filter: 'type'='x'"],
    [
      { dangling: ["x"] },
      'invalid value for filter \'dangling\', must be "true" (or "1"), or "false" (or "0")',
    ],
    [{ dangling: ["1", "0"] }, 'got more than one value for filter key "dangling"'],
  ] as const)
    assert.throws(() => names(filters as never), { kind: "invalidParameter", message });
});
