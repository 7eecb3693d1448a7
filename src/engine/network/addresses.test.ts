import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Fault } from "../../lib/errors.ts";
import { NetworkAddresses } from "./addresses.ts";
import { emptyRecord, type NetworkRecord, type NetworkSubnetRecord } from "./record.ts";

const block = (subnet: string, over: Partial<NetworkSubnetRecord> = {}): NetworkSubnetRecord => ({
  subnet,
  gateway: subnet.replace(/\d*\/\d+$/, "1"),
  range: "",
  reserved: {},
  ...over,
});
const network = (...subnets: NetworkSubnetRecord[]): NetworkRecord => ({
  ...emptyRecord({ id: "n", name: "net", driver: "bridge", createdAt: "" }),
  subnets,
});
const made = (...subnets: NetworkSubnetRecord[]): NetworkAddresses => {
  const addresses = new NetworkAddresses();
  addresses.add(network(...subnets));
  return addresses;
};
const any = (holder: string) => ({ family: "ipv4", ip: "", holder }) as const;

test("an address is given with its prefix and gateway, an address asked for exactly, another's never", () => {
  const addresses = made(block("10.0.0.0/24", { reserved: { printer: "10.0.0.2" } }));
  assert.deepEqual(addresses.grant("n", any("a")), { ip: "10.0.0.3", prefixLength: 24, gateway: "10.0.0.1" });
  assert.equal(addresses.grant("n", { ...any("b"), ip: "10.0.0.9" })?.ip, "10.0.0.9");
  for (const ip of ["10.0.0.9", "10.0.0.1", "10.0.0.2"])
    assert.throws(() => addresses.grant("n", { ...any("c"), ip }), {
      kind: "forbidden",
      message: /Address already in use/,
    });
  assert.throws(() => addresses.grant("n", { ...any("c"), ip: "10.0.1.9" }), {
    kind: "invalidParameter",
    message: /no configured subnet contains IP address 10.0.1.9/,
  });
});

test("the address of before is given again when it is free, and no longer then", () => {
  const addresses = made(block("10.0.0.0/24"));
  assert.equal(addresses.grant("n", { ...any("a"), preferred: "10.0.0.7" })?.ip, "10.0.0.7");
  assert.equal(addresses.grant("n", { ...any("b"), preferred: "10.0.0.7" })?.ip, "10.0.0.2");
  assert.equal(addresses.grant("n", { ...any("c"), preferred: "10.9.0.7" })?.ip, "10.0.0.3");
});

test("a network without a family gives no address of it; several subnets are used one after another", () => {
  const addresses = made(block("10.0.0.0/30"), block("10.0.1.0/30"));
  assert.equal(addresses.grant("n", { family: "ipv6", ip: "", holder: "a" }), undefined);
  assert.deepEqual(
    ["a", "b"].map((h) => addresses.grant("n", any(h))?.ip),
    ["10.0.0.2", "10.0.1.2"],
  );
  assert.throws(() => addresses.grant("n", any("c")), { code: "address.exhausted" });
});

test("whatever comes and goes, nobody has the address of another, of the gateway or outside of the range", () => {
  const step = fc.record({ holder: fc.integer({ min: 0, max: 30 }), isLeaving: fc.boolean() });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), fc.boolean(), (steps, prefersLast) => {
      const addresses = made(block("10.0.0.0/24", { range: "10.0.0.16/28", gateway: "10.0.0.17" }));
      const held = new Map<number, string>();
      const last = new Map<number, string>();
      for (const { holder, isLeaving } of steps) {
        const had = held.get(holder);
        if (isLeaving || had !== undefined) {
          if (had !== undefined) addresses.release("n", [had]);
          held.delete(holder);
          continue;
        }
        const preferred = prefersLast ? last.get(holder) : undefined;
        const wish = { ...any(String(holder)), ...(preferred === undefined ? {} : { preferred }) };
        try {
          const ip = addresses.grant("n", wish)?.ip as string;
          assert.ok(![...held.values()].includes(ip) && ip !== "10.0.0.17");
          const number = Number(ip.split(".")[3]);
          assert.ok(number >= 16 && number <= 31, ip);
          held.set(holder, ip);
          last.set(holder, ip);
        } catch (error) {
          assert.ok(error instanceof Fault && error.code === "address.exhausted", String(error));
          assert.equal(held.size, 15);
        }
      }
    }),
  );
});
