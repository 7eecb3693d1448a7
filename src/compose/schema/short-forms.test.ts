// Short forms that are wrong, and command lines. The right ones are in the conformance suite.

import assert from "node:assert/strict";
import { test } from "node:test";
import { plain, scalar } from "../tree/node.ts";
import { parseLongDuration } from "./duration.ts";
import { device, ports, volume } from "./short-forms.ts";
import { splitWords } from "./words.ts";

const here = { file: "-", line: 1, column: 1 };
const text = (value: string) => scalar(value, here);

test("ports that cannot be are refused with the reason", () => {
  const refuse = (spec: string, message: RegExp) => assert.throws(() => ports(text(spec)), { message });
  refuse("80:http", /^invalid containerPort: http$/);
  refuse("x:80", /^invalid hostPort: x$/);
  refuse("99999", /^invalid containerPort: 99999$/);
  refuse("80:", /^no port specified: 80:<empty>$/);
  refuse("80/icmp", /^invalid proto: icmp$/);
  refuse("80-82:80-81", /^invalid ranges specified for container and host Ports: 80-81 and 80-82$/);
  refuse("1.2.3:80:80", /^invalid IP address: 1\.2\.3$/);
});

test("a range of the host for one port leaves the choice to the daemon", () => {
  assert.deepEqual(ports(text("8000-8005:80")).map(plain), [
    { mode: "ingress", target: 80, published: "8000-8005", protocol: "tcp" },
  ]);
});

test("volumes and devices that cannot be are refused with the reason", () => {
  assert.throws(() => volume(text("aa:bb:cc:dd")), { message: "invalid spec: aa:bb:cc:dd: too many colons" });
  assert.throws(() => volume(text("aa::b")), {
    message: "invalid spec: aa::b: empty section between colons",
  });
  assert.throws(() => volume(text("")), { message: "invalid empty volume spec" });
  assert.throws(() => device(text("aa:bb:cc:dd")), { message: /^confusing device mapping/ });
});

const lines: readonly (readonly [line: string, words: readonly string[], dropped?: string])[] = [
  ["a  b\tc", ["a", "b", "c"]],
  [`a 'b c' "d e" ''`, ["a", "b c", "d e", ""]],
  [`a\\ b "c\\"d" 'e\\f'`, ["a b", 'c"d', "e\\f"]],
  ["a$(b c)d `e f`", ["a$(b c)d", "`e f`"]],
  ["a && b", ["a"], "&& b"],
  ["a > b", ["a"], "> b"],
  ["", []],
];
for (const [line, words, dropped = ""] of lines) {
  test(`${JSON.stringify(line)} is ${words.length} words`, () => {
    assert.deepEqual(splitWords(line), { words, dropped });
  });
}

test("what is not closed is refused", () => {
  for (const line of ["'a", '"a', "`a", "a\\", "(a)"])
    assert.throws(() => splitWords(line), { message: /invalid command line/ });
});

test("durations have days and weeks besides Go's units", () => {
  assert.equal(parseLongDuration("1w2d3h"), (7 * 24 + 2 * 24 + 3) * 3600e9);
  assert.equal(parseLongDuration("1.5d"), 36 * 3600e9);
  assert.throws(() => parseLongDuration("2x"), { message: 'time: unknown unit "x" in duration "2x"' });
});
