// Tables of go-units, Go's time package and Docker's timestamp arguments.

import assert from "node:assert/strict";
import { test } from "node:test";
import { formatDuration, humanDuration, parseDuration } from "./duration.ts";
import { formatGoTime, parseTimeArgument } from "./go-time.ts";
import { binarySize, humanSize, parseBinarySize, parseDecimalSize } from "./size.ts";

test("humanSize prints powers of 1000", () => {
  const cases: [number, string][] = [
    [0, "0B"],
    [999, "999B"],
    [1000, "1kB"],
    [1024, "1.024kB"],
    [1_234_567, "1.235MB"],
    [117_123_456, "117.1MB"],
    [999_999, "1000kB"],
    [3.42e9, "3.42GB"],
    [2.22e12, "2.22TB"],
  ];
  for (const [bytes, text] of cases) assert.equal(humanSize(bytes), text);
  assert.equal(humanSize(1_234_567, 3), "1.23MB");
  assert.equal(humanSize(999_600, 3), "1e+03kB");
});

test("binarySize prints powers of 1024", () => {
  assert.equal(binarySize(1024), "1KiB");
  assert.equal(binarySize(1024 * 1024 * 117.66), "117.7MiB");
  assert.equal(binarySize(512), "512B");
});

test("parseBinarySize reads what --memory takes", () => {
  const cases: [string, number][] = [
    ["32", 32],
    ["32b", 32],
    ["32B", 32],
    ["32k", 32 * 1024],
    ["32K", 32 * 1024],
    ["32kb", 32 * 1024],
    ["32Kb", 32 * 1024],
    ["32KiB", 32 * 1024],
    ["512m", 512 * 1024 * 1024],
    ["1.5g", 1.5 * 1024 ** 3],
    ["32.3", 32],
    ["32 mb", 32 * 1024 * 1024],
    ["0", 0],
  ];
  for (const [text, bytes] of cases) assert.equal(parseBinarySize(text), bytes, text);
  assert.equal(parseDecimalSize("10GB"), 10e9);
});

test("parseBinarySize refuses nonsense with go-units' words", () => {
  const cases: [string, string][] = [
    ["", "invalid size: ''"],
    ["hello", "invalid size: 'hello'"],
    ["-32", "invalid size: '-32'"],
    ["32bb", "invalid suffix: 'bb'"],
    ["32x", "invalid suffix: 'x'"],
    ["32mbb", "invalid suffix: 'mbb'"],
    ["32m b", 'strconv.ParseFloat: parsing "32m": invalid syntax'],
    ["1.2.3k", 'strconv.ParseFloat: parsing "1.2.3": invalid syntax'],
    ["22 22", 'strconv.ParseFloat: parsing "22 22": invalid syntax'],
  ];
  for (const [text, message] of cases) assert.throws(() => parseBinarySize(text), { message }, text);
});

test("humanDuration uses Docker's words", () => {
  const s = 1e9;
  const cases: [number, string][] = [
    [0.45 * s, "Less than a second"],
    [1 * s, "1 second"],
    [45 * s, "45 seconds"],
    [60 * s, "About a minute"],
    [119 * s, "About a minute"],
    [180 * s, "3 minutes"],
    [59 * 60 * s, "59 minutes"],
    [60 * 60 * s, "About an hour"],
    [3 * 3600 * s, "3 hours"],
    [47 * 3600 * s, "47 hours"],
    [48 * 3600 * s, "2 days"],
    [13 * 24 * 3600 * s, "13 days"],
    [14 * 24 * 3600 * s, "2 weeks"],
    [61 * 24 * 3600 * s, "2 months"],
    [24 * 30 * 24 * 3600 * s, "24 months"],
    [2 * 365 * 24 * 3600 * s, "2 years"],
  ];
  for (const [nanos, text] of cases) assert.equal(humanDuration(nanos), text);
});

test("durations are read and printed as Go does", () => {
  const cases: [string, number, string][] = [
    ["0", 0, "0s"],
    ["5s", 5e9, "5s"],
    ["1.5s", 1.5e9, "1.5s"],
    ["1h30m", 5400e9, "1h30m0s"],
    ["-3m2.5s", -182.5e9, "-3m2.5s"],
    ["100ms", 1e8, "100ms"],
    ["1us", 1e3, "1µs"],
    [".5m", 30e9, "30s"],
    ["7ns", 7, "7ns"],
  ];
  for (const [text, nanos, printed] of cases) {
    assert.equal(parseDuration(text), nanos, text);
    assert.equal(formatDuration(nanos), printed);
  }
  const bad: [string, string][] = [
    ["", 'time: invalid duration ""'],
    ["x", 'time: invalid duration "x"'],
    ["5", 'time: missing unit in duration "5"'],
    ["5x", 'time: unknown unit "x" in duration "5x"'],
    [".s", 'time: invalid duration ".s"'],
  ];
  for (const [text, message] of bad) assert.throws(() => parseDuration(text), { message }, text);
});

test("formatGoTime prints UTC as Go does", () => {
  assert.equal(formatGoTime(1_704_164_645_000, { isUtc: true }), "2024-01-02 03:04:05 +0000 UTC");
  const withNanos = formatGoTime(1_704_164_645_000, { isUtc: true, nanos: 678_900_000 });
  assert.equal(withNanos, "2024-01-02 03:04:05.6789 +0000 UTC");
});

test("parseTimeArgument reads durations, dates and timestamps", () => {
  const now = 1_704_164_645_000;
  assert.equal(parseTimeArgument("10m", now), String(1_704_164_645 - 600));
  assert.equal(parseTimeArgument("1704164645", now), "1704164645");
  assert.equal(parseTimeArgument("1704164645.5", now), "1704164645.5");
  assert.equal(parseTimeArgument("0", now), "0");
  assert.equal(parseTimeArgument("2024-01-02T03:04:05Z", now), "1704164645.000000000");
  assert.equal(parseTimeArgument("2024-01-02T03:04:05.25Z", now), "1704164645.250000000");
  assert.equal(parseTimeArgument("2024-01-02T04:04:05+01:00", now), "1704164645.000000000");
  assert.throws(() => parseTimeArgument("nonsense", now), {
    message: 'failed to parse value as time or duration: "nonsense"',
  });
  assert.throws(() => parseTimeArgument("2024-99-02", now), /^Fault: parsing time/);
});
