import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Fault } from "../../lib/errors.ts";
import { AddressPool } from "./address-pool.ts";

const code = (wanted: string) => (e: unknown) => e instanceof Fault && e.code === wanted;

test("addresses come lowest first, after the gateway, and released ones again", () => {
  const pool = new AddressPool({ subnet: "172.17.0.0/16" });
  assert.equal(pool.gateway, "172.17.0.1");
  assert.deepEqual(
    [pool.allocate("a"), pool.allocate("b"), pool.allocate("c")],
    ["172.17.0.2", "172.17.0.3", "172.17.0.4"],
  );
  pool.release("172.17.0.3");
  assert.deepEqual([pool.allocate("d"), pool.allocate("e")], ["172.17.0.3", "172.17.0.5"]);
  assert.deepEqual([pool.holderOf("172.17.0.3"), pool.holderOf("172.17.0.9")], ["d", undefined]);
});

test("a gateway elsewhere is skipped, and never released", () => {
  const pool = new AddressPool({ subnet: "10.0.0.0/29", gateway: "10.0.0.2" });
  pool.release("10.0.0.2");
  assert.deepEqual(
    ["a", "b", "c", "d", "e"].map((h) => pool.allocate(h)),
    ["10.0.0.1", "10.0.0.3", "10.0.0.4", "10.0.0.5", "10.0.0.6"],
  );
  assert.throws(() => pool.allocate("f"), code("address.exhausted"));
  pool.release("10.0.0.5");
  assert.equal(pool.allocate("g"), "10.0.0.5");
});

test("a range limits what is allocated, not what is reserved", () => {
  const pool = new AddressPool({ subnet: "10.0.0.0/16", range: "10.0.5.0/30" });
  assert.deepEqual(
    [1, 2, 3, 4].map((n) => pool.allocate(String(n))),
    ["10.0.5.0", "10.0.5.1", "10.0.5.2", "10.0.5.3"],
  );
  assert.throws(() => pool.allocate("x"), code("address.exhausted"));
  pool.reserve("10.0.9.9", "x");
  assert.throws(
    () => new AddressPool({ subnet: "10.0.0.0/16", range: "10.0.0.0/8" }),
    code("address.out-of-range"),
  );
  assert.throws(
    () => new AddressPool({ subnet: "10.0.0.0/16", range: "10.1.0.0/24" }),
    code("address.out-of-range"),
  );
});

test("an address that is held, reserved or elsewhere is refused with its holder", () => {
  const pool = new AddressPool({ subnet: "10.0.0.0/24" });
  pool.reserve("10.0.0.7", "web");
  pool.reserve("10.0.0.7", "web");
  assert.throws(() => pool.reserve("10.0.0.7", "other"), {
    kind: "forbidden",
    code: "address.in-use",
    message: "Address already in use: 10.0.0.7 is held by web",
  });
  assert.throws(() => pool.reserve("10.0.0.1", "x"), /held by gateway/);
  for (const edge of ["10.0.0.0", "10.0.0.255"])
    assert.throws(() => pool.reserve(edge, "x"), code("address.in-use"));
  for (const far of ["10.0.1.1", "::1"])
    assert.throws(() => pool.reserve(far, "x"), code("address.out-of-range"));
});

test("IPv6 pools and tiny subnets work", () => {
  const pool = new AddressPool({ subnet: "fd00::/64" });
  assert.deepEqual([pool.gateway, pool.allocate("a")], ["fd00::1", "fd00::2"]);
  const pair = new AddressPool({ subnet: "10.0.0.0/31" });
  assert.deepEqual([pair.gateway, pair.allocate("a")], ["10.0.0.0", "10.0.0.1"]);
  assert.throws(() => pair.allocate("b"), code("address.exhausted"));
});

test("no address ever has two holders, and allocation always gives the lowest free one", () => {
  const step = fc.oneof(
    fc.constant({ kind: "allocate" as const, n: 0 }),
    fc.record({ kind: fc.constant("reserve" as const), n: fc.integer({ min: 0, max: 31 }) }),
    fc.record({ kind: fc.constant("release" as const), n: fc.integer({ min: 0, max: 31 }) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
      const pool = new AddressPool({ subnet: "10.0.0.0/27" });
      const held = new Set([0, 1, 31]);
      steps.forEach(({ kind, n }, i) => {
        const ip = `10.0.0.${n}`;
        if (kind === "release") {
          pool.release(ip);
          if (n > 1 && n < 31) held.delete(n);
          return;
        }
        const free =
          kind === "allocate" ? Array.from({ length: 32 }, (_, k) => k).find((k) => !held.has(k)) : n;
        const act = () => (kind === "allocate" ? pool.allocate(`h${i}`) : (pool.reserve(ip, `h${i}`), ip));
        if (free === undefined || held.has(free)) {
          assert.throws(act, Fault);
          return;
        }
        assert.equal(act(), `10.0.0.${free}`);
        held.add(free);
      });
    }),
  );
});
