import assert from "node:assert/strict";
import { test } from "node:test";
import type { EndpointRecord } from "../model.ts";
import { EndpointBook } from "./endpoint-book.ts";

const state = (endpointId: string, hostIfName: string) => ({
  record: { endpointId, hostIfName } as EndpointRecord,
});

test("a device is known as long as its endpoint is", () => {
  const book = new EndpointBook();
  book.set(state("one", "veth1"));
  book.set(state("two", "veth2"));
  book.set(state("one", "veth1")); // its next state
  const known = (): string[] => ["veth1", "veth2", "veth3"].filter((name) => book.hasDevice(name));
  assert.deepEqual(known(), ["veth1", "veth2"]);
  assert.equal(book.values().length, 2);
  book.delete("one");
  book.delete("three");
  assert.deepEqual(known(), ["veth2"]);
  book.clear();
  assert.deepEqual([known(), book.has("two")], [[], false]);
});
