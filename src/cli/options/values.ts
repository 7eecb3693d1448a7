// Flag types of Docker's own: sizes, CPUs, durations, ulimits, device rates, GPUs, addresses. Each checks its text when
// the flag is read, with Docker's words.

import { net } from "../../lib/builtins.ts";
import {
  custom,
  type FlagSpec,
  type FlagTraits,
  invalidValue,
  list,
  parseCsv,
} from "../../lib/flags/spec.ts";
import { parseDuration } from "../../lib/units/duration.ts";
import { parseBinarySize } from "../../lib/units/size.ts";
import { toRecord } from "./env.ts";

/** A size in bytes: `512m`. */
export function bytesFlag(usage: string, traits: FlagTraits = {}): FlagSpec<number> {
  return custom("bytes", usage, 0, (text) => parseBinarySize(text), traits);
}

/** A size of memory plus swap: a size, or -1 for no limit. */
export function swapFlag(usage: string, traits: FlagTraits = {}): FlagSpec<number> {
  return custom("bytes", usage, 0, (text) => (text === "-1" ? -1 : parseBinarySize(text)), traits);
}

/** A number of CPUs as a decimal or a fraction, in billionths. */
export function cpusFlag(usage: string, traits: FlagTraits = {}): FlagSpec<number> {
  return custom("decimal", usage, 0, parseCpus, traits);
}

function parseCpus(text: string): number {
  const exponent = /^([+-]?[\d.]+)[eE]([+-]?\d{1,2})$/.exec(text);
  if (exponent !== null) return parseCpus(shiftedPoint(exponent[1] ?? "", Number(exponent[2])));
  const match = /^([+-]?)(\d+)(?:\.(\d*))?$|^([+-]?)\.(\d+)$|^([+-]?\d+)\/(\d+)$/.exec(text);
  if (match === null) throw invalidValue(`failed to parse ${text} as a rational number`);
  const [, sign = "", whole = "0", digits, pointSign = "", pointDigits, numerator, denominator] = match;
  if (numerator !== undefined) {
    const scaled = Number(numerator) * 1e9;
    const value = scaled / Number(denominator);
    if (!Number.isInteger(value)) throw invalidValue("value is too precise");
    return value;
  }
  const fraction = (digits ?? pointDigits ?? "").replace(/0+$/, "");
  if (fraction.length > 9) throw invalidValue("value is too precise");
  const nanos = Number(whole) * 1e9 + Number(fraction.padEnd(9, "0"));
  return sign === "-" || pointSign === "-" ? -nanos : nanos;
}

/** Moves the decimal point of a number's text: `1.5` by -1 is `0.15`. */
function shiftedPoint(text: string, places: number): string {
  const sign = /^[+-]/.exec(text)?.[0] ?? "";
  const [whole = "", fraction = ""] = text.slice(sign.length).split(".");
  const digits = whole.padStart(100, "0") + fraction.padEnd(100, "0");
  const point = 100 + places;
  return `${sign}${digits.slice(0, point).replace(/^0+(?=\d)/, "")}.${digits.slice(point).replace(/0+$/, "")}`;
}

/** A duration in nanoseconds: `30s`. */
export function durationFlag(usage: string, traits: FlagTraits = {}): FlagSpec<number> {
  return custom("duration", usage, 0, (text) => parseDuration(text), traits);
}

/** Addresses of name servers. */
export function ipListFlag(usage: string): FlagSpec<string[]> {
  return list(usage, { check: checkIp });
}

function checkIp(text: string): string {
  const trimmed = text.trim();
  if (net().isIP(trimmed) === 0) throw invalidValue(`IP address is not correctly formatted: ${trimmed}`);
  return trimmed;
}

/** Search domains; "." is none. */
export function dnsSearchFlag(usage: string): FlagSpec<string[]> {
  const label = "[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?";
  const pattern = new RegExp(`^(:?${label}(?:\\.${label})*)\\.?\\s*$`);
  return list(usage, {
    check: (text) => {
      const domain = text.replace(/^ +| +$/g, "");
      if (domain === ".") return domain;
      const name = pattern.exec(domain)?.[1];
      if (name === undefined || name.length >= 255 || !/[a-zA-Z]/.test(domain)) {
        throw invalidValue(`${domain} is not a valid domain`);
      }
      return name;
    },
  });
}

/** `host:ip` or `host=ip` lines of /etc/hosts, normalised to the former. */
export function extraHostFlag(usage: string): FlagSpec<string[]> {
  return list(usage, {
    check: (text) => {
      const at = text.includes("=") ? text.indexOf("=") : text.indexOf(":");
      const host = at < 0 ? "" : text.slice(0, at);
      if (host === "" || host.includes(":"))
        throw invalidValue(`bad format for add-host: ${JSON.stringify(text)}`);
      const address = text.slice(at + 1).replace(/^\[(.+)\]$/, "$1");
      if (address !== "host-gateway" && net().isIP(address) === 0) {
        throw invalidValue(`invalid IP address in add-host: ${JSON.stringify(address)}`);
      }
      return `${host}:${address}`;
    },
  });
}

/** `container[:alias]` links. */
export function linkFlag(usage: string): FlagSpec<string[]> {
  return list(usage, {
    check: (text) => {
      if (text === "") throw invalidValue("empty string specified for links");
      if (text.split(":").length > 2) throw invalidValue(`bad format for links: ${text}`);
      return text;
    },
  });
}

export interface Ulimit {
  readonly Name: string;
  readonly Soft: number;
  readonly Hard: number;
}

const ulimitNames = new Set(
  "core cpu data fsize locks memlock msgqueue nice nofile nproc rss rtprio rttime sigpending stack".split(
    " ",
  ),
);

/** `name=soft[:hard]`; the last one of a name wins. */
export function ulimitFlag(usage: string): FlagSpec<Ulimit[]> {
  return custom<Ulimit[]>(
    "ulimit",
    usage,
    [],
    (text, previous) => {
      const limit = parseUlimit(text);
      const others = (previous ?? []).filter((other) => other.Name !== limit.Name);
      return [...others, limit].sort((a, b) => (a.Name < b.Name ? -1 : 1));
    },
    { defaultText: "[]" },
  );
}

function parseUlimit(text: string): Ulimit {
  const equals = text.indexOf("=");
  if (equals < 0) throw invalidValue(`invalid ulimit argument: ${text}`);
  const Name = text.slice(0, equals);
  if (!ulimitNames.has(Name)) throw invalidValue(`invalid ulimit type: ${Name}`);
  const values = text.slice(equals + 1).split(":");
  if (values.length > 2)
    throw invalidValue(
      `too many limit value arguments - ${text.slice(equals + 1)}, can only have up to two, \`soft[:hard]\``,
    );
  const numbers = values.map((value) => {
    if (!/^[+-]?\d+$/.test(value))
      throw invalidValue(`strconv.ParseInt: parsing ${JSON.stringify(value)}: invalid syntax`);
    return Number(value);
  });
  const [Soft = 0, Hard = Soft] = numbers;
  if (Hard !== -1 && (Soft === -1 || Soft > Hard)) {
    throw invalidValue(
      Soft === -1
        ? `ulimit soft limit must be less than or equal to hard limit: soft: -1 (unlimited), hard: ${Hard}`
        : `ulimit soft limit must be less than or equal to hard limit: ${Soft} > ${Hard}`,
    );
  }
  return { Name, Soft, Hard };
}

function devicePath(text: string): { path: string; value: string } {
  const colon = text.indexOf(":");
  if (colon <= 0) throw invalidValue(`bad format: ${text}`);
  const path = text.slice(0, colon);
  if (!path.startsWith("/dev/")) throw invalidValue(`bad format for device path: ${text}`);
  return { path, value: text.slice(colon + 1) };
}

export interface ThrottleDevice {
  readonly Path: string;
  readonly Rate: number;
}

/** `/dev/x:rate`, in bytes or operations per second. */
export function throttleFlag(usage: string, kind: "bytes" | "operations"): FlagSpec<ThrottleDevice[]> {
  const parse = (text: string, previous: ThrottleDevice[] | undefined) => {
    const { path, value } = devicePath(text);
    const form = kind === "bytes" ? "<number>[<unit>]" : "<number>";
    const hint = kind === "bytes" ? ". Unit is optional and can be kb, mb, or gb" : "";
    const refusal = invalidValue(
      `invalid rate for device: ${text}. The correct format is <device-path>:${form}. Number must be a positive integer${hint}`,
    );
    let Rate: number;
    try {
      Rate = kind === "bytes" ? parseBinarySize(value) : Number(/^\d+$/.exec(value)?.[0] ?? Number.NaN);
    } catch {
      throw refusal; // ignored: Docker explains the format instead
    }
    if (Number.isNaN(Rate)) throw refusal;
    return [...(previous ?? []), { Path: path, Rate }];
  };
  return custom<ThrottleDevice[]>("list", usage, [], parse, { defaultText: "[]" });
}

export interface WeightDevice {
  readonly Path: string;
  readonly Weight: number;
}

/** `/dev/x:weight` with a weight of 10 to 1000, or 0. */
export function weightFlag(usage: string): FlagSpec<WeightDevice[]> {
  const parse = (text: string, previous: WeightDevice[] | undefined) => {
    const { path, value } = devicePath(text);
    const Weight = Number(/^\d+$/.exec(value)?.[0] ?? Number.NaN);
    if (!(Weight === 0 || (Weight >= 10 && Weight <= 1000)))
      throw invalidValue(`invalid weight for device: ${text}`);
    return [...(previous ?? []), { Path: path, Weight }];
  };
  return custom<WeightDevice[]>("list", usage, [], parse, { defaultText: "[]" });
}

export interface DeviceRequest {
  Driver: string;
  Count: number;
  DeviceIDs: string[] | null;
  Capabilities: string[][];
  Options: Record<string, string>;
}

/** `all`, a count, or `device=0,capabilities=…`. */
export function gpusFlag(usage: string, traits: FlagTraits = {}): FlagSpec<DeviceRequest[]> {
  return custom<DeviceRequest[]>(
    "gpu-request",
    usage,
    [],
    (text, previous) => [...(previous ?? []), parseGpus(text)],
    traits,
  );
}

function parseGpus(text: string): DeviceRequest {
  const request: DeviceRequest = {
    Driver: "",
    Count: 0,
    DeviceIDs: null,
    Capabilities: [["gpu"]],
    Options: {},
  };
  const seen = new Set<string>();
  for (const field of parseCsv(text)) {
    const equals = field.indexOf("=");
    const key = equals < 0 ? field : field.slice(0, equals);
    const value = field.slice(equals + 1);
    if (seen.has(key)) throw invalidValue(`gpu request key '${key}' can be specified only once`);
    seen.add(key);
    if (equals < 0) {
      seen.add("count");
      request.Count = gpuCount(key);
    } else if (key === "driver") request.Driver = value;
    else if (key === "count") request.Count = gpuCount(value);
    else if (key === "device") request.DeviceIDs = value.split(",");
    else if (key === "capabilities") request.Capabilities = [[...value.split(","), "gpu"]];
    else if (key === "options") request.Options = toRecord(parseCsv(value));
    else throw invalidValue(`unexpected key '${key}' in '${field}'`);
  }
  if (!seen.has("count") && request.DeviceIDs === null) request.Count = 1;
  return request;
}

function gpuCount(text: string): number {
  if (text === "all") return -1;
  if (/^[+-]?\d+$/.test(text)) return Number(text);
  throw invalidValue(`invalid count (${text}): value must be either "all" or an integer: invalid syntax`);
}

const sysctlNames = new Set(
  "kernel.msgmax kernel.msgmnb kernel.msgmni kernel.sem kernel.shmall kernel.shmmax kernel.shmmni kernel.shm_rmid_forced".split(
    " ",
  ),
);

/** `name=value` of a kernel setting that containers have of their own. */
export function sysctlFlag(usage: string): FlagSpec<Readonly<Record<string, string>>> {
  return custom<Readonly<Record<string, string>>>(
    "map",
    usage,
    {},
    (text, previous) => {
      const equals = text.indexOf("=");
      const name = text.slice(0, Math.max(equals, 0));
      if (!sysctlNames.has(name) && !name.startsWith("net.") && !name.startsWith("fs.mqueue.")) {
        throw invalidValue(`sysctl '${text}' is not allowed`);
      }
      return { ...previous, [name]: text.slice(equals + 1) };
    },
    { defaultText: "map[]" },
  );
}

/** stdin, stdout or stderr. */
export function attachFlag(usage: string): FlagSpec<string[]> {
  return list(usage, {
    short: "a",
    check: (text) => {
      const name = text.toLowerCase();
      if (name === "stdin" || name === "stdout" || name === "stderr") return name;
      throw invalidValue("valid streams are STDIN, STDOUT and STDERR");
    },
  });
}

/** `type major:minor mode` of the device cgroup. */
export function deviceRuleFlag(usage: string): FlagSpec<string[]> {
  return list(usage, {
    check: (text) => {
      if (/^[acb] ([0-9]+|\*):([0-9]+|\*) [rwm]{1,3}$/.test(text)) return text;
      throw invalidValue(`invalid device cgroup format '${text}'`);
    },
  });
}
