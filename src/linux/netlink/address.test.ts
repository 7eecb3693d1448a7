import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Address6 } from "ip-address";
import { Fault } from "../../lib/errors.ts";
import {
  AF_INET,
  AF_INET6,
  ipBytes,
  ipFromNumber,
  ipNumber,
  ipText,
  macBytes,
  macText,
  parseInterface,
  parsePrefix,
  prefixContains,
  prefixText,
  prefixesOverlap,
} from "./address.ts";

test("addresses survive the way to bytes and back", () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.uint8Array({ minLength: 4, maxLength: 4 }),
        fc.uint8Array({ minLength: 16, maxLength: 16 }),
      ),
      (b) => {
        assert.deepEqual(ipBytes(ipText(b)), b);
        const family = b.length === 4 ? AF_INET : AF_INET6;
        assert.equal(ipFromNumber(ipNumber(ipText(b)), family), ipText(b));
      },
    ),
  );
});

test("IPv6 text agrees with the ip-address library", () => {
  const word = fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 0xffff }));
  fc.assert(
    fc.property(fc.array(word, { minLength: 8, maxLength: 8 }), (words) => {
      const long = words.map((w) => w.toString(16)).join(":");
      if (/^0:0:0:0:0:ffff:/.test(long)) return;
      assert.equal(ipText(ipBytes(long)), new Address6(long).correctForm());
    }),
  );
});

test("the forms of an IPv6 address are the same address", () => {
  for (const form of ["::ffff:10.0.0.1", "0:0:0:0:0:ffff:a00:1", "::ffff:a00:1"])
    assert.equal(ipText(ipBytes(form)), "::ffff:10.0.0.1");
  assert.equal(ipText(ipBytes("2001:DB8::1:0:0:1")), "2001:db8::1:0:0:1");
  assert.equal(ipText(ipBytes("::")), "::");
});

test("what is not an address is refused", () => {
  for (const bad of [
    "",
    "1",
    "1.2.3",
    "01.2.3.4",
    "0x7f.1",
    "1.2.3.256",
    "fe80::1%eth0",
    "1::2::3",
    ":::",
    "localhost",
  ])
    assert.throws(
      () => ipBytes(bad),
      (e: unknown) => e instanceof Fault && e.code === "address.invalid",
      bad,
    );
});

test("prefixes are cut, compared and printed", () => {
  assert.equal(prefixText(parsePrefix("172.17.3.4/16")), "172.17.0.0/16");
  assert.equal(prefixText(parsePrefix("2001:db8::1/64")), "2001:db8::/64");
  assert.equal(parseInterface("172.17.3.4/16").ip, "172.17.3.4");
  const p = parsePrefix("10.0.0.0/8");
  assert.ok(prefixesOverlap(p, parsePrefix("10.200.0.0/16")) && prefixesOverlap(parsePrefix("0.0.0.0/0"), p));
  assert.ok(!prefixesOverlap(p, parsePrefix("11.0.0.0/8")) && !prefixesOverlap(p, parsePrefix("::/0")));
  assert.ok(
    prefixContains(p, "10.255.255.255") && !prefixContains(p, "11.0.0.0") && !prefixContains(p, "::1"),
  );
  for (const bad of [
    "",
    "10.0.0.0",
    "10.0.0.0/33",
    "10.0.0.0/-1",
    "10.0.0.0/08",
    "10.0.0.0/8/8",
    "x/8",
    "::/129",
  ])
    assert.throws(
      () => parsePrefix(bad),
      (e: unknown) => e instanceof Fault && e.code === "subnet.invalid",
      bad,
    );
});

test("hardware addresses", () => {
  assert.equal(macText(macBytes("02:42:AC-11-00-02".replaceAll("-", ":"))), "02:42:ac:11:00:02");
  assert.throws(() => macBytes("02:42:ac:11:00"), Fault);
});
