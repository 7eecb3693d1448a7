import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Fault } from "../../lib/errors.ts";
import { defaultDeviceRules } from "../spec/defaults.ts";
import type { OciDeviceRule } from "../spec/oci.ts";
import { type DeviceAccess, runDeviceProgram } from "./device-interpreter.ts";
import { deviceProgram } from "./device-program.ts";

const DENY_ALL: OciDeviceRule = { allow: false, access: "rwm" };

function allows(rules: readonly OciDeviceRule[], asked: DeviceAccess): boolean {
  const program = deviceProgram(rules);
  return program === undefined || runDeviceProgram(program, asked);
}

/** What the rules say, one kind of access at a time, without a program. */
function verdict(rules: readonly OciDeviceRule[], asked: DeviceAccess): boolean {
  const isFor = (rule: OciDeviceRule) =>
    (rule.type === undefined || rule.type === "a" || rule.type === asked.type) &&
    ((rule.major ?? -1) < 0 || rule.major === asked.major) &&
    ((rule.minor ?? -1) < 0 || rule.minor === asked.minor);
  return [...asked.access].every(
    (letter) => rules.findLast((r) => isFor(r) && (r.access || "rwm").includes(letter))?.allow ?? true,
  );
}

test("a container's own list lets its devices through and nothing else, but any node can be made", () => {
  const rules = defaultDeviceRules();
  const may = (type: "b" | "c", major: number, minor: number, access: string) =>
    allows(rules, { type, major, minor, access });
  assert.equal(may("c", 1, 3, "rw"), true);
  assert.equal(may("c", 136, 7, "rw"), true);
  assert.equal(may("b", 8, 0, "m"), true);
  assert.equal(may("b", 8, 0, "r"), false);
  assert.equal(may("b", 8, 0, "rm"), false);
  assert.equal(may("c", 1, 1, "r"), false);
  assert.equal(may("b", 1, 3, "r"), false, "the type counts");
});

test("rules that deny nothing need no program, and what is before a total rule is left out", () => {
  assert.equal(deviceProgram([]), undefined);
  assert.equal(deviceProgram([{ allow: true, type: "a", access: "rwm" }]), undefined);
  assert.equal(deviceProgram([DENY_ALL, { allow: true }]), undefined);
  const many = Array.from({ length: 100 }, (_, minor) => ({ allow: true, type: "c", major: 1, minor }));
  assert.deepEqual(deviceProgram([...many, DENY_ALL]), deviceProgram([DENY_ALL]));
});

test("kinds of access may come from several rules, and a part is taken out of a broader rule", () => {
  const ttys = { type: "c", major: 4 } as const;
  const rules: OciDeviceRule[] = [
    DENY_ALL,
    { allow: true, ...ttys, access: "r" },
    { allow: true, ...ttys, access: "w" },
    { allow: false, ...ttys, minor: 1, access: "w" },
  ];
  assert.equal(allows(rules, { type: "c", major: 4, minor: 2, access: "rw" }), true);
  assert.equal(allows(rules, { type: "c", major: 4, minor: 1, access: "r" }), true);
  assert.equal(allows(rules, { type: "c", major: 4, minor: 1, access: "rw" }), false);
});

test("numbers that no device has match nothing", () => {
  const rules: OciDeviceRule[] = [DENY_ALL, { allow: true, type: "c", major: 2 ** 32 + 1, minor: 3 }];
  assert.equal(allows(rules, { type: "c", major: 1, minor: 3, access: "r" }), false);
});

test("a list without end is refused, not cut short", () => {
  const many = Array.from({ length: 20_000 }, (_, minor) => ({ allow: true, type: "c", major: 1, minor }));
  assert.throws(
    () => deviceProgram([DENY_ALL, ...many]),
    (e) => e instanceof Fault && e.kind === "invalidParameter",
  );
});

test("the program says what the rules say, whatever they are", () => {
  const number = fc.option(fc.integer({ min: -1, max: 3 }), { nil: undefined });
  const access = fc.uniqueArray(fc.constantFrom("r", "w", "m"), { minLength: 1 }).map((l) => l.join(""));
  const rule = fc.record(
    { allow: fc.boolean(), type: fc.constantFrom("a", "b", "c"), major: number, minor: number, access },
    { requiredKeys: ["allow"] },
  ) as fc.Arbitrary<OciDeviceRule>;
  const asked = fc.record({
    type: fc.constantFrom("b" as const, "c" as const),
    major: fc.nat(3),
    minor: fc.nat(3),
    access,
  });
  fc.assert(
    fc.property(fc.array(rule, { maxLength: 12 }), asked, (rules, a) => {
      assert.equal(allows(rules, a), verdict(rules, a));
    }),
    { numRuns: 2000 },
  );
});
