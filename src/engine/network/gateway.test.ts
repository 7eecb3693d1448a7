import assert from "node:assert/strict";
import { test } from "node:test";
import { chooseGateways, type GatewayCandidate } from "./gateway.ts";

const candidate = (networkName: string, over: Partial<GatewayCandidate> = {}): GatewayCandidate => ({
  networkName,
  priority: 0,
  isInternal: false,
  hasIpv4: true,
  hasIpv6: false,
  ...over,
});
const names = (...candidates: GatewayCandidate[]) => {
  const { ipv4, ipv6 } = chooseGateways(candidates);
  return [ipv4?.networkName, ipv6?.networkName];
};

test("chooseGateways goes by priority, then by families, then by name", () => {
  assert.deepEqual(names(candidate("b"), candidate("a")), ["a", undefined]);
  assert.deepEqual(names(candidate("a"), candidate("b", { hasIpv6: true })), ["b", "b"]);
  assert.deepEqual(names(candidate("b", { priority: -1 }), candidate("c")), ["c", undefined]);
  assert.deepEqual(names(candidate("a", { hasIpv6: true }), candidate("z", { priority: 1 })), ["z", "a"]);
});

test("chooseGateways finds no way out of internal networks", () => {
  assert.deepEqual(names(candidate("a", { isInternal: true, priority: 9 }), candidate("b")), [
    "b",
    undefined,
  ]);
  assert.deepEqual(names(candidate("a", { isInternal: true })), [undefined, undefined]);
  assert.deepEqual(names(), [undefined, undefined]);
});
