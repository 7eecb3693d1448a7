import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Fault } from "../../lib/errors.ts";
import { AF_INET, AF_INET6, parsePrefix } from "../../linux/netlink/address.ts";
import { mayAsk, parseEgressPolicy, rulesFor } from "./policy.ts";

test("rules are addresses, names, and dns", () => {
  const text = `10.0.0.0/8, 10.1.2.3:443/tcp *:123/udp [2001:db8::/32]:8000-8010 2001:db8::1 */icmp
    Example.COM. *.example.org:443-444 dns`;
  const ports = (first: number, last = first) => ({ first, last });
  assert.deepEqual(parseEgressPolicy(text), {
    addresses: [
      { prefix: { base: 0x0a000000n, length: 8, family: AF_INET } },
      { prefix: parsePrefix("10.1.2.3/32"), proto: 6, ports: ports(443) },
      { proto: 17, ports: ports(123) },
      { prefix: { base: 0x20010db8n << 96n, length: 32, family: AF_INET6 }, ports: ports(8000, 8010) },
      { prefix: parsePrefix("2001:db8::1/128") },
      { proto: 1 },
    ],
    names: [{ pattern: "example.com" }, { pattern: "*.example.org", ports: ports(443, 444) }],
    asksAnyName: true,
  });
  assert.deepEqual(parseEgressPolicy("deny"), { addresses: [], names: [], asksAnyName: false });
});

test("what is no rule is refused with its words", () => {
  for (const [text, why] of [
    ["", /without rules/],
    ["deny 10.0.0.0/8", /"deny" stands alone/],
    ["10.0.0.0/33", /invalid address/],
    ["10.0.0.1:0", /invalid port "0"/],
    ["10.0.0.1:9-8", /invalid port/],
    ["10.0.0.1:80/gre", /unknown protocol "gre"/],
    ["10.0.0.1:80/icmp", /icmp has no ports/],
    ["10.0.0", /neither an address nor a domain name/],
    ["a..b", /neither/],
    ["a.*.b", /neither/],
    ["example.com/tcp", /needs a port/],
    ["example.com:1-100", /at most 16 ports/],
    ["[example.com]:80", /neither/],
  ] as const)
    assert.throws(() => parseEgressPolicy(text), {
      kind: "invalidParameter",
      code: "network.egress",
      message: why,
    });
});

test("any text is a policy or refused", () => {
  const words = fc.array(
    fc.oneof(fc.string(), fc.constantFrom("dns", "*", ":", "/", "[", "::1", "10.0.0.0/8", "a.b")),
  );
  fc.assert(
    fc.property(words, (parts) => {
      try {
        parseEgressPolicy(parts.join(""));
      } catch (error) {
        assert.ok(error instanceof Fault && error.code === "network.egress", String(error));
      }
    }),
    { seed: 1 },
  );
});

test("a pattern with a star names what is below it", () => {
  const policy = parseEgressPolicy("*.example.org example.com");
  for (const [name, isNamed] of [
    ["a.example.org", true],
    ["a.b.example.org", true],
    ["example.org", false],
    ["badexample.org", false],
    ["example.com", true],
    ["www.example.com", false],
    ["", false],
  ] as const) {
    assert.equal(rulesFor(policy, name).length > 0, isNamed, name);
    assert.equal(mayAsk(policy, name), isNamed, name);
  }
  assert.equal(mayAsk(parseEgressPolicy("dns"), "anything"), true);
});
