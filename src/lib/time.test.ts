import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { formatNano, formatNanoFixed, nowNano, parseNano, parseTimestamp } from "./time.ts";

test("formatNano drops trailing zeros as RFC3339Nano does", () => {
  assert.equal(formatNano(0n), "1970-01-01T00:00:00Z");
  assert.equal(formatNano(1_500_000_000n), "1970-01-01T00:00:01.5Z");
  assert.equal(formatNano(-1n), "1969-12-31T23:59:59.999999999Z");
  assert.equal(formatNanoFixed(1_500_000_000n), "1970-01-01T00:00:01.500000000Z");
  assert.equal(formatNanoFixed(0n), "1970-01-01T00:00:00.000000000Z");
});

test("parseNano reads zones and refuses what is not RFC 3339", () => {
  assert.equal(parseNano("1970-01-01T01:00:00+01:00"), 0n);
  assert.equal(parseNano("1970-01-01T00:00:00.000000001Z"), 1n);
  for (const bad of ["", "now", "1970-01-01", "1970-13-01T00:00:00Z", "1970-01-01T00:00:00"])
    assert.equal(parseNano(bad), null);
});

test("parseTimestamp reads seconds with fractions", () => {
  assert.equal(parseTimestamp("1.5"), 1_500_000_000n);
  assert.equal(parseTimestamp("1712345678"), 1_712_345_678_000_000_000n);
  assert.equal(parseTimestamp("x"), null);
});

test("parseTimestamp reads dates in the zone of the machine, with as much of a time as is given", () => {
  const local = (...parts: [number, number, number, number?, number?, number?]) =>
    BigInt(new Date(...parts).getTime()) * 1_000_000n;
  assert.equal(parseTimestamp("2024-04-05"), local(2024, 3, 5));
  assert.equal(parseTimestamp("2024-04-05T10"), local(2024, 3, 5, 10));
  assert.equal(parseTimestamp("2024-04-05T10:30"), local(2024, 3, 5, 10, 30));
  assert.equal(parseTimestamp("2024-04-05T10:30:15.5"), local(2024, 3, 5, 10, 30, 15) + 500_000_000n);
  assert.equal(parseTimestamp("2024-13-05"), null);
  assert.equal(parseTimestamp("2024-04-05 10:30"), null);
});

test("parseNano inverts formatNano", () => {
  fc.assert(
    fc.property(fc.bigInt({ min: 0n, max: 4_000_000_000_000_000_000n }), (n) => {
      assert.equal(parseNano(formatNano(n)), n);
      assert.equal(parseNano(formatNanoFixed(n)), n);
    }),
  );
});

test("nowNano stays within the millisecond of the wall clock, also when that is set", (t) => {
  const clock = t.mock.method(Date, "now");
  const start = Date.now();
  for (const ms of [0, 1, 1, 5000, 5000, -5000, 3_600_000, 3_600_001]) {
    clock.mock.mockImplementation(() => start + ms);
    let previous = 0n;
    for (let i = 0; i < 100; i++) {
      const now = nowNano();
      assert.equal(Number(now / 1_000_000n), start + ms);
      assert.ok(now >= previous);
      previous = now;
    }
  }
});
