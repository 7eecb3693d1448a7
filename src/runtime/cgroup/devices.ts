// Rules of the device controller: from OCI's list, in which later rules win over earlier ones, to the smallest
// set of exceptions to one default; and from there to the writes of cgroup v1.
// v2 has no files for this: device-program.ts.

import { host, type Op } from "../../linux/ops.ts";
import type { OciDeviceRule } from "../spec/oci.ts";

/** What is allowed besides the default; -1 stands for any number. */
export interface DeviceException {
  type: "b" | "c";
  major: number;
  minor: number;
  /** Of `rwm`, in this order. */
  access: string;
}

/** `default` says what happens to devices without an exception; exceptions are the opposite of it. */
export interface DevicePolicy {
  default: "allow" | "deny";
  exceptions: DeviceException[];
  /** Of the rules, those that cannot be expressed. */
  lost: DeviceException[];
}

/**
 * Applies the rules in order, as the kernel's v1 controller does, starting from "everything allowed". A rule that only
 * takes a part out of a broader exception has no effect, there as here: the controller cannot express it, and `lost` has it.
 */
export function devicePolicyOf(rules: readonly OciDeviceRule[]): DevicePolicy {
  let fallback: DevicePolicy["default"] = "allow";
  const exceptions = new Map<string, DeviceException>();
  let lost: DeviceException[] = [];
  for (const rule of rules) {
    const verdict = rule.allow ? "allow" : "deny";
    const types = ruleTypes(rule);
    const access = accessOf(rule.access);
    if (types.length === 2 && access === "rwm" && anyNumber(rule)) {
      fallback = verdict;
      exceptions.clear();
      lost = [];
      continue;
    }
    for (const type of types) {
      const major = numberOf(rule.major);
      const minor = numberOf(rule.minor);
      const key = `${type} ${major}:${minor}`;
      const old = exceptions.get(key)?.access ?? "";
      const merged = verdict === fallback ? minus(old, access) : union(old, access);
      if (merged === "") exceptions.delete(key);
      else exceptions.set(key, { type, major, minor, access: merged });
      const taken = { type, major, minor, access };
      if (verdict === fallback && [...exceptions.values()].some((e) => overlap(e, taken))) lost.push(taken);
    }
  }
  return { default: fallback, exceptions: [...exceptions.values()], lost };
}

function overlap(a: DeviceException, b: DeviceException): boolean {
  const same = (x: number, y: number) => x < 0 || y < 0 || x === y;
  const hasBoth = [...a.access].some((letter) => b.access.includes(letter));
  return a.type === b.type && same(a.major, b.major) && same(a.minor, b.minor) && hasBoth;
}

/**
 * Returns the writes that give a fresh v1 devices cgroup, which has a copy of its parent's list, this policy.
 * None when everything is allowed: a child can never have more than its parent anyway.
 */
export function planDevicesV1(dir: string, policy: DevicePolicy, warnings: string[]): Op[] {
  for (const rule of policy.lost) {
    const text = formatDeviceException(rule);
    warnings.push(
      `device rule "${text}" takes a part out of a broader one, which cgroup v1 cannot: discarded`,
    );
  }
  const ops: Op[] = [];
  if (policy.default === "deny") ops.push(host.write(`${dir}/devices.deny`, "a"));
  const file = policy.default === "deny" ? `${dir}/devices.allow` : `${dir}/devices.deny`;
  for (const e of policy.exceptions) ops.push(host.write(file, formatDeviceException(e)));
  return ops;
}

/** `c 1:3 rwm`, as the v1 files want it. */
export function formatDeviceException(e: DeviceException): string {
  const number = (n: number) => (n < 0 ? "*" : String(n));
  return `${e.type} ${number(e.major)}:${number(e.minor)} ${e.access}`;
}

function ruleTypes(rule: OciDeviceRule): ("b" | "c")[] {
  if (rule.type === "c" || rule.type === "u") return ["c"];
  if (rule.type === "b") return ["b"];
  return ["c", "b"];
}

const anyNumber = (rule: OciDeviceRule) => numberOf(rule.major) < 0 && numberOf(rule.minor) < 0;

const numberOf = (n: number | undefined) => (n === undefined || n < 0 ? -1 : n);

function accessOf(access: string | undefined): string {
  return access === undefined || access === "" ? "rwm" : union("", access);
}

function union(a: string, b: string): string {
  return [..."rwm"].filter((c) => a.includes(c) || b.includes(c)).join("");
}

function minus(a: string, b: string): string {
  return [...a].filter((c) => !b.includes(c)).join("");
}
