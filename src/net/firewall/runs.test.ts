import assert from "node:assert/strict";
import { test } from "node:test";
import { type Publication, runsOf } from "./runs.ts";

const at = (hostPort: number, over: Partial<Publication> = {}): Publication => ({
  proto: "tcp",
  hostIp: "0.0.0.0",
  hostPort,
  containerIp: "172.17.0.2",
  containerPort: hostPort,
  isDirect: false,
  ...over,
});
const shown = (list: readonly Publication[]): string[] =>
  runsOf(list).map((r) => `${r.proto} ${r.hostIp} ${r.hostPort} x${r.count} -> ${r.containerPort}`);

test("runsOf joins ports in a row, in any order, each once", () => {
  assert.deepEqual(shown([]), []);
  assert.deepEqual(shown([at(82), at(80), at(81), at(81), at(84), at(80)]), [
    "tcp 0.0.0.0 80 x3 -> 80",
    "tcp 0.0.0.0 84 x1 -> 84",
  ]);
});

test("runsOf keeps apart what differs in more than the number", () => {
  const others = [{ proto: "udp" }, { hostIp: "127.0.0.1" }, { containerIp: "172.17.0.3" }] as const;
  assert.equal(runsOf([at(80), ...others.map((over) => at(81, over)), at(82)]).length, 5);
});

test("runsOf leaves translated ports as they are", () => {
  assert.deepEqual(shown([at(80), at(81, { containerPort: 80 }), at(82), at(83, { containerPort: 82 })]), [
    "tcp 0.0.0.0 80 x1 -> 80",
    "tcp 0.0.0.0 81 x1 -> 80",
    "tcp 0.0.0.0 82 x1 -> 82",
    "tcp 0.0.0.0 83 x1 -> 82",
  ]);
});
