// The daemon's settings of who may do what: authorisation plugins, sockets with a policy, the audit log.
//   { "authorization-plugins": ["name"],
//     "audit-log": "/var/log/berth-audit.jsonl",
//     "access": [ { "host": "unix:///run/berth/read.sock", "group": "watchers", "read-only": true },
//                 { "host": "unix:///run/berth/ci.sock", "labels": ["team=ci"], "allow": ["binds"] },
//                 { "host": "unix:///run/berth/deploy.sock", "operations": ["ContainerList", "ContainerRestart"] } ] }
import { ALL_OPERATIONS } from "../api/operations/all.ts";
import { Fault } from "../lib/errors.ts";
import { list } from "../lib/flags/spec.ts";
import type { Allowance, PolicyConfig } from "../server/access/policy.ts";

export interface AccessConfig {
  readonly plugins: readonly string[];
  /** Path of the audit log, "" for none. */
  readonly auditLog: string;
  readonly sockets: readonly PolicySocket[];
}

/** A socket besides those of `hosts`. */
export interface PolicySocket {
  readonly host: string;
  /** Group of a unix socket; undefined: as the daemon's own. */
  readonly group: string | undefined;
  readonly policy: PolicyConfig;
}

export const ACCESS_FLAGS = {
  "authorization-plugin": list("Authorization plugins to load"),
} as const;

export const ACCESS_KEYS = { "authorization-plugins": "authorization-plugin" } as const;
export const ACCESS_FILE_KEYS = ["access", "audit-log"] as const;

const ALLOWANCES: readonly Allowance[] = ["binds", "privileged", "images"];
const KEYS = ["host", "group", "read-only", "operations", "labels", "allow"];

const invalid = (message: string): Fault => new Fault("invalidParameter", message, { code: "daemon.config" });

/** Reads the file where it has a setting, else the flag. Throws Fault invalidParameter. */
export function accessConfigOf(
  file: Readonly<Record<string, unknown>>,
  flags: { readonly "authorization-plugin": readonly string[] },
): AccessConfig {
  const auditLog = file["audit-log"] ?? "";
  if (typeof auditLog !== "string") throw invalid('"audit-log" in the configuration file must be a path');
  const access = file["access"] ?? [];
  if (!Array.isArray(access)) throw invalid('"access" in the configuration file must be a list of sockets');
  const plugins = file["authorization-plugins"] ?? flags["authorization-plugin"];
  if (!isTexts(plugins))
    throw invalid('"authorization-plugins" in the configuration file must be a list of strings');
  return { plugins: [...new Set(plugins)], auditLog, sockets: access.map(socketOf) };
}

const isTexts = (value: unknown): value is readonly string[] =>
  Array.isArray(value) && value.every((text) => typeof text === "string");

function socketOf(value: unknown): PolicySocket {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw invalid('"access" in the configuration file must be a list of objects');
  const socket = value as Readonly<Record<string, unknown>>;
  const unknown = Object.keys(socket).filter((key) => !KEYS.includes(key));
  if (unknown.length > 0) throw invalid(`"access": unknown ${unknown.join(", ")}`);
  const { host, group, operations, labels, allow = [] } = socket;
  if (typeof host !== "string" || !/^(unix|tcp):\/\//.test(host))
    throw invalid('"access": each socket needs a "host", unix:///path or tcp://host:port');
  if (group !== undefined && typeof group !== "string")
    throw invalid(`"access": the group of ${host} must be a name`);
  const isReadOnly = socket["read-only"] ?? false;
  if (typeof isReadOnly !== "boolean") throw invalid(`"access": read-only of ${host} must be true or false`);
  if (!isReadOnly && operations === undefined && labels === undefined)
    throw invalid(`"access": ${host} has no policy: say read-only, operations or labels`);
  if (!isTexts(allow) || !allow.every((a) => (ALLOWANCES as readonly string[]).includes(a)))
    throw invalid(`"access": allow of ${host} must be a list of ${ALLOWANCES.join(", ")}`);
  if (allow.length > 0 && labels === undefined)
    throw invalid(`"access": allow of ${host} is for a scope of labels`);
  return {
    host,
    group,
    policy: {
      isReadOnly,
      operations: operationsOf(operations, host),
      labels: labelsOf(labels, host),
      allow: allow as readonly Allowance[],
    },
  };
}

function operationsOf(value: unknown, host: string): readonly string[] | undefined {
  if (value === undefined) return undefined;
  if (!isTexts(value)) throw invalid(`"access": operations of ${host} must be a list of names`);
  const known = new Set(ALL_OPERATIONS.map(({ name }) => name));
  const unknown = value.filter((name) => !known.has(name));
  if (unknown.length > 0) throw invalid(`"access": ${host}: there are no operations ${unknown.join(", ")}`);
  return value;
}

function labelsOf(value: unknown, host: string): Readonly<Record<string, string>> | undefined {
  if (value === undefined) return undefined;
  if (!isTexts(value) || value.length === 0 || !value.every((label) => /^[^=]+=/.test(label)))
    throw invalid(`"access": labels of ${host} must be a list of key=value`);
  return Object.fromEntries(
    value.map((label) => [label.split("=", 1)[0], label.slice(label.indexOf("=") + 1)]),
  );
}
