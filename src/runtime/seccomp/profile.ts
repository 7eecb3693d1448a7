// Docker's seccomp profile format (the JSON after `--security-opt seccomp=`): the OCI object plus conditions by
// capability, architecture and kernel version. Parsing with bounds, and resolving for one container into an OciSeccomp.
// The profile is foreign input: every shape that Docker refuses is refused here, with its text where it has one.

import { Fault, messageOf } from "../../lib/errors.ts";
import { parseJson } from "../../lib/json/parse.ts";
import type { OciSeccomp, OciSeccompAction, OciSeccompArg, OciSyscall } from "../spec/oci.ts";
import { SECCOMP_ACTIONS, SECCOMP_OPERATORS } from "./words.ts";
import { table } from "../../lib/table.ts";

/** Conditions of a rule: `caps` of the container's bounding set, architectures in Go's names, least kernel `4.8`. */
export interface SeccompFilter {
  caps?: readonly string[];
  arches?: readonly string[];
  minKernel?: string;
}

export interface DockerSeccompRule {
  names: readonly string[];
  action: OciSeccompAction;
  errnoRet?: number;
  args?: readonly OciSeccompArg[];
  includes?: SeccompFilter;
  excludes?: SeccompFilter;
}

export interface DockerSeccompProfile {
  defaultAction: OciSeccompAction;
  defaultErrnoRet?: number;
  /** Either a fixed list, or a list per native architecture. */
  architectures?: readonly string[];
  archMap?: readonly { architecture: string; subArchitectures?: readonly string[] }[];
  flags?: readonly string[];
  listenerPath?: string;
  listenerMetadata?: string;
  syscalls: readonly DockerSeccompRule[];
}

/** What a profile is resolved for. */
export interface SeccompTarget {
  /** Go's architecture name: amd64, arm64… */
  arch: string;
  /** Names of the container's bounding set. */
  capabilities: readonly string[];
  /** Release of the running kernel, such as `6.1.0-18-amd64`. */
  kernel: string;
}

const NATIVE_ARCH: Readonly<Record<string, string>> = table({
  amd64: "SCMP_ARCH_X86_64",
  "386": "SCMP_ARCH_X86",
  arm64: "SCMP_ARCH_AARCH64",
  arm: "SCMP_ARCH_ARM",
});

/** Returns the OCI object for one container, undefined when the profile says nothing at all (as Docker has it). */
export function resolveProfile(profile: DockerSeccompProfile, target: SeccompTarget): OciSeccomp | undefined {
  if (!profile.defaultAction && profile.syscalls.length === 0) return undefined;
  if ((profile.architectures?.length ?? 0) > 0 && (profile.archMap?.length ?? 0) > 0) {
    throw invalid(
      "both 'architectures' and 'archMap' are specified in the seccomp profile, use either 'architectures' or 'archMap'",
    );
  }
  const native = NATIVE_ARCH[target.arch];
  const mapped = profile.archMap?.find((entry) => entry.architecture === native);
  const architectures = mapped
    ? [mapped.architecture, ...(mapped.subArchitectures ?? [])]
    : [...(profile.architectures ?? [])];
  const syscalls: OciSyscall[] = profile.syscalls.filter((rule) => applies(rule, target)).map(ociRule);
  return {
    defaultAction: profile.defaultAction,
    ...(profile.defaultErrnoRet === undefined ? {} : { defaultErrnoRet: profile.defaultErrnoRet }),
    architectures,
    ...(profile.flags === undefined ? {} : { flags: [...profile.flags] }),
    ...(profile.listenerPath === undefined ? {} : { listenerPath: profile.listenerPath }),
    ...(profile.listenerMetadata === undefined ? {} : { listenerMetadata: profile.listenerMetadata }),
    syscalls,
  };
}

function ociRule(rule: DockerSeccompRule): OciSyscall {
  return {
    names: [...rule.names],
    action: rule.action,
    ...(rule.errnoRet === undefined ? {} : { errnoRet: rule.errnoRet }),
    ...(rule.args === undefined || rule.args.length === 0 ? {} : { args: [...rule.args] }),
  };
}

function applies(rule: DockerSeccompRule, target: SeccompTarget): boolean {
  const { includes, excludes } = rule;
  const has = (cap: string) => target.capabilities.includes(cap);
  if (excludes?.arches?.includes(target.arch)) return false;
  if (excludes?.caps?.some(has)) return false;
  if (excludes?.minKernel && isKernelAtLeast(target.kernel, excludes.minKernel)) return false;
  if (includes?.arches?.length && !includes.arches.includes(target.arch)) return false;
  if (includes?.caps?.length && !includes.caps.every(has)) return false;
  return !includes?.minKernel || isKernelAtLeast(target.kernel, includes.minKernel);
}

/** Compares major and minor numbers only, as Docker does. */
export function isKernelAtLeast(release: string, wanted: string): boolean {
  const [major, minor] = versionOf(release);
  const [wantedMajor, wantedMinor] = versionOf(wanted);
  return major > wantedMajor || (major === wantedMajor && minor >= wantedMinor);
}

function versionOf(text: string): [number, number] {
  const match = /^(\d{1,5})\.(\d{1,5})/.exec(text);
  if (!match) throw invalid(`invalid kernel version: "${text}"`);
  return [Number(match[1]), Number(match[2])];
}

const MAX_PROFILE_CHARS = 4 << 20;
const MAX_RULES = 20_000;

/** Parses a profile's JSON text. Throws Fault invalidParameter for anything that is not one. */
export function parseProfile(text: string): DockerSeccompProfile {
  if (text.length > MAX_PROFILE_CHARS) throw invalid("decoding seccomp profile failed: it is too large");
  let json: unknown;
  try {
    json = parseJson(text);
  } catch (error) {
    throw invalid(`decoding seccomp profile failed: ${messageOf(error)}`);
  }
  const o = object(json, "profile");
  const rules = array(o["syscalls"], "syscalls").map((rule, i) => parseRule(rule, `syscalls[${i}]`));
  if (rules.length > MAX_RULES) throw invalid("decoding seccomp profile failed: too many rules");
  const archMap = array(o["archMap"], "archMap").map((entry, i) => {
    const a = object(entry, `archMap[${i}]`);
    return {
      architecture: string(a["architecture"], "architecture"),
      subArchitectures: strings(a["subArchitectures"], "subArchitectures"),
    };
  });
  return {
    defaultAction: action(o["defaultAction"], "defaultAction", { isOptional: rules.length === 0 }),
    ...optional("defaultErrnoRet", o["defaultErrnoRet"], errno),
    ...(o["architectures"] ? { architectures: strings(o["architectures"], "architectures") } : {}),
    ...(archMap.length > 0 ? { archMap } : {}),
    ...(o["flags"] ? { flags: strings(o["flags"], "flags") } : {}),
    ...optional("listenerPath", o["listenerPath"], string),
    ...optional("listenerMetadata", o["listenerMetadata"], string),
    syscalls: rules,
  };
}

function parseRule(json: unknown, where: string): DockerSeccompRule {
  const o = object(json, where);
  const names = strings(o["names"], `${where}.names`);
  if (typeof o["name"] === "string" && o["name"] !== "") {
    if (names.length > 0) {
      throw invalid(
        "both 'name' and 'names' are specified in the seccomp profile, use either 'name' or 'names'",
      );
    }
    names.push(o["name"]);
  }
  return {
    names,
    action: action(o["action"], `${where}.action`),
    ...optional("errnoRet", o["errnoRet"], errno),
    args: array(o["args"], `${where}.args`).map((arg) => parseArg(arg, where)),
    ...optional("includes", o["includes"], parseFilter),
    ...optional("excludes", o["excludes"], parseFilter),
  };
}

function parseArg(json: unknown, where: string): OciSeccompArg {
  const o = object(json, `${where}.args`);
  const op = string(o["op"], `${where}.op`);
  if (!(SECCOMP_OPERATORS as readonly string[]).includes(op))
    throw invalid(`string ${op} is not a valid operator for seccomp`);
  const index = unsigned(o["index"], "index");
  if (index > 5) throw invalid(`${where}: syscalls have at most six arguments, not index ${index}`);
  return {
    index,
    op: op as OciSeccompArg["op"],
    value: unsigned(o["value"], "value"),
    valueTwo: unsigned(o["valueTwo"], "valueTwo"),
  };
}

function parseFilter(json: unknown, where: string): SeccompFilter {
  const o = object(json, where);
  const minKernel = o["minKernel"] ? string(o["minKernel"], "minKernel") : undefined;
  if (minKernel !== undefined && !/^\d+\.\d+$/.test(minKernel)) {
    throw invalid(`invalid kernel version: "${minKernel}", expected "<kernel>.<major>"`);
  }
  return {
    ...(o["caps"] ? { caps: strings(o["caps"], "caps") } : {}),
    ...(o["arches"] ? { arches: strings(o["arches"], "arches") } : {}),
    ...(minKernel === undefined ? {} : { minKernel }),
  };
}

function action(value: unknown, where: string, options: { isOptional?: boolean } = {}): OciSeccompAction {
  if (options.isOptional && (value === undefined || value === "")) return "" as OciSeccompAction;
  const text = string(value, where);
  if (!(SECCOMP_ACTIONS as readonly string[]).includes(text))
    throw invalid(`string ${text} is not a valid action for seccomp`);
  return text as OciSeccompAction;
}

function errno(value: unknown, where: string): number {
  const n = unsigned(value, where);
  if (n > 0xffff) throw invalid(`${where}: ${n} is not an errno`);
  return n;
}

function optional<K extends string, T>(
  key: K,
  value: unknown,
  parse: (value: unknown, where: string) => T,
): { [P in K]?: T } {
  return (value === undefined || value === null ? {} : { [key]: parse(value, key) }) as { [P in K]?: T };
}

function object(value: unknown, where: string): Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw invalid(`decoding seccomp profile failed: ${where} is not an object`);
  }
  return value as Record<string, unknown>;
}

function array(value: unknown, where: string): unknown[] {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) throw invalid(`decoding seccomp profile failed: ${where} is not a list`);
  return value;
}

function string(value: unknown, where: string): string {
  if (typeof value !== "string") throw invalid(`decoding seccomp profile failed: ${where} is not a text`);
  return value;
}

function strings(value: unknown, where: string): string[] {
  return array(value, where).map((v) => string(v, where));
}

function unsigned(value: unknown, where: string): number {
  const n = value ?? 0;
  if (typeof n !== "number" || !Number.isInteger(n) || n < 0 || n >= 2 ** 64) {
    throw invalid(`decoding seccomp profile failed: ${where} is not an unsigned number`);
  }
  return n;
}

function invalid(message: string): Fault {
  return new Fault("invalidParameter", message, { code: "seccomp.invalid-profile" });
}
